// SPDX-License-Identifier: Apache-2.0
#include "cache/indexed_channel_blocks.hpp"

#include <algorithm>

#include "base/buggify.hpp"
#include "cache/append_channel_blocks.hpp"
#include "cache/block.hpp"

namespace headgate {
namespace {

constexpr std::uint64_t kBlocksPerTrip = 64;

}  // namespace

// Nothing is read yet: which blocks are wanted depends on `since`.
Task<Result<void>> IndexedChannelBlocks::refresh(Pass) {
  ++refreshes_;
  co_return Result<void>();
}

bool IndexedChannelBlocks::is_fresh(std::uint64_t block) const {
  const auto copy = copies_.find(block);
  return copy != copies_.end() && (copy->second.is_final || copy->second.refresh == refreshes_);
}

Task<Result<void>> IndexedChannelBlocks::load_ahead(Pass pass, std::uint64_t block,
                                                    std::uint64_t last) {
  const std::uint32_t capacity = space_.settings.block_capacity;
  const std::uint64_t refresh = refreshes_;
  std::vector<std::uint64_t> blocks;
  std::vector<Key> keys;
  for (std::uint64_t b = block; b <= last && b < block + kBlocksPerTrip; ++b) {
    if (is_fresh(b)) continue;
    blocks.push_back(b);
    keys.push_back(space_.block_key(channel_, b));
  }
  keys_read_ += keys.size();
  const auto replies = co_await space_.bucket.get_many(std::move(keys), space_.deadline());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok() && replies[i].status != Errc::not_found) co_return replies[i].status;
    if (!pass.covers(replies[i])) co_return Errc::rolled_back;
    Copy copy;
    copy.refresh = refresh;
    copy.is_final = Sequence((blocks[i] + 1) * capacity - 1) <= pass.stable;
    if (replies[i].ok()) {
      HG_CO_TRY(const IndexedBlock decoded,
                IndexedBlock::decode(blocks[i], capacity, replies[i].bytes));
      copy.entries = decoded.entries();
    }
    Copy& kept = copies_[blocks[i]];
    size_ += copy.entries.size() + 1;
    size_ -= kept.refresh == 0 ? 0 : kept.entries.size() + 1;
    kept = std::move(copy);
  }
  co_return Result<void>();
}

Task<Result<ChannelBlocks::Page>> IndexedChannelBlocks::read(Pass pass, Sequence since,
                                                             std::size_t limit) {
  const std::uint32_t capacity = space_.settings.block_capacity;
  const std::uint64_t last = IndexedBlock::number_of(pass.highest, capacity);
  Page page;
  Sequence from = since.next();
  while (true) {
    // A restore leaves more numbers out than anybody could look at.
    if (pass.dead) from = pass.dead->skip(from);
    const std::uint64_t block = IndexedBlock::number_of(from, capacity);
    if (block > last) break;
    if (!is_fresh(block)) HG_CO_CHECK(co_await load_ahead(pass, block, last));
    for (const BlockEntry& entry : copies_[block].entries)
      if (entry.sequence > since) page.entries.push_back(entry);
    const Sequence end((block + 1) * capacity - 1);
    if (page.entries.size() >= limit && end <= pass.stable && block < last) {
      page.complete_to = end;
      break;
    }
    from = end.next();
  }
  trim();
  co_return page;
}

void IndexedChannelBlocks::trim() {
  const std::size_t most = space_.settings.reader_entries / 4;
  for (auto it = copies_.begin(); it != copies_.end() && size_ > most;) {
    size_ -= it->second.entries.size() + 1;
    it = copies_.erase(it);
  }
}

std::unique_ptr<ChannelBlocks> make_channel_blocks(const CacheSpace& space, ChannelId channel,
                                                   std::uint64_t& keys_read) {
  if (space.settings.block_format == BlockFormat::indexed)
    return std::make_unique<IndexedChannelBlocks>(space, std::move(channel), keys_read);
  return std::make_unique<AppendChannelBlocks>(space, std::move(channel), keys_read);
}

}  // namespace headgate
