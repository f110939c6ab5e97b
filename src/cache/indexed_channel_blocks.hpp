// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "cache/channel_blocks.hpp"

namespace headgate {

/// Reader of indexed blocks: a range of sequences costs the blocks that it spans, whether the
/// channel has entries there or not.
class IndexedChannelBlocks final : public ChannelBlocks {
 public:
  IndexedChannelBlocks(const CacheSpace& space, ChannelId channel, std::uint64_t& keys_read)
      : space_(space), channel_(std::move(channel)), keys_read_(keys_read) {}

  Task<Result<void>> refresh(Pass pass) override;
  Task<Result<Page>> read(Pass pass, Sequence since, std::size_t limit) override;
  std::size_t size() const override { return size_; }

 private:
  struct Copy {
    std::vector<BlockEntry> entries;
    /// Valid for the reads of one refresh; for ever once stable has passed the block's end.
    std::uint64_t refresh = 0;
    bool is_final = false;
  };

  bool is_fresh(std::uint64_t block) const;
  Task<Result<void>> load_ahead(Pass pass, std::uint64_t block, std::uint64_t last);
  void trim();

  const CacheSpace& space_;
  const ChannelId channel_;
  std::uint64_t& keys_read_;
  std::map<std::uint64_t, Copy> copies_;
  std::uint64_t refreshes_ = 0;
  std::size_t size_ = 0;
};

}  // namespace headgate
