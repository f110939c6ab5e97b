// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/signal.hpp"
#include "bucket/bucket.hpp"
#include "bucket/memory/memory_partition.hpp"

namespace headgate {

/// The data that several MemoryBuckets share: as a cluster's, for tests on one thread. Must outlive
/// its buckets.
class MemoryStore {
 public:
  /// History ids count up from `first_history`.
  explicit MemoryStore(std::size_t partition_count = 1, HistoryId first_history = HistoryId(1));
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  /// F5, F7: `partition` continues under a new history with what its first
  /// `keep_operations_prefix` writes left. Nothing is lost with operation_count().
  void fail_over(PartitionNumber partition, std::size_t keep_operations_prefix);
  /// The same for every partition, without a loss.
  void fail_over_all();
  /// C6: every partition continues empty under a new history.
  void flush();
  /// Writes carried out in this partition, after what failovers lost.
  std::size_t operation_count(PartitionNumber partition) const;
  /// Of these, how many a barrier or a write above Durability::memory has covered: a failover of a
  /// replicated store, or a restart of another, keeps them.
  std::size_t covered_count(PartitionNumber partition) const;

  HistoryId history(PartitionNumber partition) const;
  PartitionNumber partition_of(const Key& key) const;
  std::size_t partition_count() const { return partitions_.size(); }

 private:
  friend class MemoryBucket;
  friend class MemoryFeed;

  MemoryPartition& at(PartitionNumber partition);
  void wake_feeds();

  std::uint64_t last_history_;
  std::vector<MemoryPartition> partitions_;
  std::vector<std::size_t> covered_;
  std::set<Signal*> watchers_;
};

/// A Bucket in memory, for unit tests. A call is carried out in later turns, one for each
/// partition it touches, and returns in one after that, so that others run in between. Durable
/// is what it is at once: durability and barrier() change nothing.
class MemoryBucket final : public Bucket {
 public:
  MemoryBucket(Environment& environment, MemoryStore& store);
  ~MemoryBucket() override;

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override;
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override;
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override;
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override;
  PartitionNumber partition_of(const Key& key) const override;
  std::size_t partition_count() const override;
  std::vector<HistoryId> histories() const override { return histories_; }

 private:
  friend class MemoryFeed;

  Reply execute(const Operation& operation);

  Environment& environment_;
  MemoryStore& store_;
  Signal changed_;
  std::vector<HistoryId> histories_;
};

}  // namespace headgate
