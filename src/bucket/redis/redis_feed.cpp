// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_feed.hpp"

#include <algorithm>
#include <utility>

#include "bucket/redis/redis_bells.hpp"
#include "bucket/redis/redis_codec.hpp"

namespace headgate {
namespace {

// Of one partition in one round trip.
constexpr std::size_t kMaxFetched = 256;
constexpr std::chrono::seconds kAskTimeout{5};

std::string_view field_of(const redisReply& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.elements; i += 2)
    if (resp_text(*fields.element[i]) == name) return resp_text(*fields.element[i + 1]);
  return {};
}

std::vector<HistoryStart> read_log(const redisReply& log) {
  std::vector<HistoryStart> histories;
  for (std::size_t i = 0; const redisReply* line = resp_at(log, i); ++i) {
    const std::string_view text = resp_text(*line);
    const auto space = text.find(' ');
    if (space == text.npos) continue;
    histories.push_back({HistoryId(read_number(text.substr(0, space))),
                         PartitionPosition(read_number(text.substr(space + 1)))});
  }
  return histories;
}

}  // namespace

RedisFeed::RedisFeed(RedisBucket& bucket, DatabaseId database, FeedPositions positions)
    : bucket_(bucket),
      database_(database),
      positions_(std::move(positions)),
      fetched_(positions_.size()),
      asked_(positions_.size()),
      looked_(positions_.size()) {}

Task<Result<std::vector<FeedEntry>>> RedisFeed::next(std::size_t limit, Deadline deadline) {
  while (true) {
    Signal& changed = bucket_.bells_->changed();
    const std::uint64_t seen = changed.count();
    std::vector<FeedEntry> entries = take(limit);
    if (!entries.empty()) co_return entries;
    ask(limit);
    switch (co_await collect(deadline)) {
      case Fetched::rolled_back:
        co_return Errc::rolled_back;
      case Fetched::something:
        continue;
      case Fetched::late:
        co_return entries;
      case Fetched::failed:
        if (bucket_.environment_.now() >= deadline) co_return entries;
        co_return Errc::unavailable;
      case Fetched::nothing:
        if (!co_await changed.wait_past(seen, deadline)) co_return entries;
    }
  }
}

std::vector<FeedEntry> RedisFeed::take(std::size_t limit) {
  std::vector<FeedEntry> entries;
  const std::size_t count = fetched_.size();
  for (std::size_t i = 0; i < count && entries.size() < limit; ++i) {
    const std::size_t p = (first_partition_ + i) % count;
    while (!fetched_[p].empty() && entries.size() < limit) {
      entries.push_back(std::move(fetched_[p].front()));
      fetched_[p].pop_front();
      positions_[p] = {entries.back().history, entries.back().position};
    }
  }
  first_partition_ = (first_partition_ + 1) % count;
  taken_ += entries.size();
  if (taken_ > bucket_.cluster_.options().feed_slack) {
    taken_ = 0;
    bucket_.compact_later(database_);
  }
  return entries;
}

FeedPosition RedisFeed::read_up_to(std::size_t partition) const {
  const auto& fetched = fetched_[partition];
  if (fetched.empty()) return positions_[partition];
  return {fetched.back().history, fetched.back().position};
}

// Where there may be something new and nothing is asked yet. A server that is no master any more
// may never answer: its successor is asked instead.
void RedisFeed::ask(std::size_t limit) {
  const auto& rung = bucket_.bells_->rung();
  for (std::uint32_t p = 0; p < positions_.size(); ++p) {
    const PartitionNumber partition(p);
    const RedisAddress master = bucket_.cluster_.master(partition);
    if (asked_[p].part ? asked_[p].master == master : looked_[p] == rung[p]) continue;
    RespCommand command;
    add_read_feed(command, database_, read_up_to(p), std::min(limit, kMaxFetched));
    const Deadline deadline = bucket_.environment_.now() + kAskTimeout;
    asked_[p] = {bucket_.submit(partition, std::move(command), deadline), master, rung[p]};
  }
}

// Takes the answers that come by the deadline.
Task<RedisFeed::Fetched> RedisFeed::collect(Deadline deadline) {
  Fetched all = Fetched::nothing;
  for (std::uint32_t p = 0; p < positions_.size(); ++p) {
    if (!asked_[p].part) continue;
    const PartitionNumber partition(p);
    Fetched one = Fetched::late;
    if (co_await bucket_.wait(*asked_[p].part, partition, deadline)) {
      const Question question = std::exchange(asked_[p], {});
      one = take_reply(partition, *question.part);
      if (one == Fetched::nothing) looked_[p] = question.rung;
    }
    // A roll-back is told first: it is told once. Something beats a failure elsewhere.
    if (one == Fetched::rolled_back) co_return one;
    if (one == Fetched::something || (one != Fetched::nothing && all == Fetched::nothing))
      all = one;
  }
  co_return all;
}

RedisFeed::Fetched RedisFeed::take_reply(PartitionNumber partition, const ScriptPart& part) {
  if (part.status != Errc::ok) return Fetched::failed;
  const redisReply* raw = part.reply_of(0);
  const HistoryId history = read_history(*part.reply);
  const Reply reply = read_reply(raw, history);
  const redisReply* more = more_of(raw);
  if (!more) return Fetched::failed;
  if (reply.status == Errc::rolled_back) return follow(partition, *more);
  FeedPosition& at = positions_[partition.value()];
  if (at.history == HistoryId()) at.history = history;
  return take_entries(partition, *more, history) ? Fetched::something : Fetched::nothing;
}

bool RedisFeed::take_entries(PartitionNumber partition, const redisReply& entries,
                             HistoryId history) {
  auto& fetched = fetched_[partition.value()];
  bool is_some = false;
  for (std::size_t i = 0; const redisReply* entry = resp_at(entries, i); ++i) {
    const redisReply* id = resp_at(*entry, 0);
    const redisReply* fields = resp_at(*entry, 1);
    if (!id || !fields) continue;
    auto key = read_member(database_, field_of(*fields, "k"));
    if (!key) continue;
    fetched.push_back({std::move(*key), std::string(field_of(*fields, "e")),
                       field_of(*fields, "r") == "1", Cas(read_number(field_of(*fields, "c"))),
                       partition, PartitionPosition(read_number(resp_text(*id))), history});
    is_some = true;
  }
  return is_some;
}

RedisFeed::Fetched RedisFeed::follow(PartitionNumber partition, const redisReply& log) {
  const std::vector<HistoryStart> histories = read_log(log);
  if (histories.empty()) return Fetched::failed;
  // What was fetched and not yet returned is read again.
  fetched_[partition.value()].clear();
  FeedPosition& at = positions_[partition.value()];
  return follow_history(histories, at) ? Fetched::rolled_back : Fetched::something;
}

Task<Result<FeedPositions>> RedisFeed::heads(Deadline deadline) {
  if (bucket_.environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  std::vector<std::shared_ptr<ScriptPart>> parts;
  for (std::uint32_t p = 0; p < positions_.size(); ++p) {
    RespCommand command;
    add_head(command, database_);
    parts.push_back(bucket_.submit(PartitionNumber(p), std::move(command), deadline));
  }
  FeedPositions heads;
  for (std::uint32_t p = 0; p < positions_.size(); ++p) {
    co_await bucket_.wait(*parts[p], PartitionNumber(p));
    HG_CO_CHECK(RedisBucket::outcome(*parts[p]));
    const HistoryId history = read_history(*parts[p]->reply);
    heads.push_back({history, read_reply(parts[p]->reply_of(0), history).position});
  }
  co_return heads;
}

}  // namespace headgate
