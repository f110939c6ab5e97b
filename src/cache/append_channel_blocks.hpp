// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>

#include "cache/append_directory.hpp"
#include "cache/block_run.hpp"
#include "cache/channel_blocks.hpp"

namespace headgate {

/// Reader of append blocks (append-blocks, section 3). Of blocks that compaction has replaced it
/// reads the run that stands for them; copies made before stay good: they have more than it.
class AppendChannelBlocks final : public ChannelBlocks {
 public:
  AppendChannelBlocks(const CacheSpace& space, ChannelId channel, std::uint64_t& keys_read)
      : space_(space), channel_(std::move(channel)), keys_read_(keys_read) {}

  Task<Result<void>> refresh(Pass pass) override;
  Task<Result<Page>> read(Pass pass, Sequence since, std::size_t limit) override;
  std::size_t size() const override { return size_; }

 private:
  // A copy of a block: as far as it was read, its counted entries above the block's floor, sorted.
  struct Copy {
    std::uint64_t bytes = 0;
    std::vector<BlockEntry> entries;
    bool is_replaced = false;  ///< by compaction; the entries may be a part of what it had
  };

  bool is_final(const Copy& copy) const;
  Sequence max_before(std::uint64_t block) const;
  Result<void> extend(std::uint64_t block, const Reply& tail);
  Task<Result<std::uint64_t>> first_block(Pass pass, Sequence since);
  Task<Result<void>> load(Pass pass, std::vector<std::uint64_t> blocks,
                          std::vector<std::uint64_t> records);
  Task<Result<void>> load_ahead(Pass pass, std::uint64_t block);
  Task<Result<void>> load_run(Pass pass);
  Task<Result<bool>> load_parts(Pass pass, std::uint64_t part);
  Task<Result<bool>> read_run(Pass pass, Sequence since, std::size_t limit, Page& page);
  Task<Result<std::optional<Page>>> try_read(Pass pass, Sequence since, std::size_t limit);
  void trim(std::uint64_t keep);

  const CacheSpace& space_;
  const ChannelId channel_;
  std::uint64_t& keys_read_;
  KnownRecords records_;
  std::map<std::uint64_t, Copy> copies_;
  std::optional<BlockRun> run_;
  std::map<std::uint64_t, std::vector<BlockEntry>> parts_;  // of the run
  std::uint64_t newest_ = 0;
  std::size_t size_ = 0;
};

}  // namespace headgate
