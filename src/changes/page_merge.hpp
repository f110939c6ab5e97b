// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "changes/channel_plan.hpp"

namespace headgate {

/// One document's newest change in what a pass has read.
struct Change {
  ChangesPlace place;
  std::shared_ptr<const SequenceDocument> document;
  /// Of what the reader may have by a time in which it could read the channel.
  struct Held {
    ChannelId channel;
    Sequence told_to;            ///< see ChannelPlan::Read
    bool is_revocation = false;  ///< the channel is lost; otherwise a removal from it
    bool may_be_shown = false;   ///< an earlier page of the backfill may have shown the document
  };
  /// Absent: a change like any other. Present: a candidate, to be told only if the reader may have
  /// the document and cannot read it any more, which its entry does not tell.
  std::optional<Held> held = std::nullopt;
  /// Channels of its entry that the document has left since, which a backfill tells of at most as
  /// candidates: by them it is not seen any more.
  std::vector<ChannelId> left_since = {};

  bool is_candidate() const { return held.has_value(); }
  bool is_revocation() const { return held && held->is_revocation; }
  Sequence sequence() const { return document->entry.sequence; }
  const CacheEntry& entry() const { return document->entry; }
};

/// The pages of a pass, brought together.
struct MergedPages {
  std::vector<Change> changes;  ///< in the order of their places, each document's once
  /// Nothing is missing up to here; what lies beyond must not be sent in this step.
  ChangesPlace bound = ChangesPlace::ordinary(kNoSequence);
  bool is_cut = false;       ///< a filter looked no further than the bound, though there is more
  bool has_awaited = false;  ///< some entry's sequence document is not there yet (R15b)
};

/// Brings the pages of `plan.reads` together. A backfill leaves out what the reader has through
/// a channel it held before, and tombstones and removals, unless the reader could read the channel
/// at an earlier time. Of those and of lost channels there are candidates, one for each channel by
/// which the reader may have had a document. Pure.
MergedPages merge_pages(const ChannelPlan& plan, const std::vector<ChannelPage>& pages);

/// The channels that the document left by this change, of those that the reader sees.
std::vector<ChannelId> channels_left(const CacheEntry& entry, const ChannelPlan& plan);
/// The reader sees the document by one of its channels after this change.
bool is_seen(const Change& change, const ChannelPlan& plan);

}  // namespace headgate
