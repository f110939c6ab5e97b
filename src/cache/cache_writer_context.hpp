// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cache/accounting.hpp"
#include "cache/block_search.hpp"
#include "cache/burial.hpp"
#include "cache/cache_writer.hpp"
#include "cache/channels_to_wake.hpp"
#include "cache/feed_walk.hpp"
#include "cache/pending_entries.hpp"
#include "cache/stable_sequence.hpp"

namespace headgate {

/// What the parts of one cache writer share. Owned by it; the parts hold a reference. Everything
/// from `feed` on belongs to one walk along the feed, and begins anew with begin_walk().
struct CacheWriterContext {
  explicit CacheWriterContext(CacheWriter::Dependencies dependencies)
      : d(dependencies), stable(d.space, d.base), burial(d.space, stable) {}

  Environment& environment() const { return d.space.environment; }
  Deadline deadline() const { return d.space.deadline(); }

  /// Forgets everything but the record and the statistics.
  void begin_walk(Sequence known_stable);
  /// The entry and its earlier numbers need nothing any more.
  void settle(EntryPlace place);
  /// Notes a repair of the entry for people. REQUIRES: not settled yet.
  void note_repair(CacheRepair::Kind kind, EntryPlace place);
  /// What nobody can repair: its number will be closed as a gap.
  void give_up(EntryPlace place);
  /// The reply's partition is under the history of this walk.
  bool is_of_base(PartitionNumber partition, HistoryId history) const {
    return base_histories.at(partition.value()) == history;
  }

  CacheWriter::Dependencies d;
  StableSequence stable;
  Burial burial;
  CacheWriter::Statistics statistics;
  RepairLog repairs;
  Sequence largest_seen;

  std::unique_ptr<MutationFeed> feed;
  /// Under which the walk was begun, and its findings hold (R11).
  Histories cache_histories;
  std::vector<HistoryId> base_histories;
  Accounting accounting;
  FeedWalk walk;
  PendingEntries pending;
  std::map<EntryPlace, ReleasedRange> released;
  ChannelsToWake channels;

  // During an audit (R11-R13, C6), see CacheAudit.

  /// Up to here nothing can have been lost; above, everything is looked at again, also at or below
  /// stable. Absent: no audit is under way.
  std::optional<Sequence> audit_floor;
  /// Numbers above the floor that the feed has shown since the audit began, so that the base holds
  /// them; and those at or below stable that were found dead.
  Accounting shown;
  /// Set where blocks may have lost entries (R13).
  std::unique_ptr<BlockSearch> blocks;
  /// While blocks were searched a document was moved, or was replaced before it could be: what the
  /// feed has by then is of the audit, too.
  bool has_resequenced = false;
  /// The cache was emptied and is built anew (C6): feed entries up to `rebuilt_to` are entered at
  /// their own numbers, also at or below stable.
  bool is_rebuilding = false;
  FeedPositions rebuilt_to;

  /// Numbers at or below it need no look.
  Sequence checked_to() const { return audit_floor.value_or(accounting.stable()); }
};

}  // namespace headgate
