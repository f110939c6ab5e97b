// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "cache/cache_space.hpp"
#include "cache/channel_blocks.hpp"
#include "sequence/shared_horizon.hpp"

namespace headgate {

/// Tells whether a reader would find a sequence in a channel's blocks (append-blocks A5): the
/// question of a re-walk, since the presence of a sequence document proves nothing about blocks
/// (R13, C1). Each channel is read once, as it is at the first question. Confined to its executor;
/// calls do not overlap. The space must outlive it.
class BlockSearch {
 public:
  /// Only numbers in (floor, highest] are asked for.
  struct Range {
    Sequence floor;
    Sequence stable;
    Sequence highest;
  };

  BlockSearch(const CacheSpace& space, Histories histories, Range range)
      : space_(space), histories_(std::move(histories)), range_(range) {}

  /// Errors: rolled_back (another history), unavailable, corrupted.
  Task<Result<bool>> contains(ChannelId channel, Sequence sequence);
  /// All of the channels hold it.
  Task<Result<bool>> all_contain(std::vector<ChannelId> channels, Sequence sequence);

 private:
  using Numbers = std::vector<Sequence>;  // ascending
  Task<Result<Numbers>> load(ChannelId channel);

  const CacheSpace& space_;
  Histories histories_;
  Range range_;
  std::map<ChannelId, Numbers> known_;
  std::size_t size_ = 0;
  std::uint64_t keys_read_ = 0;
};

}  // namespace headgate
