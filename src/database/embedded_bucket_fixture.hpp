// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/manual_environment.hpp"
#include "bucket/decorator/time_holding_bucket.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"

namespace headgate {

/// The embedded store with all that it needs, for tests.
class EmbeddedBucket final : public Bucket {
 public:
  explicit EmbeddedBucket(ManualEnvironment& environment)
      : store_(RocksStore::open({.directory = directory_ / "store",
                                 .block_cache_bytes = 1u << 20,
                                 .write_buffer_bytes = 1u << 20,
                                 .free_bytes_min = 1})
                   .value()),
        bucket_(environment, *store_),
        holding_(environment, bucket_) {}

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override {
    return holding_.pipeline(std::move(operations), deadline);
  }
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override {
    return holding_.scan(std::move(scan), deadline);
  }
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override {
    return holding_.barrier(deadline);
  }
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override {
    return holding_.open_feed(database, std::move(positions));
  }
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override {
    return holding_.drop_database(database, deadline);
  }
  PartitionNumber partition_of(const Key& key) const override { return bucket_.partition_of(key); }
  std::size_t partition_count() const override { return bucket_.partition_count(); }
  std::vector<HistoryId> histories() const override { return bucket_.histories(); }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<RocksStore> store_;
  RocksBucket bucket_;
  TimeHoldingBucket holding_;
};

}  // namespace headgate
