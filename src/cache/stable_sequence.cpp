// SPDX-License-Identifier: Apache-2.0
#include "cache/stable_sequence.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace headgate {
namespace {

constexpr int kAttempts = 10;
constexpr int kTokenShift = 32;

}  // namespace

StableSequence::StableSequence(const CacheSpace& space, Bucket& base)
    : copy_(space.environment, base, stable_copy_key(space.database),
            space.settings.operation_timeout),
      published_(space.environment, space.bucket, space.stable_key(),
                 space.settings.operation_timeout),
      buried_(space.environment, space.bucket, space.dead_ranges_key(),
              space.settings.operation_timeout) {}

// The larger of the record and the base bucket's copy (R14).
Task<Result<StableRecord>> StableSequence::load() {
  const Reply copy = co_await copy_.load();
  if (!copy.ok() && copy.status != Errc::not_found) co_return copy.status;
  const Reply published = co_await published_.load();
  if (!published.ok() && published.status != Errc::not_found) co_return published.status;
  StableRecord record;
  record.stable = Sequence(1);
  if (copy.ok()) {
    HG_CO_TRY(record, StableRecord::decode(copy.bytes));
  }
  if (published.ok()) {
    HG_CO_TRY(auto present, StableRecord::decode(published.bytes));
    present.token = std::max(present.token, record.token);
    if (present.stable >= record.stable) record = std::move(present);
  }
  co_return record;
}

// Reads the buried ranges and stores them once more: a replaced writer that still buries finds
// another version than its own, and is fenced, instead of fencing this one.
Task<Result<void>> StableSequence::take_over_dead_ranges() {
  const Reply reply = co_await buried_.load();
  if (!reply.ok() && reply.status != Errc::not_found) co_return reply.status;
  DeadRanges dead;
  if (reply.ok()) {
    HG_CO_TRY(dead, DeadRanges::decode(reply.bytes));
  }
  // Under no token two values are the same: nobody takes another's for its own.
  dead.version = std::max(dead.version + 1, record_.token << kTokenShift);
  HG_CO_CHECK(co_await buried_.store(dead.encode()));
  dead_ = std::move(dead);
  co_return Result<void>();
}

Task<Result<void>> StableSequence::take_over() {
  Errc last = Errc::unavailable;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    HG_CO_TRY(record_, co_await load());
    ++record_.token;
    // Both places carry the token: whoever was in charge before finds it in either.
    auto stored = co_await published_.store(record_.encode());
    if (stored) stored = co_await copy_.store(record_.encode());
    if (stored) stored = co_await take_over_dead_ranges();
    if (stored) co_return stored;
    last = stored.error().code;
    // Somebody published or took over meanwhile: read again and raise the token over theirs.
    if (last != Errc::cas_mismatch && last != Errc::timeout_unknown_outcome) break;
  }
  co_return Error{last, "taking over the stable record"};
}

Task<Result<void>> StableSequence::publish(Sequence stable, FeedPositions checkpoint,
                                           std::vector<HistoryId> cache_histories,
                                           std::vector<HistoryId> base_histories) {
  HG_ASSERT(stable >= record_.stable);
  StableRecord wanted = record_;
  wanted.stable = stable;
  wanted.checkpoint = std::move(checkpoint);
  wanted.cache_histories = std::move(cache_histories);
  wanted.base_histories = std::move(base_histories);
  wanted.dead_ranges_version = dead_.version;
  if (wanted == record_) co_return Result<void>();
  const std::string bytes = wanted.encode();
  // Whoever finds another writer's version in either place has been replaced.
  for (OwnedRecord* record : {&copy_, &published_}) {
    const auto stored = co_await record->store(bytes);
    if (!stored)
      co_return Error{
          stored.error().code == Errc::cas_mismatch ? Errc::fenced : stored.error().code,
          "publishing stable"};
  }
  record_ = std::move(wanted);
  co_return Result<void>();
}

Task<Result<void>> StableSequence::bury(Sequence first, Sequence last) {
  DeadRanges wanted = dead_;
  wanted.bury(first, last);
  const auto stored = co_await buried_.store(wanted.encode());
  if (!stored)
    co_return Error{stored.error().code == Errc::cas_mismatch ? Errc::fenced : stored.error().code,
                    "burying a range"};
  dead_ = std::move(wanted);
  co_return Result<void>();
}

}  // namespace headgate
