// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bucket/rocksdb/rocks_bucket.hpp"

namespace headgate {

/// Reads the feed's column family anew at every call, near the tail in microseconds.
class RocksFeed final : public MutationFeed {
 public:
  RocksFeed(RocksBucket& bucket, DatabaseId database, FeedPosition position);
  ~RocksFeed() override;

  Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) override;
  FeedPositions positions() const override { return {position_}; }
  Task<Result<FeedPositions>> heads(Deadline deadline) override;

 private:
  RocksBucket& bucket_;
  DatabaseId database_;
  FeedPosition position_;
  Signal& news_;
};

}  // namespace headgate
