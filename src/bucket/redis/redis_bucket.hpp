// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/redis/partition_queue.hpp"
#include "bucket/redis/redis_options.hpp"
#include "bucket/redis/redis_sync_proof.hpp"

namespace headgate {

class RedisBells;
class RedisBarrier;
class RedisMessages;

/// A Bucket on a Redis 7 server or cluster, or whatever speaks its protocol and runs its scripts.
/// Each partition is one hash slot and each call one script a partition, which looks for a new
/// history before it does anything. Calls of one turn share the scripts, connections and system
/// calls. `environment` must outlive it.
class RedisBucket final : public Bucket {
 public:
  /// Errors: unavailable (with the server's words); unsupported: not Redis 7, or it may evict
  /// keys; invalid_argument: another number of partitions than the bucket was made with, options.
  static Task<Result<std::unique_ptr<RedisBucket>>> open(AsioEnvironment& environment,
                                                         RedisOptions options, Deadline deadline);
  ~RedisBucket() override;

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override;
  /// With replicas: WAIT on a connection of its own. Without: what the server's persistence gives.
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override;
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override;
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override;
  PartitionNumber partition_of(const Key& key) const override;
  std::size_t partition_count() const override { return histories_.size(); }
  std::vector<HistoryId> histories() const override { return histories_; }

  /// Every master proved that it syncs each write to its disk before it answers (appendonly yes,
  /// appendfsync always), last within some seconds. Never true if not all did so at the start.
  bool syncs_every_write() const { return sync_proof_.holds(); }
  /// Replicas that a barrier waits for.
  std::size_t replicas() const { return cluster_.options().replicas; }

  /// Messages to all who use this bucket; must not outlive it.
  std::unique_ptr<RedisMessages> open_messages(std::function<void(std::string_view)> receive);

  /// Gives up superseded entries of streams that have grown too long (options.feed_slack), as far
  /// as `safe`; readers of the feed see to it by themselves. REQUIRES: a barrier has passed since
  /// `safe` was read as the database's heads: an entry that is lost must not have hidden another.
  Task<Result<void>> compact_feed(DatabaseId database, FeedPositions safe, Deadline deadline);

 private:
  friend class RedisFeed;
  struct Lot;

  RedisBucket(AsioEnvironment& environment, RedisOptions options);

  Task<Result<void>> start(Deadline deadline);
  Task<Result<void>> check_servers(Deadline deadline);
  Task<Result<void>> check_format(Deadline deadline);
  void touch_later(PartitionNumber partition);
  Task<void> touch(PartitionNumber partition);
  void saw(PartitionNumber partition, HistoryId history);

  /// One operation of the bucket's own on each of `partitions`, in one round trip.
  using Parts = std::vector<std::shared_ptr<ScriptPart>>;
  std::shared_ptr<ScriptPart> submit(PartitionNumber partition, RespCommand operation,
                                     Deadline deadline);
  /// Until it is answered or its deadline has come; then its status stays unknown.
  Task<void> wait(ScriptPart& part, PartitionNumber partition);
  /// The same with another deadline. True: it is answered.
  Task<bool> wait(ScriptPart& part, PartitionNumber partition, Deadline deadline);
  static Result<void> outcome(const ScriptPart& part);
  Task<Result<std::vector<HistoryId>>> touch_all(Deadline deadline);

  std::vector<Lot> divide(const std::vector<Operation>& operations, std::vector<Reply>& replies);
  Task<void> run_lots(std::vector<Lot> lots, const std::vector<Operation>& operations,
                      std::vector<Reply>& replies, Deadline deadline);
  void read_lot(const Lot& lot, const ScriptPart& part, std::vector<Reply>& replies) const;
  Task<void> make_durable(const std::vector<Operation>& operations, std::vector<Reply>& replies,
                          Deadline deadline);
  Task<Result<ScanPage>> scan_once(const Scan& scan, Deadline deadline);
  void reclaim_later(PartitionNumber partition, DatabaseId database);
  Task<void> reclaim(PartitionNumber partition, DatabaseId database);
  void compact_later(DatabaseId database);
  Task<void> compact(DatabaseId database);

  AsioEnvironment& environment_;
  RedisCluster cluster_;
  std::vector<HistoryId> histories_;
  std::size_t pending_bytes_ = 0;
  RedisSyncProof sync_proof_;
  std::vector<std::unique_ptr<PartitionQueue>> queues_;
  std::unique_ptr<RedisBarrier> barrier_;
  std::unique_ptr<RedisBells> bells_;  // from the first feed on
  std::set<std::pair<PartitionNumber, DatabaseId>> reclaiming_;
  std::set<DatabaseId> compacting_;
  TaskScope tasks_;
};

}  // namespace headgate
