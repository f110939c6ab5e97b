// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "base/manual_environment.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// A bucket whose calls other threads carry out, under a ManualEnvironment: its time stands still
/// while a call is under way, so that no deadline passes because a disk is slow. What feeds wait
/// for must have been written with Durability::disk. Both must outlive it.
class TimeHoldingBucket final : public Bucket {
 public:
  TimeHoldingBucket(ManualEnvironment& environment, Bucket& inner)
      : environment_(environment), inner_(inner) {}

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override {
    const Hold hold(environment_);
    co_return co_await inner_.pipeline(std::move(operations), deadline);
  }
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override {
    const Hold hold(environment_);
    co_return co_await inner_.scan(std::move(scan), deadline);
  }
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override {
    const Hold hold(environment_);
    co_return co_await inner_.barrier(deadline);
  }
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override {
    return inner_.open_feed(database, std::move(positions));
  }
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override {
    const Hold hold(environment_);
    co_return co_await inner_.drop_database(database, deadline);
  }
  PartitionNumber partition_of(const Key& key) const override { return inner_.partition_of(key); }
  std::size_t partition_count() const override { return inner_.partition_count(); }
  std::vector<HistoryId> histories() const override { return inner_.histories(); }

 private:
  class Hold {
   public:
    explicit Hold(ManualEnvironment& environment) : environment_(environment) {
      environment_.hold_time();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { environment_.release_time(); }

   private:
    ManualEnvironment& environment_;
  };

  ManualEnvironment& environment_;
  Bucket& inner_;
};

}  // namespace headgate
