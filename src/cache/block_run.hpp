// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_space.hpp"

namespace headgate {

/// What compaction (R19) has put in the place of the first blocks of an append channel: their
/// entries without what is superseded, ascending, in parts of at most a block's capacity. It is the
/// channel's directory record 0. A part is never changed; the next run has another identity.
struct BlockRun {
  std::uint64_t identity = 0;   ///< names its parts
  std::uint64_t blocks = 0;     ///< stands for blocks 0 .. blocks-1
  Sequence floor;               ///< of record `blocks`: the run is complete up to here
  std::vector<Sequence> lasts;  ///< greatest sequence of each part

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<BlockRun> decode(std::string_view bytes);
  friend bool operator==(const BlockRun&, const BlockRun&) = default;
};

Key run_key(const CacheSpace& space, const ChannelId& channel);
Key run_part_key(const CacheSpace& space, const ChannelId& channel, std::uint64_t identity,
                 std::uint64_t part);
/// Names of the keys of parts begin with it; those of blocks are before it.
std::string first_part_name();
/// The identity of the run that a key's name is a part of; absent: of none.
std::optional<std::uint64_t> run_of_part(std::string_view name);

/// Value of a block that a run stands for: one byte, to which late writers append whole entries, so
/// that its length tells for ever that nothing in it counts.
inline constexpr std::string_view kReplacedBlock{"\0", 1};
bool is_replaced_block(std::uint64_t length);

}  // namespace headgate
