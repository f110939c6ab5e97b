// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "access/principal.hpp"
#include "cache/cache_reader.hpp"
#include "changes/changes_position.hpp"
#include "database/principal.hpp"

namespace headgate {

/// One channel of a feed, and since when its reader holds it.
struct FeedChannel {
  ChannelId channel;
  Sequence granted_at;  ///< or lost
  /// Until when it could be read before that grant, which may only have taken over from another
  /// one (kUnended); 0: never.
  Sequence had_until = {};

  friend bool operator==(const FeedChannel&, const FeedChannel&) = default;
};

/// The channels of a feed, in the order of their names: those that its reader may see, of the named
/// ones if there are any and "*" is not among them.
std::vector<FeedChannel> feed_channels(const Principal& reader,
                                       const std::optional<std::vector<std::string>>& names);

/// What one pass reads. Pure.
struct ChannelPlan {
  struct Read {
    ChannelId channel;
    Sequence since;  ///< exclusive
    /// Entries up to here belong to the backfill of the grant at this sequence; 0: none.
    Sequence backfill;
    /// The client may have documents of the channel from before `backfill`, and what left it up to
    /// here it knows. kNoSequence: it has none.
    Sequence told_to = kNoSequence;
    /// The channel was lost at `backfill`: entries before it are of documents to be revoked, others
    /// are not looked at.
    bool is_revocation = false;
  };
  std::vector<Read> reads;  ///< those of lost channels are the last
  /// The channels by which a document is seen on this pass, ascending.
  std::vector<ChannelId> visible;
  bool sees_all = false;  ///< "*" is one of them
  /// A grant lies above stable: its channel waits until stable has come here. 0: none does.
  Sequence deferred_to;
  /// The reader's rights were narrowed above stable. What it may no longer read is not read any
  /// more; as long as a failover may undo that (B5), the position stays where it is. Besides, what
  /// left a lost channel before the loss is told with the loss.
  bool is_held = false;

  bool is_deferred() const { return deferred_to != Sequence(); }
  void defer(Sequence to) { deferred_to = std::max(deferred_to, to); }
  bool is_visible(const ChannelId& channel) const;
  /// What to ask the cache reader for, of all but the lost channels, in the order of `reads`;
  /// `seen` is the position's high().
  std::vector<ChannelQuery> queries(Sequence seen) const;
};

/// Channels that the reader has lost, of the named ones if there are any: the last time that ended
/// of each, as the sequence at which it did.
std::vector<FeedChannel> lost_channels(const Principal& reader,
                                       const std::optional<std::vector<std::string>>& names);

/// Adds what a pass has to read of lost channels, unless the position is held: as long as a loss
/// lies above stable. A client that begins has nothing that could be revoked. Not for who sees "*"
/// on this pass.
void plan_revocations(ChannelPlan& plan, const std::vector<FeedChannel>& lost,
                      const ChangesPosition& position);

/// Plans a pass of a feed that stands at `position`, with the pass's stable sequence, for a reader
/// whose rights were last narrowed at `narrowed_at`. While the position is held there are no
/// backfills.
ChannelPlan plan_channels(const std::vector<FeedChannel>& channels, const ChangesPosition& position,
                          Sequence stable, Sequence narrowed_at);

}  // namespace headgate
