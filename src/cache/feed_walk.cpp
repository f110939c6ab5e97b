// SPDX-License-Identifier: Apache-2.0
#include "cache/feed_walk.hpp"

namespace headgate {

void FeedWalk::meet(const FeedEntry& entry, Sequence sequence) {
  open_[entry.partition][entry.position] = Met{sequence, false};
}

void FeedWalk::settle(PartitionNumber partition, PartitionPosition position) {
  const auto entries = open_.find(partition);
  if (entries == open_.end()) return;
  const auto met = entries->second.find(position);
  if (met != entries->second.end()) met->second.is_settled = true;
}

FeedPositions FeedWalk::checkpoint(Sequence stable, FeedPositions read) {
  for (auto& [partition, entries] : open_) {
    while (!entries.empty() && entries.begin()->second.is_settled &&
           entries.begin()->second.sequence <= stable)
      entries.erase(entries.begin());
    if (!entries.empty())
      read.at(partition.value()).position = PartitionPosition(entries.begin()->first.value() - 1);
  }
  return read;
}

std::size_t FeedWalk::size() const {
  std::size_t size = 0;
  for (const auto& [partition, entries] : open_) size += entries.size();
  return size;
}

}  // namespace headgate
