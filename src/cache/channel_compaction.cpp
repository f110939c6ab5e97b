// SPDX-License-Identifier: Apache-2.0
#include "cache/channel_compaction.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/buggify.hpp"
#include "cache/block.hpp"
#include "cache/block_run.hpp"
#include "cache/cache_entry.hpp"
#include "cache/sequence_fold.hpp"
#include "cache/superseded_survey.hpp"

namespace headgate {
namespace {

constexpr std::size_t kReadAtOnce = 1'000;
constexpr std::size_t kBlocksAtOnce = 16;
// What one channel's compaction keeps in memory: of more blocks the first ones are compacted.
constexpr std::uint64_t kEntriesMost = 1'000'000;
// A run is written anew if at least one entry of so many goes.
constexpr std::uint64_t kWorthOneOf = 16;

bool is_listed(const CacheEntry& entry, const ChannelId& channel) {
  const auto channels = listing_channels(entry);
  return std::binary_search(channels.begin(), channels.end(), channel);
}

}  // namespace

// --- Buckets -------------------------------------------------------------------------------------

HistoryId ChannelCompaction::history_of(const Key& key) const {
  return site_.histories->at(site_.space.bucket.partition_of(key).value());
}

WriteOptions ChannelCompaction::options_for(const Key& key) const {
  WriteOptions options;
  options.if_history = history_of(key);
  return options;
}

Result<void> ChannelCompaction::check(const Reply& reply, const Key& key) const {
  if (!reply.ok() && reply.status != Errc::not_found) return Error{reply.status, "compaction"};
  if (reply.history != history_of(key)) return Error{Errc::rolled_back, "compaction"};
  return {};
}

Task<Result<std::vector<Reply>>> ChannelCompaction::read(std::vector<Key> keys) {
  auto replies = co_await site_.space.bucket.get_many(keys, site_.space.deadline());
  for (std::size_t i = 0; i < replies.size(); ++i) HG_CO_CHECK(check(replies[i], keys[i]));
  co_return replies;
}

// All of them are done, or nothing is known.
Task<Result<void>> ChannelCompaction::write(std::vector<Operation> operations) {
  if (operations.empty()) co_return Result<void>();
  const auto replies =
      co_await site_.space.bucket.pipeline(std::move(operations), site_.space.deadline());
  for (const Reply& reply : replies)
    if (!reply.ok()) co_return Error{reply.status, "compaction"};
  co_return Result<void>();
}

// --- Any format ----------------------------------------------------------------------------------

Task<Result<std::vector<ChannelId>>> ChannelCompaction::with_closed_blocks(
    std::vector<ChannelId> channels) {
  if (site_.space.settings.block_format == BlockFormat::indexed) co_return channels;
  std::vector<ChannelId> found;
  for (std::size_t from = 0; from < channels.size(); from += kReadAtOnce) {
    const std::size_t end = std::min(channels.size(), from + kReadAtOnce);
    std::vector<Key> keys;
    for (std::size_t i = from; i < end; ++i) keys.push_back(site_.space.record_key(channels[i], 1));
    HG_CO_TRY(const auto records, co_await read(std::move(keys)));
    for (std::size_t i = from; i < end; ++i)
      if (records[i - from].ok()) found.push_back(std::move(channels[i]));
    co_await site_.space.environment.yield();
  }
  co_return found;
}

Task<Result<std::uint64_t>> ChannelCompaction::compact(ChannelId channel,
                                                       std::vector<Sequence> superseded) {
  std::sort(superseded.begin(), superseded.end());
  if (site_.space.settings.block_format == BlockFormat::indexed)
    co_return co_await compact_indexed(std::move(channel), std::move(superseded));
  co_return co_await compact_append(std::move(channel), std::move(superseded));
}

// Takes out of the entries, of which there may be very many, what is superseded or dead. Only what
// is known to be of no channel goes: an entry without a sequence document stays, unless that is
// dead by a fold.
Task<Result<void>> ChannelCompaction::drop(ChannelId channel,
                                           const std::vector<Sequence>& superseded,
                                           std::vector<BlockEntry>& entries) {
  std::erase_if(entries, [&](const BlockEntry& e) {
    return site_.dead.contains(e.sequence) ||
           std::binary_search(superseded.begin(), superseded.end(), e.sequence);
  });
  std::vector<BlockEntry> kept;
  for (std::size_t from = 0; from < entries.size(); from += kReadAtOnce) {
    const std::size_t end = std::min(entries.size(), from + kReadAtOnce);
    std::vector<Key> keys;
    for (std::size_t i = from; i < end; ++i)
      keys.push_back(site_.space.sequence_key(entries[i].sequence));
    HG_CO_TRY(const auto replies, co_await read(std::move(keys)));
    std::vector<Sequence> missing;
    for (std::size_t i = from; i < end; ++i)
      if (!replies[i - from].ok()) missing.push_back(entries[i].sequence);
    HG_CO_TRY(const auto folded,
              co_await find_folded(site_.space, std::move(missing), *site_.histories));
    for (std::size_t i = from; i < end; ++i) {
      const Reply& reply = replies[i - from];
      const auto document = SequenceDocument::decode(entries[i].sequence, reply.bytes);
      const bool is_gone =
          reply.ok() ? document && (document->is_dead || !is_listed(document->entry, channel))
                     : std::binary_search(folded.begin(), folded.end(), entries[i].sequence);
      if (!is_gone) kept.push_back(entries[i]);
    }
    co_await site_.space.environment.yield();
  }
  entries = std::move(kept);
  co_return Result<void>();
}

// --- Append blocks -------------------------------------------------------------------------------

struct ChannelCompaction::Old {
  std::optional<Cas> run_cas;
  BlockRun run;                     // the present one, or none of 0 blocks
  std::vector<Key> stale;           // parts, of it and of runs that never came to be
  std::vector<BlockEntry> entries;  // of the run, then what is kept of all; ascending
  std::size_t met = 0;              // entries, with those that go
  std::map<std::uint64_t, BlockRecord> records;
  std::uint64_t end = 0;                    // blocks run.blocks .. end-1 are to be replaced, too
  std::vector<std::pair<Key, Cas>> blocks;  // those
};

Task<Result<void>> ChannelCompaction::load_run(ChannelId channel, Old& old) {
  const Key key = run_key(site_.space, channel);
  const Reply present = co_await site_.space.bucket.get(key, site_.space.deadline());
  HG_CO_CHECK(check(present, key));
  if (present.ok()) {
    HG_CO_TRY(old.run, BlockRun::decode(present.bytes));
    old.run_cas = present.cas;
  }
  std::size_t parts = 0;
  Bucket::Scan scan{key.database, KeyKind::block, key.tag, first_part_name(), kBlocksAtOnce, false};
  while (true) {
    HG_CO_TRY(const auto page, co_await site_.space.bucket.scan(scan, site_.space.deadline()));
    if (page.history != history_of(key)) co_return Error{Errc::rolled_back, "compaction"};
    for (const auto& item : page.items) {
      const auto identity = run_of_part(item.name);
      if (!identity) co_return Error{Errc::corrupted, "part of a block run"};
      old.stale.push_back({key.database, KeyKind::block, key.tag, item.name});
      if (!old.run_cas || *identity != old.run.identity) continue;
      HG_CO_TRY(const auto entries,
                decode_append_block(item.bytes, site_.space.settings.block_capacity));
      old.entries.insert(old.entries.end(), entries.begin(), entries.end());
      ++parts;
    }
    if (page.items.size() < scan.limit) break;
    scan.from = page.items.back().name + '\0';
    co_await site_.space.environment.yield();
  }
  // Another one has replaced the run meanwhile.
  if (parts != old.run.lasts.size()) co_return Error{Errc::rolled_back, "compaction"};
  co_return Result<void>();
}

// Blocks that the run stands for and that nobody came to replace: the last ones.
Task<Result<void>> ChannelCompaction::load_left(ChannelId channel, Old& old) {
  for (std::uint64_t block = old.run.blocks; block > 0; --block) {
    const Key key = site_.space.block_key(channel, block - 1);
    HG_CO_TRY(const auto replies, co_await read({key}));
    if (!replies[0].ok() || is_replaced_block(replies[0].bytes.size())) break;
    old.blocks.emplace_back(key, replies[0].cas);
  }
  co_return Result<void>();
}

// Records are a prefix without a hole, and their maximum never falls.
Task<Result<void>> ChannelCompaction::load_records(ChannelId channel, Old& old) {
  const std::uint64_t capacity = site_.space.settings.block_capacity;
  const std::uint64_t most =
      (kEntriesMost - std::min<std::uint64_t>(kEntriesMost, old.entries.size())) / capacity;
  const std::uint64_t begin = old.run.blocks;
  old.end = begin;
  while (true) {
    std::vector<Key> keys;
    const std::uint64_t from = old.end == begin ? std::max<std::uint64_t>(begin, 1) : old.end + 1;
    for (std::uint64_t k = from; k < from + kBlocksAtOnce; ++k)
      keys.push_back(site_.space.record_key(channel, k));
    HG_CO_TRY(const auto replies, co_await read(std::move(keys)));
    for (std::uint64_t k = from; k < from + kBlocksAtOnce; ++k) {
      const Reply& reply = replies[k - from];
      if (!reply.ok()) co_return Result<void>();
      HG_CO_TRY(const BlockRecord record, BlockRecord::decode(reply.bytes));
      if (k > begin && (record.max > site_.floor || k - begin > most)) co_return Result<void>();
      old.records.emplace(k, record);
      old.end = k;
    }
  }
}

// A few blocks at once, so that no step is long. Adds what is kept of them.
Task<Result<void>> ChannelCompaction::load_blocks(ChannelId channel,
                                                  const std::vector<Sequence>& superseded,
                                                  Old& old) {
  const std::uint64_t capacity = site_.space.settings.block_capacity;
  for (std::uint64_t from = old.run.blocks; from < old.end; from += kBlocksAtOnce) {
    std::vector<Key> keys;
    const std::uint64_t to = std::min<std::uint64_t>(old.end, from + kBlocksAtOnce);
    for (std::uint64_t k = from; k < to; ++k) keys.push_back(site_.space.block_key(channel, k));
    HG_CO_TRY(const auto replies, co_await read(keys));
    std::vector<BlockEntry> loaded;
    for (std::uint64_t k = from; k < to; ++k) {
      const Reply& reply = replies[k - from];
      const bool is_full = reply.ok() && reply.bytes.size() >= capacity * kAppendEntryBytes &&
                           !is_replaced_block(reply.bytes.size());
      if (!is_full) co_return Error{Errc::rolled_back, "compaction: a closed block is not full"};
      HG_CO_TRY(const auto entries, decode_append_block(reply.bytes, capacity));
      const Sequence floor = k == 0 ? Sequence() : old.records.at(k).floor;
      for (const BlockEntry& entry : entries)
        if (entry.sequence > floor) loaded.push_back(entry);
      old.blocks.emplace_back(keys[k - from], reply.cas);
    }
    old.met += loaded.size();
    HG_CO_CHECK(co_await drop(channel, superseded, loaded));
    std::sort(loaded.begin(), loaded.end());
    std::vector<BlockEntry> all;
    all.reserve(old.entries.size() + loaded.size());
    std::ranges::merge(old.entries, loaded, std::back_inserter(all));
    old.entries = std::move(all);
  }
  const auto same = std::ranges::unique(old.entries, {}, &BlockEntry::sequence);
  // Which mark an entry has is for the sequence document to say.
  old.entries.erase(same.begin(), same.end());
  co_return Result<void>();
}

Task<Result<std::uint64_t>> ChannelCompaction::compact_append(ChannelId channel,
                                                              std::vector<Sequence> superseded) {
  Old old;
  HG_CO_CHECK(co_await load_run(channel, old));
  HG_CO_CHECK(co_await load_records(channel, old));
  HG_CO_CHECK(co_await load_left(channel, old));
  if (!old.blocks.empty()) HG_PROBE("R19 blocks left from before");
  if (old.end == old.run.blocks) {
    co_await replace_blocks(old.blocks);
    co_return 0;
  }
  old.met = old.entries.size();
  std::erase_if(old.entries, [&](const BlockEntry& e) {
    return std::binary_search(superseded.begin(), superseded.end(), e.sequence);
  });
  HG_CO_CHECK(co_await load_blocks(channel, superseded, old));
  const std::uint64_t gone = old.met - old.entries.size();
  const bool is_worth_it =
      gone * kWorthOneOf >= old.met || HG_BUGGIFY("compact blocks that keep nearly all");
  if (!is_worth_it || gone == 0) co_return 0;
  HG_CO_CHECK(co_await replace(std::move(channel), old));
  HG_PROBE("R19 blocks replaced");
  co_return gone;
}

// The parts, then the run by compare-and-swap, then the blocks: what is kept of these writes after
// a failover begins with the first.
Task<Result<void>> ChannelCompaction::replace(ChannelId channel, const Old& old) {
  const CacheSpace& space = site_.space;
  const std::uint64_t capacity = space.settings.block_capacity;
  BlockRun run{space.environment.random(), old.end, old.records.at(old.end).floor, {}};
  std::vector<Operation> parts;
  for (std::size_t from = 0; from < old.entries.size(); from += capacity) {
    const auto begin = old.entries.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end = old.entries.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                               old.entries.size(), from + capacity));
    const Key key = run_part_key(space, channel, run.identity, run.lasts.size());
    parts.push_back(
        operation::Insert{key, encode_append_entries({begin, end}), options_for(key), {}});
    run.lasts.push_back(std::prev(end)->sequence);
    if (parts.size() == kBlocksAtOnce) HG_CO_CHECK(co_await write(std::exchange(parts, {})));
  }
  HG_CO_CHECK(co_await write(std::move(parts)));
  const Key key = run_key(space, channel);
  std::vector<Operation> swap;
  if (old.run_cas)
    swap.push_back(operation::Replace{key, run.encode(), *old.run_cas, options_for(key), {}});
  else
    swap.push_back(operation::Insert{key, run.encode(), options_for(key), {}});
  HG_CO_CHECK(co_await write(std::move(swap)));
  co_await replace_blocks(old.blocks);
  co_await remove(old.stale);
  co_return Result<void>();
}

// What is left by a failure is garbage that does no harm.
Task<void> ChannelCompaction::replace_blocks(std::vector<std::pair<Key, Cas>> blocks) {
  std::vector<Operation> operations;
  for (auto& [key, cas] : blocks) {
    auto options = options_for(key);
    operations.push_back(operation::Replace{
        std::move(key), std::string(kReplacedBlock), cas, std::move(options), {}});
  }
  if (!operations.empty())
    co_await site_.space.bucket.pipeline(std::move(operations), site_.space.deadline());
}

Task<void> ChannelCompaction::remove(std::vector<Key> keys) {
  std::vector<Operation> operations;
  for (Key& key : keys) {
    auto options = options_for(key);
    operations.push_back(operation::Remove{std::move(key), {}, std::move(options), {}});
  }
  if (!operations.empty())
    co_await site_.space.bucket.pipeline(std::move(operations), site_.space.deadline());
}

// --- Indexed blocks ------------------------------------------------------------------------------

Task<Result<std::uint64_t>> ChannelCompaction::compact_indexed(ChannelId channel,
                                                               std::vector<Sequence> superseded) {
  const std::uint32_t capacity = site_.space.settings.block_capacity;
  std::uint64_t gone = 0;
  for (std::size_t next = 0; next < superseded.size();) {
    const std::uint64_t block = IndexedBlock::number_of(superseded[next], capacity);
    const Sequence end((block + 1) * capacity - 1);
    while (next < superseded.size() && superseded[next] <= end) ++next;
    if (end > site_.floor) break;
    HG_CO_TRY(const std::uint64_t went, co_await rewrite_indexed(channel, block, superseded));
    gone += went;
  }
  co_return gone;
}

Task<Result<std::uint64_t>> ChannelCompaction::rewrite_indexed(
    ChannelId channel, std::uint64_t block, const std::vector<Sequence>& superseded) {
  const std::uint32_t capacity = site_.space.settings.block_capacity;
  const Key key = site_.space.block_key(channel, block);
  HG_CO_TRY(const auto replies, co_await read({key}));
  const Reply& present = replies.front();
  if (!present.ok()) co_return 0;
  HG_CO_TRY(const IndexedBlock old, IndexedBlock::decode(block, capacity, present.bytes));
  std::vector<BlockEntry> entries = old.entries();
  const std::size_t total = entries.size();
  HG_CO_CHECK(co_await drop(channel, superseded, entries));
  if (entries.size() == total) co_return 0;
  IndexedBlock rewritten(block, capacity);
  for (const BlockEntry& entry : entries) rewritten.enter(entry);
  std::vector<Operation> swap;
  if (entries.empty())
    swap.push_back(operation::Remove{key, present.cas, options_for(key), {}});
  else
    swap.push_back(operation::Replace{key, rewritten.encode(), present.cas, options_for(key), {}});
  HG_CO_CHECK(co_await write(std::move(swap)));
  HG_PROBE("R19 blocks replaced");
  co_return total - entries.size();
}

}  // namespace headgate
