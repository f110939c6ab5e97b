// SPDX-License-Identifier: Apache-2.0
#include "cache/channels_to_wake.hpp"

#include <algorithm>
#include <set>

namespace headgate {
namespace {

constexpr std::size_t kWritesRemembered = 100'000;

std::vector<ChannelId> channels_of(const CacheEntry& entry) {
  std::vector<ChannelId> channels = entry.channels;
  channels.insert(channels.end(), entry.removals.begin(), entry.removals.end());
  for (const Grant& grant : entry.grants) channels.push_back(grant.principal);
  return channels;
}

}  // namespace

void ChannelsToWake::remember(const FeedRecord& record, Sequence stable) {
  if (above_.size() >= kWritesRemembered) {
    forgotten_to_ = std::max(forgotten_to_, above_.rbegin()->first);
    above_.clear();
  }
  if (record.entry.sequence > stable) above_[record.entry.sequence] = channels_of(record.entry);
  for (const RecentSequence& earlier : record.recent) {
    if (earlier.sequence <= stable || (earlier.removals.empty() && earlier.grants.empty()))
      continue;
    std::vector<ChannelId>& channels = above_[earlier.sequence];
    channels.insert(channels.end(), earlier.removals.begin(), earlier.removals.end());
    channels.insert(channels.end(), earlier.grants.begin(), earlier.grants.end());
  }
}

std::vector<ChannelId> ChannelsToWake::take(Sequence stable) {
  std::set<ChannelId> changed;
  const auto end = above_.upper_bound(stable);
  for (auto it = above_.begin(); it != end; it = above_.erase(it))
    changed.insert(it->second.begin(), it->second.end());
  if (is_all_ || forgotten_to_ != Sequence()) changed.clear();
  is_all_ = false;
  if (forgotten_to_ <= stable) forgotten_to_ = Sequence();
  return {changed.begin(), changed.end()};
}

}  // namespace headgate
