// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/signal.hpp"
#include "cache/channel_blocks.hpp"
#include "cache/pass_starts.hpp"

namespace headgate {

/// The channels that a CacheReader has in memory, within its bound, and whether their blocks are up
/// to date: the counters that many passes ask for are read at once, then the blocks of channels
/// whose counter differs. Confined to its executor. What it is made with must outlive it, and the
/// calls in flight.
class ReaderChannels {
 public:
  struct Channel {
    explicit Channel(Environment& environment) : read_done(environment) {}

    std::unique_ptr<ChannelBlocks> blocks;
    std::optional<std::uint64_t> counter;
    std::uint64_t checked_for = 0;  ///< passes up to this number have what they need
    std::uint64_t wanted_for = 0;
    bool is_wanted = false;
    Errc failure = Errc::ok;  ///< of the last check
    bool is_being_read = false;
    Signal read_done;
    std::list<ChannelId>::iterator use;
    std::size_t size = 0;
  };
  using Pointer = std::shared_ptr<Channel>;

  ReaderChannels(const CacheSpace& space, SequenceAllocator& allocator, const PassStarts& starts)
      : space_(space), allocator_(allocator), starts_(starts), refresh_done_(space.environment) {}

  Pointer find(const ChannelId& id);
  /// Brings the channels to where `pass` finds them. Errors: those of CacheReader.
  Task<Result<void>> refresh(const std::vector<ChannelId>& ids,
                             const std::vector<Pointer>& channels, PassStart pass);
  /// What a call to the channel's blocks works under.
  ChannelBlocks::Pass pass_for(const PassStart& pass, const ChannelId& id) const;
  /// Errors: those of ChannelBlocks.
  Task<Result<ChannelBlocks::Page>> read_blocks(Pointer channel, ChannelBlocks::Pass pass,
                                                Sequence since, std::size_t limit);
  /// Counts what the channel keeps in memory, and lets the least used ones go above the limit.
  void account(const ChannelId& id, Channel& channel);
  void forget();

  std::uint64_t block_reads() const { return block_reads_; }
  std::uint64_t counter_reads() const { return counter_reads_; }
  /// Channels whose blocks in memory were up to date, and were not.
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }
  std::size_t entries_kept() const { return size_; }

 private:
  Task<void> refresh_wanted();
  Task<Result<void>> refresh_one(Pointer channel, ChannelBlocks::Pass pass, std::uint64_t counter);

  const CacheSpace& space_;
  SequenceAllocator& allocator_;
  const PassStarts& starts_;

  std::unordered_map<ChannelId, Pointer> channels_;
  std::list<ChannelId> by_use_;  // least recently used first
  std::size_t size_ = 0;
  // Each object once, not each id: one that memory was let go of may be in use beside its
  // successor.
  std::vector<std::pair<ChannelId, Pointer>> wanted_;
  bool is_refreshing_ = false;
  Signal refresh_done_;

  std::uint64_t block_reads_ = 0;
  std::uint64_t counter_reads_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace headgate
