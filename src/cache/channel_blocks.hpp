// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/buggify.hpp"
#include "cache/block_writer.hpp"
#include "cache/cache_reader.hpp"
#include "cache/stable_record.hpp"

namespace headgate {

/// The blocks of one channel as one reader knows them: reads what is not known yet, keeps what can
/// never change. Confined to its executor; calls on one object do not overlap with refresh().
class ChannelBlocks {
 public:
  /// Entries of (since, complete_to], ascending, without duplicates.
  struct Page {
    std::vector<BlockEntry> entries;
    Sequence complete_to = kNoSequence;
  };
  /// What a call works under: stable and the history of the channel's partition, both from the
  /// pass's stable record, and the largest sequence there can be.
  struct Pass {
    Sequence stable;
    HistoryId history;
    Sequence highest;
    /// Numbers of which no block has a live entry; null: not known.
    const DeadRanges* dead = nullptr;

    /// R15: what was read under another history belongs to no pass.
    bool covers(const Reply& reply) const { return reply.history == history || !HG_RULE("R15"); }
  };

  virtual ~ChannelBlocks() = default;

  /// Reads what may have changed since the last call: the channel counter has.
  /// Errors: rolled_back, unavailable, corrupted.
  virtual Task<Result<void>> refresh(Pass pass) = 0;

  /// About `limit` entries after `since`. A page ends early only at or below stable, where it is
  /// complete. REQUIRES: refresh() succeeded since the pass began. Errors: as refresh().
  virtual Task<Result<Page>> read(Pass pass, Sequence since, std::size_t limit) = 0;

  /// Entries kept in memory.
  virtual std::size_t size() const = 0;
};

/// `keys_read` counts the block and record keys that are read.
std::unique_ptr<ChannelBlocks> make_channel_blocks(const CacheSpace& space, ChannelId channel,
                                                   std::uint64_t& keys_read);

}  // namespace headgate
