// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/block_writer.hpp"

namespace headgate {

/// Writer of indexed blocks: reads a block, enters the sequences, writes it by compare-and-swap,
/// again and again until it wins.
class IndexedBlockWriter final : public BlockWriter {
 public:
  explicit IndexedBlockWriter(const CacheSpace& space) : space_(space) {}

  Task<bool> write(std::vector<BlockWrite> writes,
                   std::shared_ptr<const std::vector<HistoryId>> histories) override;
  std::uint64_t cas_retries() const override { return cas_retries_; }
  std::uint64_t blocks_opened() const override { return 0; }

 private:
  struct Part {  // what one write adds to one block
    ChannelId channel;
    std::uint64_t number = 0;
    std::vector<BlockEntry> entries;
  };

  std::vector<Part> parts_of(const std::vector<BlockWrite>& writes) const;
  Result<Operation> enter(const Part& part, const Reply& present, WriteOptions options) const;

  const CacheSpace& space_;
  std::uint64_t cas_retries_ = 0;
};

}  // namespace headgate
