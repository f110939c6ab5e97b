// SPDX-License-Identifier: Apache-2.0
#include "cache/indexed_block_writer.hpp"

#include <algorithm>
#include <map>

#include "base/buggify.hpp"
#include "cache/append_block_writer.hpp"
#include "cache/block.hpp"

namespace headgate {
namespace {

constexpr int kAttempts = 500;
// Each may take as long as an operation; the writer's client waits.
constexpr int kUnknownAttempts = 3;
// After so many lost races a writer waits a little, so that the others get through.
constexpr int kAttemptsWithoutPause = 8;

}  // namespace

std::vector<IndexedBlockWriter::Part> IndexedBlockWriter::parts_of(
    const std::vector<BlockWrite>& writes) const {
  std::vector<Part> parts;
  for (const BlockWrite& write : writes) {
    std::map<std::uint64_t, Part> by_block;
    for (const BlockEntry& entry : write.entries) {
      const auto number = IndexedBlock::number_of(entry.sequence, space_.settings.block_capacity);
      Part& part = by_block[number];
      part.channel = write.channel;
      part.number = number;
      part.entries.push_back(entry);
    }
    for (auto& [number, part] : by_block) parts.push_back(std::move(part));
  }
  return parts;
}

Result<Operation> IndexedBlockWriter::enter(const Part& part, const Reply& present,
                                            WriteOptions options) const {
  const Key key = space_.block_key(part.channel, part.number);
  IndexedBlock block(part.number, space_.settings.block_capacity);
  if (present.ok()) {
    HG_TRY(block, IndexedBlock::decode(part.number, space_.settings.block_capacity, present.bytes));
  }
  for (const BlockEntry& entry : part.entries) block.enter(entry);
  if (present.ok()) return Operation(operation::Replace{key, block.encode(), present.cas, options});
  return Operation(operation::Insert{key, block.encode(), options, {}});
}

Task<bool> IndexedBlockWriter::write(std::vector<BlockWrite> writes,
                                     std::shared_ptr<const std::vector<HistoryId>> histories) {
  std::vector<Part> parts = parts_of(writes);
  int unknown = 0;
  for (int attempt = 0; attempt < kAttempts && !parts.empty(); ++attempt) {
    if (attempt > kAttemptsWithoutPause)
      co_await space_.environment.sleep_for(
          std::chrono::microseconds(space_.environment.random() % 1'000));
    std::vector<Key> keys;
    for (const Part& part : parts) keys.push_back(space_.block_key(part.channel, part.number));
    const auto present = co_await space_.bucket.get_many(std::move(keys), space_.deadline());

    // The counter follows its block in the same partition; when the block's CAS is lost it is
    // raised in vain, which is harmless (R5).
    std::vector<Operation> burst;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!present[i].ok() && present[i].status != Errc::not_found) co_return false;
      const Key counter = space_.counter_key(parts[i].channel);
      WriteOptions options;
      if (HG_RULE("R4b"))
        options.if_history = histories->at(space_.bucket.partition_of(counter).value());
      auto entered = enter(parts[i], present[i], options);
      if (!entered) co_return false;
      burst.push_back(*std::move(entered));
      burst.push_back(operation::Increment{counter, 1, options});
    }
    const auto replies = co_await space_.bucket.pipeline(std::move(burst), space_.deadline());

    const bool is_unknown = std::any_of(replies.begin(), replies.end(), [](const Reply& reply) {
      return reply.status == Errc::timeout_unknown_outcome;
    });
    if (is_unknown && ++unknown == kUnknownAttempts) co_return false;
    std::vector<Part> lost;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Errc block = replies[2 * i].status;
      const Errc counter = replies[2 * i + 1].status;
      const bool is_lost = block == Errc::cas_mismatch || block == Errc::exists;
      if (is_lost) ++cas_retries_;
      if (is_lost || block == Errc::timeout_unknown_outcome ||
          (block == Errc::ok && counter == Errc::timeout_unknown_outcome))
        lost.push_back(std::move(parts[i]));
      else if (block != Errc::ok || counter != Errc::ok)
        co_return false;
    }
    parts = std::move(lost);
  }
  co_return parts.empty();
}

std::unique_ptr<BlockWriter> make_block_writer(const CacheSpace& space) {
  if (space.settings.block_format == BlockFormat::indexed)
    return std::make_unique<IndexedBlockWriter>(space);
  return std::make_unique<AppendBlockWriter>(space);
}

}  // namespace headgate
