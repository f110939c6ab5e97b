// SPDX-License-Identifier: Apache-2.0
#include "cache/append_block_writer.hpp"

#include <algorithm>

#include "base/buggify.hpp"
#include "cache/block_run.hpp"

namespace headgate {
namespace {

// A forgotten block number costs one wasted entry and a probe.
constexpr std::size_t kChannelsRemembered = 65'536;
// Steps of one write in which others filled every block first; whatever is left then is the cache
// writer's.
constexpr int kFruitlessAttempts = 1'000;
// Each may take as long as an operation; the writer's client waits.
constexpr int kUnknownAttempts = 3;

// What one append brings: more than a block holds could not count anyway.
std::vector<BlockEntry> first_entries(const BlockWrite& write, std::uint64_t capacity) {
  const std::size_t count = std::min<std::size_t>(write.entries.size(), capacity);
  return {write.entries.begin(), write.entries.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace

// Without a memory of the channel the writer begins at block 0, whose record is implied: in a
// channel of one block, most of them, that is the newest.
std::uint64_t AppendBlockWriter::newest_block(const ChannelId& channel, HistoryId history) {
  const auto known = newest_.find(channel);
  if (known == newest_.end()) return 0;
  // A6: a block number dies with the history it was learnt in.
  return known->second.history == history || !HG_RULE("A6") ? known->second.block : 0;
}

void AppendBlockWriter::remember(const ChannelId& channel, Newest newest) {
  if (newest_.size() >= kChannelsRemembered) newest_.clear();
  newest_.insert_or_assign(channel, newest);
}

// Leaves in `write` the entries that do not count and must be repeated (A0). False: not done.
bool AppendBlockWriter::keep_uncounted(BlockWrite& write, const Reply& appended) const {
  if (appended.status == Errc::timeout_unknown_outcome)
    return true;  // all: a duplicate is harmless
  if (!appended.ok()) return false;
  // R19: a run stands for this block, and whatever is appended to it does not count.
  if (is_replaced_block(appended.number) && HG_RULE("R19 block")) return true;
  const std::uint64_t capacity_bytes = space_.settings.block_capacity * kAppendEntryBytes;
  const std::size_t brought = first_entries(write, space_.settings.block_capacity).size();
  const std::uint64_t start = appended.number - brought * kAppendEntryBytes;
  std::size_t counted = 0;
  while (counted < brought &&
         (start + counted * kAppendEntryBytes < capacity_bytes || !HG_RULE("A0")))
    ++counted;
  write.entries.erase(write.entries.begin(),
                      write.entries.begin() + static_cast<std::ptrdiff_t>(counted));
  return true;
}

// `full` is a block in which an append was seen to overflow. The newest one that is remembered may
// be another by now, and not full: others moved on meanwhile.
Task<bool> AppendBlockWriter::move_to_newest(ChannelId channel, std::uint64_t full,
                                             HistoryId history) {
  if (newest_block(channel, history) > full) co_return true;
  KnownRecords records;
  auto newest = co_await find_newest_block(space_, channel, full, history, records);
  if (newest && *newest == full) {
    const auto opened = co_await open_next_block(space_, channel, full, history);
    if (!opened) co_return false;
    if (*opened) ++blocks_opened_;
    newest = co_await find_newest_block(space_, channel, full, history, records);
  }
  if (!newest) co_return false;
  // A1: no entry goes into a block whose record is not known to exist.
  if (*newest == full && !HG_RULE("A1")) ++*newest;
  remember(channel, Newest{*newest, history});
  co_return true;
}

Task<bool> AppendBlockWriter::write(std::vector<BlockWrite> writes,
                                    std::shared_ptr<const std::vector<HistoryId>> histories) {
  std::size_t least_left = SIZE_MAX;
  int unknown = 0;
  for (int fruitless = 0; fruitless < kFruitlessAttempts && !writes.empty(); ++fruitless) {
    std::vector<Operation> burst;
    std::vector<std::uint64_t> appended_to;
    for (const BlockWrite& write : writes) {
      const Key counter = space_.counter_key(write.channel);
      const HistoryId history = histories->at(space_.bucket.partition_of(counter).value());
      WriteOptions options;
      if (HG_RULE("A8")) options.if_history = history;  // R4b
      const std::uint64_t block = newest_block(write.channel, history);
      appended_to.push_back(block);
      burst.push_back(operation::Append{
          space_.block_key(write.channel, block),
          encode_append_entries(first_entries(write, space_.settings.block_capacity)), options});
      burst.push_back(operation::Increment{counter, 1, options});
    }
    const auto replies = co_await space_.bucket.pipeline(std::move(burst), space_.deadline());

    const bool is_unknown = std::any_of(replies.begin(), replies.end(), [](const Reply& reply) {
      return reply.status == Errc::timeout_unknown_outcome;
    });
    if (is_unknown && ++unknown == kUnknownAttempts) co_return false;
    std::vector<BlockWrite> rest;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      BlockWrite& write = writes[i];
      const Reply& appended = replies[2 * i];
      const Reply& counted = replies[2 * i + 1];
      if (!keep_uncounted(write, appended)) co_return false;
      // The counter wakes readers: until it was raised the entry is not announced. If its outcome
      // is unknown the whole step is repeated; an extra increment is harmless (R5).
      if (counted.status == Errc::timeout_unknown_outcome) {
        rest.push_back(std::move(write));
        continue;
      }
      if (!counted.ok()) co_return false;
      if (write.entries.empty()) continue;
      const std::uint64_t capacity_bytes = space_.settings.block_capacity * kAppendEntryBytes;
      const bool is_closed =
          appended.number >= capacity_bytes || is_replaced_block(appended.number);
      if (appended.ok() && is_closed &&
          !co_await move_to_newest(write.channel, appended_to[i], appended.history))
        co_return false;
      rest.push_back(std::move(write));
    }
    writes = std::move(rest);
    std::size_t left = 0;
    for (const BlockWrite& write : writes) left += write.entries.size();
    if (left < least_left) fruitless = 0;
    least_left = std::min(left, least_left);
  }
  co_return writes.empty();
}

}  // namespace headgate
