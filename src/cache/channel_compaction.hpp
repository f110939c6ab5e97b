// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "cache/block_writer.hpp"
#include "cache/cache_space.hpp"
#include "cache/stable_record.hpp"
#include "sequence/shared_horizon.hpp"

namespace headgate {

/// Rewrites closed blocks of a channel without what is superseded (R19): those wholly at or below a
/// floor up to which nothing can be lost any more. Every step may fail, be done twice, or be the
/// last: until the blocks' successor is in its place they stay as they are. Confined to its
/// executor. What the space refers to must outlive it.
class ChannelCompaction {
 public:
  struct Site {
    CacheSpace space;     ///< a copy: of one generation, whatever comes meanwhile
    Histories histories;  ///< everything is read and written under these
    Sequence floor;
    DeadRanges dead;
  };

  explicit ChannelCompaction(Site site) : site_(std::move(site)) {}

  /// `superseded`: entries of the channel that have newer ones. Entries whose write is dead, or not
  /// of the channel, go with them. Success: how many went.
  /// Errors: rolled_back (another history, or another one compacts it, too), unavailable, no_space,
  /// timeout_unknown_outcome, corrupted: to be tried again later.
  Task<Result<std::uint64_t>> compact(ChannelId channel, std::vector<Sequence> superseded);
  /// Which of these channels may have a block that is closed, in their order.
  Task<Result<std::vector<ChannelId>>> with_closed_blocks(std::vector<ChannelId> channels);

 private:
  struct Old;  // of an append channel: what is to be replaced

  Task<Result<std::uint64_t>> compact_append(ChannelId channel, std::vector<Sequence> superseded);
  Task<Result<void>> load_run(ChannelId channel, Old& old);
  Task<Result<void>> load_left(ChannelId channel, Old& old);
  Task<Result<void>> load_records(ChannelId channel, Old& old);
  Task<Result<void>> load_blocks(ChannelId channel, const std::vector<Sequence>& superseded,
                                 Old& old);
  Task<Result<void>> replace(ChannelId channel, const Old& old);
  Task<void> replace_blocks(std::vector<std::pair<Key, Cas>> blocks);
  Task<void> remove(std::vector<Key> keys);
  Task<Result<std::uint64_t>> compact_indexed(ChannelId channel, std::vector<Sequence> superseded);
  Task<Result<std::uint64_t>> rewrite_indexed(ChannelId channel, std::uint64_t block,
                                              const std::vector<Sequence>& superseded);
  Task<Result<void>> drop(ChannelId channel, const std::vector<Sequence>& superseded,
                          std::vector<BlockEntry>& entries);

  HistoryId history_of(const Key& key) const;
  WriteOptions options_for(const Key& key) const;
  Result<void> check(const Reply& reply, const Key& key) const;
  Task<Result<std::vector<Reply>>> read(std::vector<Key> keys);
  Task<Result<void>> write(std::vector<Operation> operations);

  const Site site_;
};

}  // namespace headgate
