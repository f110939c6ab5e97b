// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>

#include "base/result.hpp"
#include "base/task.hpp"
#include "cache/block.hpp"
#include "cache/cache_space.hpp"

namespace headgate {

/// Directory records of one channel that are known to exist, by block number. Record 0 is implied
/// and never in here.
using KnownRecords = std::map<std::uint64_t, BlockRecord>;

/// Finds the newest block of an append channel by probing (append-blocks 2.1, 3.1): records are a
/// prefix 1..n without a hole. `from` is 0 or a block whose record exists under `history`. Adds
/// the records it meets to `known`. Errors: rolled_back under another history; unavailable;
/// corrupted.
Task<Result<std::uint64_t>> find_newest_block(const CacheSpace& space, ChannelId channel,
                                              std::uint64_t from, HistoryId history,
                                              KnownRecords& known);

/// Opens block `full` + 1 of a channel whose block `full` is full and newest (append-blocks 2.4):
/// its record is inserted only if nobody else did and what it was computed from is unchanged.
/// Success means "probe again": inserted (true), already there, or unknown. Errors: rolled_back;
/// unavailable; no_space; corrupted.
Task<Result<bool>> open_next_block(const CacheSpace& space, ChannelId channel, std::uint64_t full,
                                   HistoryId history);

}  // namespace headgate
