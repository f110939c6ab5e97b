// SPDX-License-Identifier: Apache-2.0
#include "cache/append_directory.hpp"

#include <algorithm>

#include "base/buggify.hpp"
#include "cache/stable_record.hpp"

namespace headgate {
namespace {

constexpr std::size_t kProbesPerTrip = 16;

Error refused(const Reply& reply) {
  return Error{reply.status, "reading a channel's directory"};
}

// Distances 1, 2, 4 ... beyond a block whose record exists.
std::vector<std::uint64_t> doubling_probes(std::uint64_t from) {
  std::vector<std::uint64_t> blocks;
  for (std::size_t i = 0; i < kProbesPerTrip; ++i) blocks.push_back(from + (1ull << i));
  return blocks;
}

// Evenly spread in (present, absent), both ends left out.
std::vector<std::uint64_t> spread_probes(std::uint64_t present, std::uint64_t absent) {
  const std::uint64_t between = absent - present - 1;
  const std::uint64_t count = std::min<std::uint64_t>(between, kProbesPerTrip);
  std::vector<std::uint64_t> blocks;
  for (std::uint64_t i = 1; i <= count; ++i)
    blocks.push_back(present + std::max<std::uint64_t>(1, between * i / count));
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  return blocks;
}

}  // namespace

Task<Result<std::uint64_t>> find_newest_block(const CacheSpace& space, ChannelId channel,
                                              std::uint64_t from, HistoryId history,
                                              KnownRecords& known) {
  std::uint64_t present = from;
  std::uint64_t absent = 0;  // 0: none found absent yet
  while (absent == 0 || absent - present > 1) {
    const auto blocks = absent == 0 ? doubling_probes(present) : spread_probes(present, absent);
    std::vector<Key> keys;
    for (std::uint64_t block : blocks) keys.push_back(space.record_key(channel, block));
    const auto replies = co_await space.bucket.get_many(std::move(keys), space.deadline());
    for (std::size_t i = 0; i < replies.size(); ++i) {
      if (!replies[i].ok() && replies[i].status != Errc::not_found) co_return refused(replies[i]);
      if (replies[i].history != history) co_return Errc::rolled_back;
      if (!replies[i].ok()) {
        absent = blocks[i];
        break;
      }
      HG_CO_TRY(const BlockRecord record, BlockRecord::decode(replies[i].bytes));
      known.insert_or_assign(blocks[i], record);
      present = blocks[i];
    }
  }
  co_return present;
}

Task<Result<bool>> open_next_block(const CacheSpace& space, ChannelId channel, std::uint64_t full,
                                   HistoryId history) {
  std::vector<Key> keys{space.stable_key(), space.block_key(channel, full)};
  if (full > 0) keys.push_back(space.record_key(channel, full));
  const auto replies = co_await space.bucket.get_many(std::move(keys), space.deadline());

  BlockRecord opened;
  if (replies[0].ok()) {
    HG_CO_TRY(const StableRecord stable, StableRecord::decode(replies[0].bytes));
    opened.floor = stable.stable;
  }
  std::vector<Condition> conditions;
  for (std::size_t i = 1; i < replies.size(); ++i) {
    if (!replies[i].ok()) co_return refused(replies[i]);
    if (replies[i].history != history) co_return Errc::rolled_back;
  }
  // A3: the maximum is taken from a copy that is full itself.
  const std::uint64_t counted_bytes = space.settings.block_capacity * kAppendEntryBytes;
  if (replies[1].bytes.size() < counted_bytes) co_return Errc::rolled_back;
  const std::string counted = replies[1].bytes.substr(0, counted_bytes);
  const std::uint32_t seen = space.settings.block_capacity - (HG_RULE("A3") ? 0 : 1);
  HG_CO_TRY(const auto entries, decode_append_block(counted, seen));
  for (const BlockEntry& entry : entries) opened.max = std::max(opened.max, entry.sequence);
  conditions.push_back({space.block_key(channel, full), counted});
  if (full > 0) {
    HG_CO_TRY(const BlockRecord record, BlockRecord::decode(replies[2].bytes));
    if (HG_RULE("A4")) opened.max = std::max(opened.max, record.max);  // over all blocks so far
    conditions.push_back({space.record_key(channel, full), replies[2].bytes});
  }
  if (!HG_RULE("A7")) conditions.clear();
  opened.identity = space.environment.random();

  WriteOptions options;
  if (HG_RULE("A7 fence")) options.if_history = history;
  const Reply inserted =
      co_await space.bucket.insert_if(space.record_key(channel, full + 1), opened.encode(),
                                      std::move(conditions), options, space.deadline());
  switch (inserted.status) {
    case Errc::ok:
      co_return true;
    case Errc::exists:
    case Errc::condition_failed:
    case Errc::timeout_unknown_outcome:
      co_return false;
    default:
      co_return Error{inserted.status, "opening a block"};
  }
}

}  // namespace headgate
