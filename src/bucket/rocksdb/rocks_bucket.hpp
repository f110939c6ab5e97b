// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/signal.hpp"
#include "bucket/bucket.hpp"
#include "bucket/rocksdb/rocks_store.hpp"

namespace headgate {

class Mailbox;
struct WriteRequest;

/// One executor's access to the embedded store. Reads that find everything in memory do not
/// suspend; others go through a worker. Writes go to the store's committer; Durability::memory is
/// written to the log, not synced. A feed entry of such a write is shown after the next sync, which
/// comes within milliseconds by itself (FeedSyncer). `store` must outlive it.
class RocksBucket final : public Bucket {
 public:
  RocksBucket(Environment& environment, RocksStore& store);
  ~RocksBucket() override;

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override;
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override;
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override;
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override;
  PartitionNumber partition_of(const Key& key) const override;
  std::size_t partition_count() const override { return 1; }
  std::vector<HistoryId> histories() const override;

 private:
  friend class RocksFeed;
  struct Run;  // operations of a pipeline that are all reads or all writes
  struct Watch {
    explicit Watch(Environment& environment) : news(environment) {}
    Signal news;
    std::size_t feeds = 0;
  };

  Task<bool> read(Run run, Deadline deadline);
  Task<bool> write(Run run, Deadline deadline);
  Task<Errc> commit(std::shared_ptr<WriteRequest> request, Deadline deadline);
  std::shared_ptr<WriteRequest> new_request() const;

  Signal& watch(DatabaseId database);
  void unwatch(DatabaseId database);

  Environment& environment_;
  RocksStore& store_;
  std::shared_ptr<Mailbox> mailbox_;
  std::map<DatabaseId, Watch> watches_;
};

}  // namespace headgate
