// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/timer_queue.hpp"
#include "bucket/bucket.hpp"
#include "cache/cache_entry.hpp"

namespace headgate {

/// Where an entry stands on the mutation feed.
using EntryPlace = std::pair<PartitionNumber, PartitionPosition>;

/// A feed entry that the cache writer has read and not settled yet.
struct PendingEntry {
  FeedEntry entry;
  FeedRecord record;  ///< empty if it could not be read
  bool is_unreadable = false;
  bool is_purged = false;   ///< record.purged_to needs nothing any more
  bool is_rebuilt = false;  ///< to be entered at its own number, even at or below stable (C6)
  TimePoint met;
  TimePoint next_look;
  std::chrono::milliseconds pause{1};  ///< to the look after the next
  bool has_failed = false;
};

/// The entries that are not settled, and when to look at each again: after 1, 2, 4 ... ms up to a
/// limit. Confined to its executor.
class PendingEntries {
 public:
  /// Takes an entry in, to be looked at now; a repeated one takes its predecessor's place.
  void add(EntryPlace place, PendingEntry pending, TimePoint now);
  /// REQUIRES: the entry is there.
  PendingEntry& at(EntryPlace place) { return entries_.at(place); }
  const PendingEntry& at(EntryPlace place) const { return entries_.at(place); }
  void look_later(EntryPlace place, TimePoint now);
  void remove(EntryPlace place);
  void clear();

  /// Those that are to be looked at by `now`, at most `limit`.
  std::vector<EntryPlace> due(TimePoint now, std::size_t limit) const;
  /// When the next is due; kNoDeadline without any.
  TimePoint next_look() const { return looks_.empty() ? kNoDeadline : looks_.begin()->first; }

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  /// The entries by place, for a look at one partition's first.
  const std::map<EntryPlace, PendingEntry>& by_place() const { return entries_; }

 private:
  std::map<EntryPlace, PendingEntry> entries_;
  std::set<std::pair<TimePoint, EntryPlace>> looks_;
};

}  // namespace headgate
