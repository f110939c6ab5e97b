// SPDX-License-Identifier: Apache-2.0
#include "cache/append_channel_blocks.hpp"

#include <algorithm>

#include "base/buggify.hpp"
#include "cache/block.hpp"

namespace headgate {
namespace {

constexpr std::uint64_t kBlocksPerTrip = 16;
// Compaction may replace a run while it is read; it does not do so often.
constexpr int kRunsMet = 4;

// How many of the entries, which are in order, lie at or below `complete`.
std::size_t count_settled(const std::vector<BlockEntry>& entries, Sequence complete) {
  const auto end = std::upper_bound(entries.begin(), entries.end(), BlockEntry{complete, true});
  return static_cast<std::size_t>(end - entries.begin());
}

}  // namespace

// B4: only its own length makes a copy final.
bool AppendChannelBlocks::is_final(const Copy& copy) const {
  const std::uint64_t length = HG_RULE("B4") ? space_.settings.block_capacity : 1;
  return copy.bytes >= length * kAppendEntryBytes;
}

Sequence AppendChannelBlocks::max_before(std::uint64_t block) const {
  return block == 0 ? Sequence() : records_.at(block).max;
}

// Adds what a block has grown by to its copy. An entry at or below its block's floor is a late
// copy: it was found elsewhere, or is dead (A5).
Result<void> AppendChannelBlocks::extend(std::uint64_t block, const Reply& tail) {
  Copy& copy = copies_[block];
  if (tail.ok() && is_replaced_block(tail.number)) copy.is_replaced = true;
  if (tail.status == Errc::not_found || tail.bytes.empty() || copy.is_replaced) return {};
  const std::uint64_t capacity = space_.settings.block_capacity;
  const std::uint64_t had = copy.bytes / kAppendEntryBytes;
  HG_TRY(const auto fresh, decode_append_block(tail.bytes, capacity > had ? capacity - had : 0));
  const Sequence floor = block == 0 ? Sequence() : records_.at(block).floor;
  copy.bytes += tail.bytes.size();
  const std::size_t kept = copy.entries.size();
  for (const BlockEntry& entry : fresh)
    if (entry.sequence > floor || !HG_RULE("A5")) copy.entries.push_back(entry);
  size_ += copy.entries.size() - kept;
  std::sort(copy.entries.begin(), copy.entries.end());
  return {};
}

// Reads records and blocks (from the length known on) in one trip. A record that is asked for must
// exist: records are a prefix, so a missing one is a loss (append-blocks 3.6).
Task<Result<void>> AppendChannelBlocks::load(Pass pass, std::vector<std::uint64_t> blocks,
                                             std::vector<std::uint64_t> records) {
  if (blocks.empty() && records.empty()) co_return Result<void>();
  std::vector<Operation> reads;
  for (std::uint64_t record : records)
    reads.push_back(operation::Get{space_.record_key(channel_, record)});
  for (std::uint64_t block : blocks)
    reads.push_back(operation::GetRange{space_.block_key(channel_, block), copies_[block].bytes});
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t block : blocks) offsets.push_back(copies_[block].bytes);
  keys_read_ += reads.size();
  const auto replies = co_await space_.bucket.pipeline(std::move(reads), space_.deadline());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const bool is_record = i < records.size();
    if (!replies[i].ok() && replies[i].status != Errc::not_found) co_return replies[i].status;
    if (!pass.covers(replies[i])) co_return Errc::rolled_back;
    if (is_record && replies[i].status == Errc::not_found)
      co_return Error{Errc::rolled_back, "a directory record has disappeared"};
    if (is_record) {
      HG_CO_TRY(const BlockRecord record, BlockRecord::decode(replies[i].bytes));
      records_.insert_or_assign(records[i], record);
      continue;
    }
    // Another pass may have read the same tail meanwhile.
    const std::size_t at = i - records.size();
    if (copies_[blocks[at]].bytes == offsets[at]) HG_CO_CHECK(extend(blocks[at], replies[i]));
  }
  co_return Result<void>();
}

// The tail of the newest block, then the record of the next: if that is absent, no entry made
// before this call lies beyond the tail (B2).
Task<Result<void>> AppendChannelBlocks::refresh(Pass pass) {
  while (true) {
    const std::uint64_t newest = newest_;
    std::vector<Operation> reads;
    reads.push_back(operation::GetRange{space_.block_key(channel_, newest), copies_[newest].bytes});
    reads.push_back(operation::Get{space_.record_key(channel_, newest + 1)});
    keys_read_ += reads.size();
    const auto replies = co_await space_.bucket.pipeline(std::move(reads), space_.deadline());
    for (const Reply& reply : replies) {
      if (!reply.ok() && reply.status != Errc::not_found) co_return reply.status;
      if (!pass.covers(reply)) co_return Errc::rolled_back;
    }
    HG_CO_CHECK(extend(newest, replies[0]));
    if (!replies[1].ok() || !HG_RULE("B2")) co_return Result<void>();
    if (!is_final(copies_[newest]) && !copies_[newest].is_replaced) {
      // The block was filled between the two reads, or data is lost: its copy decides.
      HG_CO_CHECK(co_await load(pass, {newest}, {}));
      if (!is_final(copies_[newest]) && !copies_[newest].is_replaced)
        co_return Error{Errc::rolled_back, "a block that has a successor is not full"};
    }
    KnownRecords met;
    HG_CO_TRY(newest_, co_await find_newest_block(space_, channel_, newest, pass.history, met));
    records_.merge(met);
    keys_read_ += 1;
    HG_CO_CHECK(co_await load(pass, {},
                              records_.contains(newest_) ? std::vector<std::uint64_t>{}
                                                         : std::vector<std::uint64_t>{newest_}));
  }
}

// B3: the largest block k with max(k) <= since.
Task<Result<std::uint64_t>> AppendChannelBlocks::first_block(Pass pass, Sequence since) {
  std::uint64_t low = 0;  // max(low) <= since
  std::uint64_t high = newest_ + 1;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (!records_.contains(middle)) HG_CO_CHECK(co_await load(pass, {}, {middle}));
    const Sequence passed = HG_RULE("B3") ? max_before(middle) : records_.at(middle).floor;
    (passed <= since ? low : high) = middle;
  }
  co_return low;
}

// Loads `block`, a few more, and the records that follow them.
Task<Result<void>> AppendChannelBlocks::load_ahead(Pass pass, std::uint64_t block) {
  std::vector<std::uint64_t> blocks;
  std::vector<std::uint64_t> records;
  const std::uint64_t end = std::min(newest_, block + kBlocksPerTrip);
  for (std::uint64_t b = block; b < end; ++b) {
    if (!is_final(copies_[b]) && !copies_[b].is_replaced) blocks.push_back(b);
    // The record of a block is needed before its entries: they are held against its floor.
    if (b > 0 && !records_.contains(b)) records.push_back(b);
    if (!records_.contains(b + 1)) records.push_back(b + 1);
  }
  std::sort(records.begin(), records.end());
  records.erase(std::unique(records.begin(), records.end()), records.end());
  return load(pass, std::move(blocks), std::move(records));
}

// --- The run that compaction has made ------------------------------------------------------------

Task<Result<void>> AppendChannelBlocks::load_run(Pass pass) {
  ++keys_read_;
  const Reply reply = co_await space_.bucket.get(run_key(space_, channel_), space_.deadline());
  if (!reply.ok() && reply.status != Errc::not_found) co_return reply.status;
  if (!pass.covers(reply)) co_return Errc::rolled_back;
  if (!reply.ok()) co_return Error{Errc::rolled_back, "replaced blocks without a run"};
  HG_CO_TRY(auto run, BlockRun::decode(reply.bytes));
  if (run_ == run) co_return Result<void>();
  for (const auto& [part, entries] : parts_) size_ -= entries.size();
  parts_.clear();
  run_ = std::move(run);
  co_return Result<void>();
}

// False: another run has taken this one's place.
Task<Result<bool>> AppendChannelBlocks::load_parts(Pass pass, std::uint64_t part) {
  std::vector<std::uint64_t> parts;
  std::vector<Key> keys;
  const std::uint64_t end = std::min<std::uint64_t>(run_->lasts.size(), part + kBlocksPerTrip);
  for (std::uint64_t p = part; p < end; ++p) {
    if (parts_.contains(p)) continue;
    parts.push_back(p);
    keys.push_back(run_part_key(space_, channel_, run_->identity, p));
  }
  keys_read_ += keys.size();
  const auto replies = co_await space_.bucket.get_many(std::move(keys), space_.deadline());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok() && replies[i].status != Errc::not_found) co_return replies[i].status;
    if (!pass.covers(replies[i])) co_return Errc::rolled_back;
    if (!replies[i].ok()) co_return false;
    HG_CO_TRY(auto entries, decode_append_block(replies[i].bytes, space_.settings.block_capacity));
    size_ += entries.size();
    parts_.insert_or_assign(parts[i], std::move(entries));
  }
  co_return true;
}

// As load_parts(). The page is complete when it says so; else what follows the run is part of it.
Task<Result<bool>> AppendChannelBlocks::read_run(Pass pass, Sequence since, std::size_t limit,
                                                 Page& page) {
  const std::vector<Sequence>& lasts = run_->lasts;
  const auto first = std::upper_bound(lasts.begin(), lasts.end(), since) - lasts.begin();
  for (auto part = static_cast<std::uint64_t>(first); part < lasts.size(); ++part) {
    if (!parts_.contains(part)) {
      HG_CO_TRY(const bool is_there, co_await load_parts(pass, part));
      if (!is_there) co_return false;
    }
    const auto& entries = parts_.at(part);
    const auto begin = std::upper_bound(entries.begin(), entries.end(), BlockEntry{since, true});
    page.entries.insert(page.entries.end(), begin, entries.end());
    const Sequence complete = std::min({pass.stable, run_->floor, lasts[part]});
    if (count_settled(page.entries, complete) >= limit) {
      page.complete_to = complete;
      break;
    }
  }
  co_return true;
}

// --- Reading -------------------------------------------------------------------------------------

// Nothing: compaction has come between; what is to be read now is known.
Task<Result<std::optional<ChannelBlocks::Page>>> AppendChannelBlocks::try_read(Pass pass,
                                                                               Sequence since,
                                                                               std::size_t limit) {
  HG_CO_TRY(std::uint64_t block, co_await first_block(pass, since));
  const std::uint64_t last = newest_;
  Page page;
  if (run_ && block < run_->blocks) {
    HG_CO_TRY(const bool is_there, co_await read_run(pass, since, limit, page));
    if (!is_there) {
      HG_CO_CHECK(co_await load_run(pass));
      co_return std::nullopt;
    }
    block = run_->blocks;
  }
  for (; block <= last && page.complete_to == kNoSequence; ++block) {
    if (block < last && (!is_final(copies_[block]) || !records_.contains(block + 1))) {
      HG_CO_CHECK(co_await load_ahead(pass, block));
      if (!is_final(copies_[block]) && copies_[block].is_replaced) {
        HG_CO_CHECK(co_await load_run(pass));
        if (run_->blocks > block) co_return std::nullopt;
      }
      if (!is_final(copies_[block]))
        co_return Error{Errc::rolled_back, "a block that has a successor is not full"};
    }
    const auto& entries = copies_[block].entries;
    const auto begin = std::upper_bound(entries.begin(), entries.end(), BlockEntry{since, true});
    page.entries.insert(page.entries.end(), begin, entries.end());
    if (block == last) break;
    // Everything up to the next block's floor is complete, if it is stable (append-blocks 3.3).
    const Sequence complete = std::min(pass.stable, records_.at(block + 1).floor);
    const auto settled = static_cast<std::size_t>(
        std::count_if(page.entries.begin(), page.entries.end(),
                      [&](const BlockEntry& e) { return e.sequence <= complete; }));
    if (settled >= limit) page.complete_to = complete;
  }
  std::sort(page.entries.begin(), page.entries.end());
  page.entries.erase(std::unique(page.entries.begin(), page.entries.end()), page.entries.end());
  std::erase_if(page.entries, [&](const BlockEntry& e) { return e.sequence > page.complete_to; });
  trim(last);
  co_return page;
}

Task<Result<ChannelBlocks::Page>> AppendChannelBlocks::read(Pass pass, Sequence since,
                                                            std::size_t limit) {
  for (int met = 0; met < kRunsMet; ++met) {
    HG_CO_TRY(auto page, co_await try_read(pass, since, limit));
    if (page) co_return *std::move(page);
  }
  co_return Error{Errc::rolled_back, "the channel is compacted again and again"};
}

// Of the older blocks only as many stay in memory as one reader may keep for one channel.
void AppendChannelBlocks::trim(std::uint64_t keep) {
  const std::size_t most = space_.settings.reader_entries / 4;
  for (auto it = parts_.begin(); it != parts_.end() && size_ > most;) {
    size_ -= it->second.size();
    it = parts_.erase(it);
  }
  for (auto it = copies_.begin(); it != copies_.end() && size_ > most;) {
    if (it->first == keep) break;
    size_ -= it->second.entries.size();
    it = copies_.erase(it);
  }
}

}  // namespace headgate
