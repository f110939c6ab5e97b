// SPDX-License-Identifier: Apache-2.0
#include "cache/pass_starts.hpp"

#include <utility>
#include <vector>

#include "base/buggify.hpp"

namespace headgate {
namespace {

// Of try_read() alone.
constexpr Errc kNotCurrent = Errc::rolled_back;

}  // namespace

Task<Result<PassStart>> PassStarts::start() {
  ++passes_;
  const std::uint64_t wanted = begun_ + 1;
  while (done_ < wanted) {
    if (is_wanted_ || begun_ != done_) {
      co_await start_done_.wait_past(start_done_.count());
      continue;
    }
    // One write wakes many feeds, and a bucket may answer without suspending: the read begins when
    // all that were woken together have asked for it.
    is_wanted_ = true;
    co_await space_.environment.yield();
    is_wanted_ = false;
    ++begun_;
    auto start = co_await read();
    latest_ = std::move(start);
    done_ = begun_;
    start_done_.raise();
  }
  co_return latest_;
}

bool PassStarts::is_current(const Reply& reply, const Key& key, const StableRecord& record) const {
  const std::size_t partition = space_.bucket.partition_of(key).value();
  return !HG_RULE("R15") || (partition < record.cache_histories.size() &&
                             record.cache_histories[partition] == reply.history);
}

Task<Result<PassStart>> PassStarts::read() {
  const std::uint32_t generation = space_.generation;
  auto start = co_await try_read();
  const auto is_out_of_date = [&] {
    return !start && (start.error().code == Errc::not_found || start.error().code == kNotCurrent);
  };
  if (!is_out_of_date()) co_return start;
  // Nothing was published yet, or not since a failover; or the cache was emptied and is built under
  // another generation (C6). Of a generation given up again a record may be left.
  HG_CO_CHECK(co_await allocator_.follow());
  if (space_.generation != generation) start = co_await try_read();
  if (!is_out_of_date()) co_return start;
  co_return Error{Errc::unavailable, start.error().code == kNotCurrent
                                         ? "the cache is being checked after a failover"
                                         : "no stable sequence was published yet"};
}

// Errors: not_found: there is no stable record; kNotCurrent: it is of another history.
Task<Result<PassStart>> PassStarts::try_read() {
  ++stable_reads_;
  if (allocator_.failure()) co_return *allocator_.failure();
  const std::uint64_t number = begun_;
  std::vector<Key> keys{space_.stable_key(), space_.access_counter_key()};
  if (auto counter = allocator_.counter_key()) keys.push_back(*std::move(counter));
  const auto replies = co_await space_.bucket.get_many(keys, space_.deadline());
  if (!replies[0].ok()) co_return replies[0].status;
  if (!replies[1].ok() && replies[1].status != Errc::not_found) co_return replies[1].status;
  // Without a bound a pass might miss what is above stable: rights built by it would not be whole.
  if (replies.size() > 2 && !replies[2].ok()) co_return replies[2].status;
  if (replies[0].bytes != stable_bytes_ || !record_) {
    HG_CO_TRY(auto record, StableRecord::decode(replies[0].bytes));
    // B5: what was read under another history says nothing any more.
    if (record_ && record.cache_histories != record_->cache_histories && HG_RULE("B5")) {
      dead_ = {};
      documents_.clear();
      forget_channels_();
    }
    // What a cache writer killed and did not live to count is told by its successor's token.
    if (record_ && (record.kills != record_->kills || record.token != record_->token))
      documents_.clear();
    // Readers clamp: what was published once is never taken back (I3).
    if (record_ && record.stable < record_->stable && HG_RULE("I3"))
      record.stable = record_->stable;
    stable_bytes_ = replies[0].bytes;
    record_ = std::make_shared<const StableRecord>(std::move(record));
  }
  for (std::size_t i = 0; i < replies.size(); ++i)
    if (!is_current(replies[i], keys[i], *record_)) co_return kNotCurrent;
  // Of a record's history the counter is above every earlier epoch's numbers.
  if (replies.size() > 2) allocator_.observe(replies[2], replies[2].history);
  if (record_->dead_ranges_version != dead_.version)
    HG_CO_CHECK(co_await load_dead_ranges(record_->dead_ranges_version));
  co_return PassStart{record_->stable, replies[1].number, record_, number};
}

bool PassStarts::covers(const Key& key, HistoryId history) const {
  if (!space_.is_shared()) return true;
  const std::size_t partition = space_.bucket.partition_of(key).value();
  return record_ && partition < record_->cache_histories.size() &&
         record_->cache_histories[partition] == history;
}

Task<Result<void>> PassStarts::load_dead_ranges(std::uint64_t version) {
  const Reply reply = co_await space_.bucket.get(space_.dead_ranges_key(), space_.deadline());
  if (reply.status == Errc::not_found) co_return Errc::rolled_back;
  if (!reply.ok()) co_return reply.status;
  if (!is_current(reply, space_.dead_ranges_key(), *record_)) co_return Errc::rolled_back;
  HG_CO_TRY(auto dead, DeadRanges::decode(reply.bytes));
  if (dead.version < version) co_return Errc::rolled_back;
  dead_ = std::move(dead);
  co_return Result<void>();
}

}  // namespace headgate
