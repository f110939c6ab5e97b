// SPDX-License-Identifier: Apache-2.0
#include "cache/reader_channels.hpp"

#include <algorithm>
#include <utility>

#include "base/buggify.hpp"
#include "base/task_scope.hpp"

namespace headgate {
namespace {

// What a channel costs in memory beside its entries, counted in entries.
constexpr std::size_t kEntriesPerChannel = 64;

}  // namespace

ReaderChannels::Pointer ReaderChannels::find(const ChannelId& id) {
  if (const auto it = channels_.find(id); it != channels_.end()) {
    by_use_.splice(by_use_.end(), by_use_, it->second->use);
    return it->second;
  }
  auto created = std::make_shared<Channel>(space_.environment);
  created->blocks = make_channel_blocks(space_, id, block_reads_);
  created->use = by_use_.insert(by_use_.end(), id);
  channels_.emplace(id, created);
  return created;
}

// Counts what the channel keeps in memory, and lets the least used channels go above the limit.
void ReaderChannels::account(const ChannelId& id, Channel& channel) {
  const auto present = channels_.find(id);
  if (present == channels_.end() || present->second.get() != &channel) return;  // gone meanwhile
  size_ -= channel.size;
  channel.size = kEntriesPerChannel + channel.blocks->size();
  size_ += channel.size;
  const std::size_t most =
      HG_BUGGIFY("reader keeps few entries") ? 1 : space_.settings.reader_entries;
  while (size_ > most && by_use_.size() > 1) {
    const auto oldest = channels_.find(by_use_.front());
    if (oldest->second.get() == &channel) break;
    size_ -= oldest->second->size;
    channels_.erase(oldest);
    by_use_.pop_front();
  }
}

ChannelBlocks::Pass ReaderChannels::pass_for(const PassStart& pass, const ChannelId& id) const {
  const std::size_t partition = space_.bucket.partition_of(space_.counter_key(id)).value();
  return {pass.stable, pass.record->cache_histories.at(partition),
          std::max(pass.stable, allocator_.highest()), &starts_.dead()};
}

// A channel that was checked by a read that began after this pass did needs no further look. All
// others are checked together with what other passes want.
Task<Result<void>> ReaderChannels::refresh(const std::vector<ChannelId>& ids,
                                           const std::vector<Pointer>& channels, PassStart pass) {
  const auto is_due = [&](const Pointer& c) { return c->checked_for < pass.number; };
  while (std::any_of(channels.begin(), channels.end(), is_due)) {
    for (std::size_t i = 0; i < channels.size(); ++i)
      if (is_due(channels[i]) && channels[i]->wanted_for < pass.number) {
        channels[i]->wanted_for = pass.number;
        if (!std::exchange(channels[i]->is_wanted, true)) wanted_.emplace_back(ids[i], channels[i]);
      }
    if (is_refreshing_) {
      co_await refresh_done_.wait_past(refresh_done_.count());
      continue;
    }
    is_refreshing_ = true;
    co_await space_.environment.yield();  // feeds that were woken together join in
    co_await refresh_wanted();
    is_refreshing_ = false;
    refresh_done_.raise();
  }
  for (const Pointer& channel : channels)
    if (channel->failure != Errc::ok) co_return channel->failure;
  co_return Result<void>();
}

Task<void> ReaderChannels::refresh_wanted() {
  const auto wanted = std::exchange(wanted_, {});
  for (const auto& [id, channel] : wanted) channel->is_wanted = false;
  const Result<PassStart> start = starts_.latest();
  const std::uint64_t number = starts_.done();
  if (!start) {
    for (const auto& [id, channel] : wanted) {
      channel->failure = start.error().code;
      channel->checked_for = number;
    }
    co_return;
  }
  std::vector<Pointer> channels;
  std::vector<ChannelBlocks::Pass> passes;
  std::vector<Key> keys;
  for (const auto& [id, channel] : wanted) {
    channels.push_back(channel);
    passes.push_back(pass_for(*start, id));
    keys.push_back(space_.counter_key(id));
  }
  ++counter_reads_;
  const auto counters = co_await space_.bucket.get_many(std::move(keys), space_.deadline());
  std::vector<Pointer> changed;
  std::vector<Task<Result<void>>> refreshes;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const Reply& counter = counters[i];
    channels[i]->failure =
        counter.ok() || counter.status == Errc::not_found ? Errc::ok : counter.status;
    if (channels[i]->failure == Errc::ok && !passes[i].covers(counter))
      channels[i]->failure = Errc::rolled_back;
    // C4: inequality, not "greater": a counter may have been set back.
    if (channels[i]->failure != Errc::ok || channels[i]->counter == counter.number) continue;
    changed.push_back(channels[i]);
    refreshes.push_back(refresh_one(channels[i], passes[i], counter.number));
  }
  misses_ += changed.size();
  hits_ += channels.size() - changed.size();
  const auto outcomes = co_await when_all(space_.environment, std::move(refreshes));
  for (std::size_t i = 0; i < changed.size(); ++i)
    changed[i]->failure = outcomes[i] ? Errc::ok : outcomes[i].error().code;
  for (const auto& [id, channel] : wanted) {
    channel->checked_for = number;
    account(id, *channel);
  }
}

Task<Result<void>> ReaderChannels::refresh_one(Pointer channel, ChannelBlocks::Pass pass,
                                               std::uint64_t counter) {
  HG_CO_CHECK(co_await channel->blocks->refresh(pass));
  channel->counter = counter;
  co_return Result<void>();
}

// One at a time for each channel: blocks that are not in memory are read once for all that wait.
Task<Result<ChannelBlocks::Page>> ReaderChannels::read_blocks(Pointer channel,
                                                              ChannelBlocks::Pass pass,
                                                              Sequence since, std::size_t limit) {
  while (channel->is_being_read) co_await channel->read_done.wait_past(channel->read_done.count());
  channel->is_being_read = true;
  auto page = co_await channel->blocks->read(pass, since, limit);
  channel->is_being_read = false;
  channel->read_done.raise();
  co_return page;
}

void ReaderChannels::forget() {
  channels_.clear();
  by_use_.clear();
  size_ = 0;
}

}  // namespace headgate
