// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/buggify.hpp"
#include "base/log.hpp"
#include "base/task_scope.hpp"

namespace headgate {
namespace {

constexpr int kFollowAttempts = 20;
constexpr std::size_t kSettledAtOnce = 256;

}  // namespace

// --- The beginning -------------------------------------------------------------------------------

CacheAudit::Cause CacheAudit::cause() const {
  const StableRecord& record = context_.stable.record();
  Cause cause;
  cause.is_emptied = record.generation != context_.d.space.generation;
  cause.is_new = !cause.is_emptied && record.cache_histories.empty();
  if (cause.is_new) return cause;
  cause.has_base_changed = HG_RULE("R11") && record.base_histories != context_.base_histories;
  cause.has_cache_changed = record.cache_histories != *context_.cache_histories;
  return cause;
}

void CacheAudit::report(const Cause& cause) const {
  if (cause.is_emptied) HG_PROBE("C6 cache built anew");
  if (cause.has_base_changed) HG_PROBE("B1 base audited");
  if (cause.has_cache_changed) HG_PROBE("C2 cache walked again");
  if (cause.has_base_changed && cause.has_cache_changed) HG_PROBE("D both audited");
  log(LogLevel::warning, "cache_writer.audit",
      {{"database", fmt::to_string(context_.d.space.database.value())},
       {"base", cause.has_base_changed ? "changed" : "same"},
       {"cache", cause.is_emptied          ? "empty"
                 : cause.has_cache_changed ? "changed"
                                           : "same"},
       {"floor", fmt::to_string(context_.audit_floor->value())},
       {"stable", fmt::to_string(context_.accounting.stable().value())}});
}

// R11: an audit begins with an epoch of its own, also where the counter's history is the same, so
// that a token's number tells whether it was printed before. Where the base still knows all that
// was published the tokens of an emptied cache stay good.
Task<Result<void>> CacheAudit::begin_epoch(Cause cause) {
  if (cause.is_new) co_return Result<void>();
  const std::vector<HistoryId>& cache = *context_.cache_histories;
  // An audit that is begun again after a failure goes on under the epoch that it began.
  const bool is_begun = context_.d.allocator.epoch() == epoch_ && epoch_ != Epoch() &&
                        cache == begun_under_.first &&
                        context_.base_histories == begun_under_.second;
  if (is_begun) co_return Result<void>();
  const StableRecord& record = context_.stable.record();
  const bool keeps_tokens = cause.is_emptied && !cause.has_base_changed;
  const Sequence floor = keeps_tokens ? record.stable : record.durable_floor;
  HG_CO_CHECK(co_await context_.d.allocator.begin_epoch(floor));
  epoch_ = context_.d.allocator.epoch();
  begun_under_ = {cache, context_.base_histories};
  co_return Result<void>();
}

Task<Result<FeedPositions>> CacheAudit::begin(StableSequence::Found found) {
  const StableRecord& record = context_.stable.record();
  heads_.reset();
  if (!context_.d.space.is_shared()) co_return record.checkpoint;
  Cause why = cause();
  if (why.is_new) {
    // What was written before anything was published may have been lost under histories that
    // nobody remembers.
    HG_CO_TRY(const Sequence drawn, co_await context_.d.allocator.read_highest());
    if (drawn > Sequence(1)) why = {.has_base_changed = true, .has_cache_changed = true};
  }
  if (!why.any()) co_return record.checkpoint;
  may_lack_entries_ = why.has_cache_changed || why.is_emptied;

  HG_CO_CHECK(co_await begin_epoch(why));
  // D: a larger stable may have been published than anybody remembers. No number of the earlier
  // epochs is above their last horizon.
  if (found.may_be_larger)
    context_.begin_walk(std::max(record.stable, context_.d.allocator.epoch_base()));
  const Sequence floor = why.is_emptied ? Sequence(1) : std::max(Sequence(1), record.durable_floor);
  context_.audit_floor = floor;
  context_.shown = Accounting(floor);
  HG_CO_TRY(highest_, co_await context_.d.allocator.read_highest());
  highest_ = std::max({highest_, context_.largest_seen, context_.accounting.stable()});
  // An emptied cache may have lost again what front ends have entered since.
  if (may_lack_entries_ && HG_RULE("C1"))
    context_.blocks = std::make_unique<BlockSearch>(
        context_.d.space, context_.cache_histories,
        BlockSearch::Range{floor, context_.accounting.stable(), highest_});
  report(why);
  if (why.is_new) co_return FeedPositions();
  if (record.floor_checkpoint != record.checkpoint) HG_PROBE("C5 older checkpoint walked from");
  if (!why.is_emptied) co_return HG_RULE("R12") ? record.floor_checkpoint : record.checkpoint;
  context_.is_rebuilding = true;
  HG_CO_TRY(context_.rebuilt_to, co_await surviving(record.checkpoint));
  co_return FeedPositions();
}

// What is left of the positions after failovers of the base: a reader that stood there is moved
// back to where it has to begin again. Of a partition that does not answer nothing is left.
Task<Result<FeedPositions>> CacheAudit::surviving(FeedPositions positions) {
  if (positions.size() != context_.d.base.partition_count()) co_return FeedPositions();
  HG_CO_TRY(auto feed, context_.d.base.open_feed(context_.d.space.database, positions));
  const auto has_followed = [&](std::size_t i) {
    return context_.base_histories[i] == feed->positions()[i].history;
  };
  for (int attempt = 0; attempt < kFollowAttempts; ++attempt) {
    bool is_done = true;
    for (std::size_t i = 0; i < positions.size(); ++i) is_done = is_done && has_followed(i);
    if (is_done) break;
    const auto entries =
        co_await feed->next(1, context_.environment().now() + context_.d.space.settings.poll);
    if (!entries && entries.error().code != Errc::rolled_back) co_return entries.error();
    for (std::size_t i = 0; i < positions.size(); ++i)
      positions[i].position = std::min(positions[i].position, feed->positions()[i].position);
  }
  for (std::size_t i = 0; i < positions.size(); ++i)
    if (!has_followed(i)) positions[i].position = PartitionPosition();
  co_return positions;
}

// --- The end -------------------------------------------------------------------------------------

// Nothing that is still looked at concerns numbers at or below stable, but for those that an
// earlier version of its document has settled: else an audit would not end while documents are
// written on and on.
bool CacheAudit::is_settled_to_stable() const {
  const Sequence stable = context_.accounting.stable();
  const auto concerns = [&](Sequence sequence) {
    return sequence <= stable && !context_.shown.is_accounted(sequence);
  };
  return std::none_of(
      context_.pending.begin(), context_.pending.end(), [&](const auto& place_and_entry) {
        const PendingEntry& pending = place_and_entry.second;
        return pending.is_unreadable || concerns(pending.record.entry.sequence) ||
               std::any_of(pending.record.recent.begin(), pending.record.recent.end(),
                           [&](const RecentSequence& r) { return concerns(r.sequence); });
      });
}

// Nothing is left that the feed had when the audit came to its end. Also above stable: a client may
// have been sent a newer revision from where the cache has lost it, and must not be sent an older
// one that is still there (I2).
bool CacheAudit::is_settled_to_heads() const {
  return std::none_of(context_.pending.by_place().begin(), context_.pending.by_place().end(),
                      [&](const auto& place_and_entry) {
                        const auto& [partition, position] = place_and_entry.first;
                        return position <= heads_->at(partition.value()).position;
                      });
}

Task<Result<bool>> CacheAudit::try_finish() {
  // Who lost the race for a document has not told what blocks lack of it: the newer version's
  // judgement does, as long as they are searched (C1).
  if (std::exchange(context_.has_resequenced, false)) heads_.reset();
  if (!heads_) {
    HG_CO_TRY(heads_, co_await context_.feed->heads(context_.deadline()));
  }
  if (!has_read(*context_.feed, *heads_) || !is_settled_to_stable()) co_return false;
  if (may_lack_entries_ && HG_RULE("R13 early") && !is_settled_to_heads()) co_return false;
  if (HG_RULE("R12")) {
    HG_CO_TRY(const bool is_closed, co_await close_to_stable());
    HG_CO_TRY(const bool is_true, co_await look_above_stable());
    if (!is_closed || !is_true) co_return false;
  }
  // Grants may have been lost, and the counter that would tell of them (B5): everybody's rights are
  // built anew.
  HG_CO_CHECK(co_await context_.d.front_end.raise_access_counter());
  HG_PROBE("B5 rights built anew");
  context_.audit_floor.reset();
  context_.blocks.reset();
  context_.is_rebuilding = false;
  context_.rebuilt_to.clear();
  co_return true;
}

// Every number up to stable was accounted for once: whoever holds one that is left is late.
Task<Result<bool>> CacheAudit::close_to_stable() {
  const Sequence stable = context_.accounting.stable();
  HG_CO_TRY(auto outcome,
            co_await context_.burial.bury(context_.shown.gaps(stable), Burial::Holders::perhaps));
  for (const DeadRanges::Range& dead : outcome.dead) context_.shown.account(dead.first, dead.last);
  co_return co_await settle_all(std::move(outcome.live));
}

// I6: what stands above stable may name lost writes, too. Missing documents are left to their
// front ends, and to the gap timeout.
Task<Result<bool>> CacheAudit::look_above_stable() {
  bool is_true = true;
  const Sequence stable = context_.accounting.stable();
  const Accounting known = known_numbers(context_.shown, context_.pending);
  for (DeadRanges::Range gap : known.gaps(std::max(stable, highest_))) {
    gap.first = std::max(gap.first, stable.next());
    if (gap.first > gap.last) continue;
    HG_CO_TRY(auto found, co_await context_.burial.find_live(gap.first, gap.last));
    HG_CO_TRY(const bool is_settled, co_await settle_all(std::move(found)));
    is_true = is_true && is_settled;
  }
  co_return is_true;
}

// True if the base holds none of them, and none is left.
Task<Result<bool>> CacheAudit::settle_all(std::vector<Burial::Live> live) {
  bool is_settled = true;
  for (std::size_t from = 0; from < live.size(); from += kSettledAtOnce) {
    std::vector<Task<Result<bool>>> tasks;
    for (std::size_t i = from; i < std::min(live.size(), from + kSettledAtOnce); ++i)
      tasks.push_back(gaps_.settle_live(std::move(live[i])));
    const auto settled = co_await when_all(context_.environment(), std::move(tasks));
    for (const Result<bool>& one : settled) {
      if (!one) co_return one.error();
      is_settled = is_settled && *one;
    }
  }
  co_return is_settled;
}

}  // namespace headgate
