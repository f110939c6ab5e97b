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
  /// The reader has lost this channel, by which it may have the document; absent: a change.
  std::optional<ChannelId> lost = std::nullopt;

  bool is_revocation() const { return lost.has_value(); }
  Sequence sequence() const { return document->entry.sequence; }
  const CacheEntry& entry() const { return document->entry; }
};

/// The pages of a pass, brought together.
struct MergedPages {
  std::vector<Change> changes;  ///< in the order of their places, each document once
  /// Nothing is missing up to here; what lies beyond must not be sent in this step.
  ChangesPlace bound = ChangesPlace::ordinary(kNoSequence);
  bool is_cut = false;       ///< a filter looked no further than the bound, though there is more
  bool has_awaited = false;  ///< some entry's sequence document is not there yet (R15b)
};

/// Brings the pages of `plan.reads` together. A backfill leaves out tombstones and removals (a new
/// reader never had them), and what the reader has through a channel it held before. Of lost
/// channels it has candidates only: whether the reader has a document otherwise, its entry does not
/// tell. Pure.
MergedPages merge_pages(const ChannelPlan& plan, const std::vector<ChannelPage>& pages);

/// The channels that the document left by this change, of those that the reader sees.
std::vector<ChannelId> channels_left(const CacheEntry& entry, const ChannelPlan& plan);
/// The reader sees the document by one of its channels after this change.
bool is_seen(const CacheEntry& entry, const ChannelPlan& plan);

}  // namespace headgate
