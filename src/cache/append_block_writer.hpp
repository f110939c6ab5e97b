// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>

#include "cache/append_directory.hpp"
#include "cache/block_writer.hpp"

namespace headgate {

/// Writer of append blocks (append-blocks, section 2): one append and one increment per channel,
/// no read, no compare-and-swap; only a full block costs more.
class AppendBlockWriter final : public BlockWriter {
 public:
  explicit AppendBlockWriter(const CacheSpace& space) : space_(space) {}

  Task<bool> write(std::vector<BlockWrite> writes,
                   std::shared_ptr<const std::vector<HistoryId>> histories) override;
  std::uint64_t cas_retries() const override { return 0; }
  std::uint64_t blocks_opened() const override { return blocks_opened_; }

 private:
  // A channel's newest block as this writer knows it: its record was seen under `history` (A1, A6).
  struct Newest {
    std::uint64_t block = 0;
    HistoryId history;
  };

  std::uint64_t newest_block(const ChannelId& channel, HistoryId history);
  void remember(const ChannelId& channel, Newest newest);
  bool keep_uncounted(BlockWrite& write, const Reply& appended) const;
  Task<bool> move_to_newest(ChannelId channel, std::uint64_t full, HistoryId history);

  const CacheSpace& space_;
  std::unordered_map<ChannelId, Newest> newest_;
  std::uint64_t blocks_opened_ = 0;
};

}  // namespace headgate
