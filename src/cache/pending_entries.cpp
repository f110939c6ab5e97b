// SPDX-License-Identifier: Apache-2.0
#include "cache/pending_entries.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kLongestPause{64};

}  // namespace

void PendingEntries::add(EntryPlace place, PendingEntry pending, TimePoint now) {
  remove(place);
  pending.met = pending.next_look = now;
  looks_.insert({now, place});
  entries_.emplace(place, std::move(pending));
}

void PendingEntries::look_later(EntryPlace place, TimePoint now) {
  PendingEntry& pending = entries_.at(place);
  looks_.erase({pending.next_look, place});
  pending.next_look = HG_BUGGIFY("look again at once") ? now : now + pending.pause;
  pending.pause = std::min(kLongestPause, pending.pause * 2);
  looks_.insert({pending.next_look, place});
}

void PendingEntries::remove(EntryPlace place) {
  const auto it = entries_.find(place);
  if (it == entries_.end()) return;
  looks_.erase({it->second.next_look, place});
  entries_.erase(it);
}

void PendingEntries::clear() {
  entries_.clear();
  looks_.clear();
}

std::vector<EntryPlace> PendingEntries::due(TimePoint now, std::size_t limit) const {
  std::vector<EntryPlace> places;
  for (const auto& [when, place] : looks_) {
    if (places.size() == limit || when > now) break;
    places.push_back(place);
  }
  return places;
}

}  // namespace headgate
