// SPDX-License-Identifier: Apache-2.0
// SequenceAllocator where several nodes draw from one counter (R6).
#include <fmt/format.h>

#include <algorithm>

#include "base/buggify.hpp"
#include "base/bytes.hpp"
#include "base/log.hpp"
#include "sequence/sequence_allocator.hpp"

namespace headgate {
namespace {

constexpr int kAttempts = 30;

bool is_retried(Errc code) {
  return code == Errc::rolled_back || code == Errc::timeout_unknown_outcome;
}

}  // namespace

Task<Result<Allocation>> SequenceAllocator::allocate_shared(std::uint64_t count, Sequence above) {
  for (int i = 0; i < kAttempts; ++i) {
    if (failure_) co_return *failure_;
    HG_CO_TRY(const Allocation drawn, co_await draw(count));
    if (drawn.first > above) co_return drawn;
    co_await release(drawn.first, drawn.last());
    // The counter is behind what it gave out before (F6), or the horizon itself was lost (D).
    HG_CO_CHECK(co_await check(above));
    if (highest_ < above) HG_CO_CHECK(co_await begin_epoch(Epochs::kNoFloor));
  }
  co_return Error{Errc::unavailable, "drawing a sequence above a document's"};
}

// Whoever finds no increment under way carries out the next one for all that have asked by then.
Task<Result<Allocation>> SequenceAllocator::draw(std::uint64_t count) {
  if (!next_draw_) next_draw_ = std::make_shared<Draw>();
  const std::shared_ptr<Draw> mine = next_draw_;
  const std::uint64_t offset = mine->count;
  mine->count += count;
  while (!mine->is_done) {
    if (is_drawing_) {
      co_await draw_done_.wait_past(draw_done_.count());
      continue;
    }
    is_drawing_ = true;
    co_await environment_.yield();
    const std::shared_ptr<Draw> draw = std::exchange(next_draw_, nullptr);
    draw->drawn = co_await increment(draw->count);
    draw->is_done = true;
    is_drawing_ = false;
    draw_done_.raise();
  }
  if (!mine->drawn) co_return mine->drawn.error();
  Allocation part = *mine->drawn;
  part.first = part.at(offset);
  part.count = count;
  co_return part;
}

Task<Result<Allocation>> SequenceAllocator::increment(std::uint64_t count) {
  for (int i = 0; i < kAttempts; ++i) {
    HG_CO_TRY(auto drawn, co_await try_increment(count));
    if (drawn) co_return *std::move(drawn);
  }
  co_return Error{Errc::unavailable, "the sequence counter changes all the time"};
}

// None: what was drawn must not be used, which leaves a gap at most; to be tried again.
Task<Result<std::optional<Allocation>>> SequenceAllocator::try_increment(std::uint64_t count) {
  const std::optional<Allocation> again;
  // R4b: what is known before the number is drawn; a later failover makes the cache work void.
  HG_CO_CHECK(co_await refresh_histories());
  const Histories histories = cache_histories_;
  const Horizon before = shared_.horizon();
  const std::uint32_t generation = generation_;
  WriteOptions options;
  if (HG_RULE("R6")) options.if_history = before.history;
  const Reply reply = co_await cache_.increment(sequence_counter_key(database_, generation), count,
                                                options, environment_.now() + options_.timeout);
  if (is_retried(reply.status)) {
    HG_CO_CHECK(co_await follow());
    co_return again;
  }
  if (!reply.ok())
    co_return Error{reply.status, fmt::format("drawing a sequence: {}", to_string(reply.status))};
  const Sequence first(reply.number - count + 1);
  const Sequence last(reply.number);
  if (HG_RULE("R6") && first <= std::max(before.base, last_drawn_)) {  // it fell back (F6)
    HG_CO_CHECK(co_await begin_epoch(Epochs::kNoFloor));
    co_return again;
  }
  if (last > shared_.horizon().limit) HG_CO_CHECK(co_await after(shared_.raise(last)));
  const Horizon& now = shared_.horizon();
  if (generation_ != generation || now.history != before.history || first <= now.base ||
      last > now.limit)
    co_return again;
  last_drawn_ = last;
  highest_ = std::max(highest_, last);
  co_return Allocation{first, count, now.epoch, histories};
}

// The histories that the bucket has seen last; before it has seen all of them, a barrier's.
Task<Result<void>> SequenceAllocator::refresh_histories() {
  std::vector<HistoryId> seen = cache_.histories();
  const bool is_whole = seen.size() == cache_.partition_count() &&
                        std::find(seen.begin(), seen.end(), HistoryId()) == seen.end();
  if (!is_whole) {
    HG_CO_TRY(seen, co_await cache_.barrier(environment_.now() + options_.timeout));
  }
  if (!cache_histories_ || *cache_histories_ != seen)
    cache_histories_ = std::make_shared<const std::vector<HistoryId>>(std::move(seen));
  co_return Result<void>();
}

// What every change of the shared horizon may bring with it.
Task<Result<void>> SequenceAllocator::after(Task<Result<void>> change) {
  const Epoch before = shared_.horizon().epoch;
  HG_CO_CHECK(co_await change);
  if (shared_.horizon().epoch != before) last_drawn_ = Sequence();
  highest_ = std::max(highest_, shared_.horizon().base);
  if (generation_ != shared_.generation()) {
    generation_ = shared_.generation();
    if (options_.generation_changed) options_.generation_changed(generation_);
  }
  co_return Result<void>();
}

Task<Result<void>> SequenceAllocator::follow() {
  if (!is_shared()) co_return Result<void>();
  co_return co_await after(shared_.follow());
}

Task<Result<void>> SequenceAllocator::begin_epoch(Sequence floor) {
  if (!is_shared()) co_return Result<void>();
  co_return co_await after(shared_.begin_epoch(floor));
}

Task<Result<void>> SequenceAllocator::begin_generation(std::uint32_t present) {
  if (!is_shared()) co_return Result<void>();
  co_return co_await after(shared_.begin_generation(present));
}

std::optional<Key> SequenceAllocator::counter_key() const {
  if (!is_shared()) return std::nullopt;
  return sequence_counter_key(database_, generation_);
}

// The counter of another history is no bound.
void SequenceAllocator::observe(const Reply& counter, HistoryId current) {
  if (!counter.ok()) return;
  if (counter.history != shared_.horizon().history && counter.history != current) return;
  highest_ = std::max(highest_, Sequence(counter.number));
}

Task<Result<Sequence>> SequenceAllocator::read_highest() {
  const auto key = counter_key();
  if (!key) co_return highest_;
  const Reply counter = co_await cache_.get(*key, environment_.now() + options_.timeout);
  if (!counter.ok() && counter.status != Errc::not_found)
    co_return Error{counter.status, "reading the sequence counter"};
  observe(counter);
  if (!counter.ok()) co_return highest_;
  if (counter.history != shared_.horizon().history) HG_CO_CHECK(co_await follow());
  if (counter.history != shared_.horizon().history) co_return highest_;
  // What was counted beyond a horizon and lost with its history was never handed out; what an
  // earlier epoch handed out is at or below the base, to which a counter that fell back is lifted.
  co_return std::max(Sequence(counter.number), shared_.horizon().base);
}

Task<Result<void>> SequenceAllocator::check(Sequence seen) {
  if (!is_shared() || seen <= shared_.horizon().limit) co_return Result<void>();
  HG_CO_CHECK(co_await follow());
  if (seen <= shared_.horizon().limit) co_return Result<void>();
  HG_CO_CHECK(co_await shared_.confirm());
  HG_PROBE("D horizon lost");
  failure_ = Error{Errc::corrupted,
                   fmt::format("a document has sequence {}, above the horizon {}: the sequences "
                               "of this database were lost; it must be restored from a backup",
                               seen.value(), shared_.horizon().limit.value())};
  log(LogLevel::error, "sequence.horizon_lost",
      {{"database", fmt::to_string(database_.value())}, {"what", failure_->context}});
  co_return *failure_;
}

}  // namespace headgate
