// SPDX-License-Identifier: Apache-2.0
#include "cache/block_search.hpp"

#include <algorithm>

namespace headgate {
namespace {

constexpr std::size_t kPage = 10'000;
// Numbers kept in memory; beyond, channels are read again.
constexpr std::size_t kKeptMost = 1'000'000;

}  // namespace

Task<Result<BlockSearch::Numbers>> BlockSearch::load(ChannelId channel) {
  const auto partition = space_.bucket.partition_of(space_.counter_key(channel)).value();
  const ChannelBlocks::Pass pass{range_.stable, histories_->at(partition), range_.highest};
  const auto blocks = make_channel_blocks(space_, channel, keys_read_);
  HG_CO_CHECK(co_await blocks->refresh(pass));
  Numbers numbers;
  for (Sequence since = range_.floor; since < range_.highest;) {
    HG_CO_TRY(const auto page, co_await blocks->read(pass, since, kPage));
    for (const BlockEntry& entry : page.entries) numbers.push_back(entry.sequence);
    if (page.complete_to <= since) break;
    since = page.complete_to;
  }
  std::sort(numbers.begin(), numbers.end());
  co_return numbers;
}

Task<Result<bool>> BlockSearch::contains(ChannelId channel, Sequence sequence) {
  auto known = known_.find(channel);
  if (known == known_.end()) {
    HG_CO_TRY(Numbers numbers, co_await load(channel));
    size_ += numbers.size() + 1;
    if (size_ > kKeptMost) {
      known_.clear();
      size_ = numbers.size() + 1;
    }
    known = known_.emplace(std::move(channel), std::move(numbers)).first;
  }
  co_return std::binary_search(known->second.begin(), known->second.end(), sequence);
}

Task<Result<bool>> BlockSearch::all_contain(std::vector<ChannelId> channels, Sequence sequence) {
  for (ChannelId& channel : channels) {
    HG_CO_TRY(const bool is_there, co_await contains(std::move(channel), sequence));
    if (!is_there) co_return false;
  }
  co_return true;
}

}  // namespace headgate
