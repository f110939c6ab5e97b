// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <utility>

#include "cache/cache_writer_context.hpp"

namespace headgate {

/// The cache writer's work on numbers that no feed entry accounts for: buries them when they are
/// old enough to be missed and the feed is drained (R8), or when their owner released them.
/// Confined to its executor; calls do not overlap.
class GapCloser {
 public:
  explicit GapCloser(CacheWriterContext& context) : context_(context) {}

  /// Notes how large numbers are now: what was handed out gap_timeout ago should be here. In a
  /// cluster reads the counter. Errors: unavailable, timeout_unknown_outcome: the bound is not
  /// noted.
  Task<Result<void>> note_bound();
  Task<Result<void>> bury_released();
  /// A gap that cannot be closed now keeps the others from nothing.
  Task<Result<void>> close_gaps();
  /// Forgets the bounds: the walk begins anew.
  void clear() { bounds_.clear(); }

  /// A number with a live sequence document that no feed entry accounts for: if the base bucket
  /// does not hold it, its document is resequenced, then it is buried (R8, R12). False: the base
  /// holds it, so its feed entry is still to come.
  /// Errors: rolled_back (the base answered under another history than the walk's), unavailable.
  Task<Result<bool>> settle_live(Burial::Live live);

 private:
  Task<Result<bool>> is_drained();
  Task<Result<void>> close_gap(DeadRanges::Range gap);
  Sequence closable() const;

  CacheWriterContext& context_;
  std::deque<std::pair<TimePoint, Sequence>> bounds_;
};

/// What the feed's reader has come to, with all that is on its way to being settled.
Accounting known_numbers(const Accounting& accounted, const PendingEntries& pending);
/// The feed was read up to `heads`.
bool has_read(const MutationFeed& feed, const FeedPositions& heads);

}  // namespace headgate
