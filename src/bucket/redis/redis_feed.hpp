// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <vector>

#include "bucket/history.hpp"
#include "bucket/redis/redis_bucket.hpp"

namespace headgate {

/// A reader of one database's streams. See MutationFeed.
class RedisFeed final : public MutationFeed {
 public:
  RedisFeed(RedisBucket& bucket, DatabaseId database, FeedPositions positions);

  Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) override;
  FeedPositions positions() const override { return positions_; }
  Task<Result<FeedPositions>> heads(Deadline deadline) override;

 private:
  enum class Fetched : unsigned char { nothing, something, rolled_back, failed, late };
  /// A read of one partition that is under way. It outlives the call that began it: a reader that
  /// never waits long enough for an answer is shown it by a later call.
  struct Question {
    std::shared_ptr<ScriptPart> part = {};  // none: nothing is asked
    RedisAddress master = {};
    std::uint64_t rung = 0;  // the bell's count when it was asked
  };

  void ask(std::size_t limit);
  Task<Fetched> collect(Deadline deadline);
  Fetched take_reply(PartitionNumber partition, const ScriptPart& part);
  bool take_entries(PartitionNumber partition, const redisReply& entries, HistoryId history);
  Fetched follow(PartitionNumber partition, const redisReply& log);
  FeedPosition read_up_to(std::size_t partition) const;
  std::vector<FeedEntry> take(std::size_t limit);

  RedisBucket& bucket_;
  const DatabaseId database_;
  FeedPositions positions_;
  std::vector<std::deque<FeedEntry>> fetched_;  // by partition; not yet returned
  std::vector<Question> asked_;                 // by partition
  std::vector<std::uint64_t> looked_;           // the bell's count when a partition was last empty
  std::size_t taken_ = 0;                       // since it last saw to the length of the streams
  std::size_t first_partition_ = 0;             // moves on, so that none starves
};

}  // namespace headgate
