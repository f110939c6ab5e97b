// SPDX-License-Identifier: Apache-2.0
#include "cache/gap_closer.hpp"

#include <algorithm>

#include "base/buggify.hpp"
#include "cache/entry_repair.hpp"

namespace headgate {
namespace {

// The bound of what may be missing is noted so many times in one gap timeout.
constexpr int kBoundsNoted = 64;

}  // namespace

Accounting known_numbers(const Accounting& accounted, const PendingEntries& pending) {
  Accounting known = accounted;
  for (const auto& [place, entry] : pending) {
    known.account(entry.record.entry.sequence);
    for (const RecentSequence& earlier : entry.record.recent) known.account(earlier.sequence);
  }
  return known;
}

bool has_read(const MutationFeed& feed, const FeedPositions& heads) {
  const FeedPositions at = feed.positions();
  for (std::size_t i = 0; i < heads.size(); ++i)
    if (at.at(i).position < heads[i].position) return false;
  return true;
}

Task<Result<void>> GapCloser::note_bound() {
  const auto timeout = context_.d.space.settings.gap_timeout;
  const TimePoint now = context_.environment().now();
  // A busy database's bound is another one in every turn: only some are noted.
  const bool is_due = bounds_.empty() || now - bounds_.back().first >= timeout / kBoundsNoted;
  if (is_due) {
    HG_CO_TRY(const Sequence highest, co_await context_.d.allocator.read_highest());
    const Sequence bound = std::max(highest, context_.largest_seen);
    if (bounds_.empty() || bounds_.back().second != bound) bounds_.emplace_back(now, bound);
  }
  while (bounds_.size() > 1 && bounds_[1].first <= now - timeout) bounds_.pop_front();
  co_return Result<void>();
}

// Numbers that are old enough to be missed (R8), or that no living process can still use.
Sequence GapCloser::closable() const {
  auto timeout = context_.d.space.settings.gap_timeout;
  if (HG_BUGGIFY("gap timeout zero")) timeout = {};
  const TimePoint old = context_.environment().now() - timeout;
  const bool is_old = !bounds_.empty() && bounds_.front().first <= old;
  return std::max(context_.d.allocator.base(), is_old ? bounds_.front().second : Sequence());
}

Task<Result<void>> GapCloser::bury_released() {
  while (!context_.released.empty()) {
    const auto [place, range] = *context_.released.begin();
    const Sequence first = std::max(range.first, context_.accounting.stable().next());
    if (first <= range.last) {
      HG_CO_TRY(const auto outcome,
                co_await context_.burial.bury(first, range.last, Burial::Holders::none));
      for (const auto& dead : outcome.dead) context_.accounting.account(dead.first, dead.last);
    }
    context_.walk.settle(place.first, place.second);
    context_.released.erase(place);
  }
  co_return Result<void>();
}

Task<Result<bool>> GapCloser::is_drained() {
  HG_CO_TRY(const FeedPositions heads, co_await context_.feed->heads(context_.deadline()));
  co_return has_read(*context_.feed, heads);
}

Task<Result<void>> GapCloser::close_gaps() {
  const Sequence upto = closable();
  if (!context_.accounting.has_gap(upto)) co_return Result<void>();
  HG_CO_TRY(const bool is_complete, co_await is_drained());
  if (!is_complete && HG_RULE("R8")) co_return Result<void>();
  // Entries that are still looked at are no gaps, nor are their earlier numbers.
  const Accounting known = known_numbers(context_.accounting, context_.pending);
  Result<void> done;
  for (const DeadRanges::Range& gap : known.gaps(upto))
    if (auto closed = co_await close_gap(gap); !closed) done = std::move(closed);
  co_return done;
}

Task<Result<void>> GapCloser::close_gap(DeadRanges::Range gap) {
  const auto holders =
      gap.last <= context_.d.allocator.base() ? Burial::Holders::none : Burial::Holders::perhaps;
  HG_CO_TRY(auto outcome, co_await context_.burial.bury(gap.first, gap.last, holders));
  for (const auto& dead : outcome.dead) context_.accounting.account(dead.first, dead.last);
  if (!outcome.dead.empty()) {
    ++context_.statistics.gaps_closed;
    context_.repairs.add({CacheRepair::Kind::bury, context_.environment().wall_now(),
                          outcome.dead.front().first, outcome.dead.back().last});
    HG_PROBE("A1 gap buried");
  }
  Result<void> done;
  for (Burial::Live& live : outcome.live) {
    auto settled = co_await settle_live(std::move(live));
    if (!settled) done = std::move(settled).error();
  }
  co_return done;
}

Task<Result<bool>> GapCloser::settle_live(Burial::Live live) {
  const Sequence sequence = live.document.entry.sequence;
  if (!HG_RULE("R8 base")) {
    context_.accounting.account(sequence);
    co_return true;
  }
  const auto holding = co_await context_.d.repair.holds(live.document.entry);
  if (!holding && is_permanent(holding.error().code)) {
    // The document is there, but cannot be read; nor will its feed entry be.
    ++context_.statistics.given_up;
    context_.accounting.account(sequence);
    co_return true;
  }
  if (!holding) co_return holding.error();
  if (context_.d.space.is_shared() && !context_.is_of_base(holding->partition, holding->history))
    co_return Error{Errc::rolled_back, "asking for a document"};
  if (holding->is_held) co_return false;
  HG_PROBE("B2 phantom found");
  HG_CO_CHECK(co_await context_.d.repair.resequence_present(live.document.entry));
  HG_CO_CHECK(co_await context_.burial.kill(std::move(live)));
  const auto partition =
      context_.d.space.bucket.partition_of(context_.d.space.sequence_key(sequence)).value();
  context_.d.reader.learn(
      sequence, std::make_shared<const SequenceDocument>(SequenceDocument::dead(sequence)),
      context_.cache_histories->at(partition));
  context_.accounting.account(sequence);
  co_return true;
}

}  // namespace headgate
