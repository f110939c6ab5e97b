// SPDX-License-Identifier: Apache-2.0
#include "cache/front_end_cache_writer.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/buggify.hpp"
#include "cache/sequence_fold.hpp"

namespace headgate {
namespace {

constexpr int kAccessCounterAttempts = 3;

// The history is left out: a write that survived a failover is the same write, but the feed shows
// it under the history of now, and its author wrote it under the one before.
bool is_same_write(const SequenceDocument& a, const SequenceDocument& b) {
  return a.identity.partition == b.identity.partition &&
         a.identity.position == b.identity.position && a.identity.cas == b.identity.cas &&
         a.entry.doc_id == b.entry.doc_id && a.entry.rev_id == b.entry.rev_id;
}

}  // namespace

std::vector<BlockWrite> block_writes_of(const std::vector<CacheWrite>& writes) {
  std::map<ChannelId, std::vector<BlockEntry>> by_channel;
  for (const CacheWrite& write : writes) {
    const Sequence sequence = write.entry.sequence;
    for (const ChannelId& channel : write.entry.channels)
      by_channel[channel].push_back({sequence, false});
    for (const ChannelId& channel : write.entry.removals)
      by_channel[channel].push_back({sequence, true});
    for (const Grant& grant : write.entry.grants)
      by_channel[grant.principal].push_back({sequence, false});
  }
  std::vector<BlockWrite> blocks;
  for (auto& [channel, entries] : by_channel) {
    std::sort(entries.begin(), entries.end());
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    blocks.push_back({channel, std::move(entries)});
  }
  return blocks;
}

FrontEndCacheWriter::FrontEndCacheWriter(const CacheSpace& space, CacheReader& reader,
                                         ChangeListener& listener)
    : space_(space), reader_(reader), listener_(listener), blocks_(make_block_writer(space)) {}

FrontEndCacheWriter::~FrontEndCacheWriter() = default;

Task<std::vector<FrontEndCacheWriter::Outcome>> FrontEndCacheWriter::write(
    std::vector<CacheWrite> writes, WriteFence fence) {
  std::vector<Outcome> outcomes(writes.size(), Outcome::left_unfinished);
  std::vector<BlockWrite> blocks = block_writes_of(writes);
  std::vector<ChannelId> channels;
  for (const BlockWrite& block : blocks) channels.push_back(block.channel);

  bool is_ready = co_await blocks_->write(std::move(blocks), fence.cache_histories);
  // The access counter is raised when the hidden channels' entries can be found, and before the
  // sequence documents say that the work is complete: no crash leaves a grant unnoticed (R5b).
  const bool has_grants = std::any_of(writes.begin(), writes.end(),
                                      [](const CacheWrite& w) { return !w.entry.grants.empty(); });
  if (is_ready && has_grants && HG_RULE("R5b"))
    is_ready = (co_await raise_access_counter()).has_value();
  if (is_ready || !HG_RULE("R1")) {
    if (HG_BUGGIFY("late sequence document"))
      co_await space_.environment.sleep_for(space_.settings.poll);
    std::vector<SequenceDocument> documents;
    for (CacheWrite& write : writes) {
      if (!write.entry.removals.empty()) HG_PROBE("R7 removal entered");
      documents.push_back({false, std::move(write.entry), write.identity, fence.epoch});
    }
    outcomes = co_await write_sequence_documents(std::move(documents), std::move(fence));
  }
  unfinished_ += static_cast<std::uint64_t>(
      std::count(outcomes.begin(), outcomes.end(), Outcome::left_unfinished));
  listener_.channels_changed(channels);
  co_return outcomes;
}

Task<std::vector<FrontEndCacheWriter::Outcome>> FrontEndCacheWriter::write_sequence_documents(
    std::vector<SequenceDocument> documents, WriteFence fence) {
  std::vector<Operation> inserts;
  for (const SequenceDocument& document : documents) {
    const Key key = space_.sequence_key(document.entry.sequence);
    WriteOptions options;
    if (HG_RULE("R4b"))
      options.if_history = fence.cache_histories->at(space_.bucket.partition_of(key).value());
    inserts.push_back(insert_unless_folded(space_, document, std::move(options)));
  }
  const auto replies = co_await space_.bucket.pipeline(std::move(inserts), space_.deadline());

  std::vector<Outcome> outcomes(documents.size(), Outcome::left_unfinished);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    bool is_complete = replies[i].ok();
    // R4: what counts is the result of the insert; where that says little, what stands there now.
    if (replies[i].status == Errc::exists || replies[i].status == Errc::timeout_unknown_outcome)
      is_complete = !HG_RULE("R4") || co_await is_mine(documents[i]);
    if (!is_complete) continue;
    outcomes[i] = Outcome::complete;
    const Sequence sequence = documents[i].entry.sequence;
    const auto partition = space_.bucket.partition_of(space_.sequence_key(sequence)).value();
    reader_.learn(sequence, std::make_shared<const SequenceDocument>(std::move(documents[i])),
                  fence.cache_histories->at(partition));
  }
  co_return outcomes;
}

Task<bool> FrontEndCacheWriter::is_mine(SequenceDocument document) {
  const Sequence sequence = document.entry.sequence;
  const Reply found = co_await space_.bucket.get(space_.sequence_key(sequence), space_.deadline());
  if (!found.ok()) co_return false;
  const auto present = SequenceDocument::decode(sequence, found.bytes);
  const bool is_mine = present && !present->is_dead && is_same_write(*present, document);
  if (!is_mine) HG_PROBE("A5 insert refused");
  if (!is_mine && !HG_RULE("R3"))
    co_await space_.bucket.replace(space_.sequence_key(sequence), document.encode(), found.cas, {},
                                   space_.deadline());
  co_return is_mine;
}

Task<Result<void>> FrontEndCacheWriter::raise_access_counter() {
  Errc last = Errc::unavailable;
  // Not by an old master alone (F11): readers elsewhere would not hear of it (I7).
  WriteOptions options;
  if (space_.is_shared()) options.durability = Durability::replicated;
  for (int attempt = 0; attempt < kAccessCounterAttempts; ++attempt) {
    const Reply raised = co_await space_.bucket.increment(space_.access_counter_key(), 1, options,
                                                          space_.deadline());
    if (raised.ok()) co_return Result<void>();
    last = raised.status;
    if (last != Errc::timeout_unknown_outcome) break;
  }
  co_return Error{last, "raising the access counter"};
}

FrontEndCacheWriter::Statistics FrontEndCacheWriter::statistics() const {
  return {blocks_->cas_retries(), blocks_->blocks_opened(), unfinished_};
}

}  // namespace headgate
