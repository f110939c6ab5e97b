// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "cache/cache_space.hpp"

namespace headgate {

/// One sequence in one channel's block.
struct BlockEntry {
  Sequence sequence;
  bool is_removal = false;

  friend auto operator<=>(const BlockEntry&, const BlockEntry&) = default;
};

/// The entries of one channel that one write or bulk adds.
struct BlockWrite {
  ChannelId channel;
  std::vector<BlockEntry> entries;
};

/// Writes block entries and raises channel counters, in one of the two formats. Confined to its
/// executor. The space must outlive it.
class BlockWriter {
 public:
  virtual ~BlockWriter() = default;

  /// Enters all entries where a reader finds them, then (or in the same partition, after them)
  /// raises each channel's counter; channels in parallel. True if all is done under `histories`
  /// (by partition of the cache bucket). False: something was not done, or nobody knows (R5:
  /// doing it again is harmless).
  virtual Task<bool> write(std::vector<BlockWrite> writes,
                           std::shared_ptr<const std::vector<HistoryId>> histories) = 0;

  virtual std::uint64_t cas_retries() const = 0;
  virtual std::uint64_t blocks_opened() const = 0;
};

/// The writer for the space's block format.
std::unique_ptr<BlockWriter> make_block_writer(const CacheSpace& space);

}  // namespace headgate
