// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/rocks_feed.hpp"

#include <utility>

#include "bucket/rocksdb/cold_read.hpp"
#include "bucket/rocksdb/reads.hpp"

namespace headgate {

RocksFeed::RocksFeed(RocksBucket& bucket, DatabaseId database, FeedPosition position)
    : bucket_(bucket), database_(database), position_(position), news_(bucket.watch(database)) {}

RocksFeed::~RocksFeed() {
  bucket_.unwatch(database_);
}

Task<Result<std::vector<FeedEntry>>> RocksFeed::next(std::size_t limit, Deadline deadline) {
  const auto engine = bucket_.store_.engine_;
  while (true) {
    if (follow_history(engine->histories, position_)) co_return Errc::rolled_back;
    const std::uint64_t seen = news_.count();
    const PartitionPosition after = position_.position;
    auto entries = read_feed(*engine, database_, after, limit, Tier::memory);
    if (!entries) {
      auto cold = co_await run_cold(
          bucket_.environment_,
          [engine, database = database_, after, limit] {
            return *read_feed(*engine, database, after, limit, Tier::disk);
          },
          deadline);
      if (!cold) co_return std::vector<FeedEntry>();
      entries = std::move(cold);
    }
    if (!*entries) co_return std::move(*entries);
    if (!(*entries)->empty()) {
      position_.position = (*entries)->back().position;
      co_return std::move(*entries);
    }
    if (!co_await news_.wait_past(seen, deadline)) co_return std::move(*entries);
  }
}

Task<Result<FeedPositions>> RocksFeed::heads(Deadline deadline) {
  if (bucket_.environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  const auto engine = bucket_.store_.engine_;
  auto head = read_head(*engine, database_, Tier::memory);
  if (!head) {
    head = co_await run_cold(
        bucket_.environment_,
        [engine, database = database_] { return *read_head(*engine, database, Tier::disk); },
        deadline);
    if (!head) co_return Errc::timeout_unknown_outcome;
  }
  if (!*head) co_return (*head).error();
  co_return FeedPositions{{engine->history(), **head}};
}

}  // namespace headgate
