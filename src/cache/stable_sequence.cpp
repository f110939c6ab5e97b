// SPDX-License-Identifier: Apache-2.0
#include "cache/stable_sequence.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/buggify.hpp"

namespace headgate {
namespace {

constexpr int kAttempts = 10;
constexpr int kTokenShift = 32;

bool has_history(const std::vector<HistoryId>& histories, PartitionNumber partition, HistoryId id) {
  return partition.value() < histories.size() && histories[partition.value()] == id;
}

}  // namespace

StableSequence::Place::Place(const CacheSpace& space, Bucket& bucket, Key key)
    : record(space.environment, bucket, key, space.settings.operation_timeout),
      partition(bucket.partition_of(key)) {}

WriteOptions StableSequence::Place::options(const CacheSpace& space) const {
  WriteOptions options;
  if (space.is_shared()) options.if_history = history;
  return options;
}

Task<Result<Reply>> StableSequence::load(Place& place) {
  Reply reply = co_await place.record.load();
  if (!reply.ok() && reply.status != Errc::not_found)
    co_return Error{reply.status, "reading the stable record"};
  place.history = reply.history;
  co_return reply;
}

Task<Result<StableSequence::Loaded>> StableSequence::load_both() {
  generation_ = space_.generation;
  copy_.emplace(space_, base_, stable_copy_key(space_.database));
  published_.emplace(space_, space_.bucket, space_.stable_key());
  buried_.emplace(space_, space_.bucket, space_.dead_ranges_key());
  Loaded loaded;
  HG_CO_TRY(const Reply copy, co_await load(*copy_));
  HG_CO_TRY(const Reply published, co_await load(*published_));
  if (copy.ok()) {
    HG_CO_TRY(loaded.copy, StableRecord::decode(copy.bytes));
  }
  if (published.ok()) {
    HG_CO_TRY(loaded.published, StableRecord::decode(published.bytes));
  }
  co_return loaded;
}

// The larger of the record, the base bucket's copy, and memory (R14, C3).
StableRecord StableSequence::largest_of(const Loaded& loaded) const {
  StableRecord largest;
  largest.stable = largest.durable_floor = Sequence(1);
  largest.generation = generation_;
  if (loaded.copy) largest = *loaded.copy;
  std::uint64_t token = largest.token;
  const auto consider = [&](const StableRecord& other) {
    token = std::max(token, other.token);
    // Of another generation is what a cache that is being built anew keeps in its record.
    if (loaded.copy && other.generation != loaded.copy->generation) return;
    if (other.stable >= largest.stable) largest = other;
  };
  const bool has_fallen = loaded.published && loaded.published->stable < record_.stable;
  if (has_fallen) HG_PROBE("C3 stable record fell back");
  if (record_.token != 0 && HG_RULE("C3")) consider(record_);
  if (loaded.published) consider(*loaded.published);
  largest.token = token;
  return largest;
}

bool StableSequence::may_be_larger(const StableRecord& record) const {
  if (!space_.is_shared() || record.cache_histories.empty()) return false;
  return !has_history(record.cache_histories, published_->partition, published_->history) &&
         !has_history(record.base_histories, copy_->partition, copy_->history);
}

// Reads the buried ranges and stores them once more: a replaced writer that still buries finds
// another version than its own, and is fenced, instead of fencing this one.
Task<Result<void>> StableSequence::take_over_dead_ranges() {
  HG_CO_TRY(const Reply reply, co_await load(*buried_));
  DeadRanges dead;
  if (reply.ok()) {
    HG_CO_TRY(dead, DeadRanges::decode(reply.bytes));
  }
  // Under no token two values are the same: nobody takes another's for its own.
  dead.version = std::max(dead.version + 1, record_.token << kTokenShift);
  HG_CO_CHECK(co_await buried_->record.store(dead.encode(), buried_->options(space_)));
  dead_ = std::move(dead);
  co_return Result<void>();
}

Task<Result<StableSequence::Found>> StableSequence::take_over() {
  Errc last = Errc::unavailable;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    HG_CO_TRY(const Loaded loaded, co_await load_both());
    const bool had_one = loaded.copy && loaded.copy->generation == generation_;
    if (space_.is_shared() && !loaded.published && had_one) co_return Found{.is_emptied = true};
    record_ = largest_of(loaded);
    ++record_.token;
    StableRecord shown = record_;
    // Blocks that are opened while a cache is built anew have their floors from here (A5).
    if (record_.generation != generation_) shown.stable = Sequence(1);
    // Both places carry the token: whoever was in charge before finds it in either. The copy says
    // that this generation has a record: only when that survives a failover.
    auto stored = co_await published_->record.store(shown.encode(), published_->options(space_));
    if (stored && space_.is_shared() && !loaded.published) {
      const auto passed = co_await space_.bucket.barrier(space_.deadline());
      if (!passed) stored = passed.error();
    }
    if (stored) stored = co_await copy_->record.store(record_.encode(), copy_->options(space_));
    if (stored) stored = co_await take_over_dead_ranges();
    if (stored) stored = check_generation();
    if (stored) co_return Found{.may_be_larger = may_be_larger(record_)};
    last = stored.error().code;
    // Somebody published or took over meanwhile, or a history has changed: read again and raise the
    // token over theirs.
    if (last != Errc::cas_mismatch && last != Errc::timeout_unknown_outcome &&
        last != Errc::rolled_back)
      break;
  }
  co_return Error{last, "taking over the stable record"};
}

// Whatever was decided about numbers of the emptied cache must not be said of its successor.
Result<void> StableSequence::check_generation() const {
  if (!is_of_this_generation()) return Error{Errc::rolled_back, "the cache was emptied"};
  return {};
}

Error StableSequence::refused(const Error& why, const char* what) {
  // Whoever finds another writer's version in any place has been replaced.
  return Error{why.code == Errc::cas_mismatch ? Errc::fenced : why.code, what};
}

Task<Result<void>> StableSequence::publish(StableRecord next) {
  HG_ASSERT(next.stable >= record_.stable);
  next.token = record_.token;
  next.dead_ranges_version = dead_.version;
  if (next == record_) co_return Result<void>();
  HG_CO_CHECK(check_generation());
  const std::string bytes = next.encode();
  for (auto* place : {&copy_, &published_}) {
    if (place == &copy_ && !HG_RULE("R14 copy")) continue;
    if (!HG_RULE("R14")) HG_CO_CHECK(co_await load(**place));  // whoever's token is there
    const auto stored = co_await (*place)->record.store(bytes, (*place)->options(space_));
    if (!stored) co_return refused(stored.error(), "publishing stable");
  }
  record_ = std::move(next);
  co_return Result<void>();
}

Task<Result<void>> StableSequence::bury(Sequence first, Sequence last) {
  DeadRanges wanted = dead_;
  wanted.bury(first, last);
  HG_CO_CHECK(check_generation());
  const auto stored = co_await buried_->record.store(wanted.encode(), buried_->options(space_));
  if (!stored) co_return refused(stored.error(), "burying a range");
  dead_ = std::move(wanted);
  co_return Result<void>();
}

}  // namespace headgate
