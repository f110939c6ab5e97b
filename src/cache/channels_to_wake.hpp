// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "cache/cache_entry.hpp"

namespace headgate {

/// The channels of writes above stable, whose waiting feeds are woken when stable passes them
/// (R15c). Bounded: beyond the bound it only knows that there was something.
class ChannelsToWake {
 public:
  /// The removals at an earlier number may have been on the feed under no other entry than this.
  void remember(const FeedRecord& record, Sequence stable);
  /// Channels with entries at or below `stable`, which are forgotten; empty: any, or none.
  std::vector<ChannelId> take(Sequence stable);
  /// The next take() means any channel; what lies above its stable is remembered all the same.
  void wake_all() { is_all_ = true; }
  void clear() { above_.clear(); }

 private:
  std::map<Sequence, std::vector<ChannelId>> above_;
  Sequence forgotten_to_;  // until stable has passed it, every take() means any channel; 0: none
  bool is_all_ = false;
};

}  // namespace headgate
