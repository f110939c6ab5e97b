// SPDX-License-Identifier: Apache-2.0
// What the oracle says of the channel cache: I3, I4, I6 and write-once sequence documents.
#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "cache/cache_entry.hpp"
#include "sim/cluster/oracle.hpp"

namespace headgate {
namespace {

constexpr std::string_view kStableTag = "stable";
constexpr std::size_t kTagLength = 8;  // of sequence documents

/// What stands before the last `length` bytes: the cache's generation, if it is not the first.
std::string generation_of(const std::string& tag, std::size_t length) {
  return tag.substr(0, tag.size() - std::min(length, tag.size()));
}

Sequence sequence_of(const Key& key) {
  ByteReader reader(key.name);
  return Sequence(reader.be64());
}

}  // namespace

void Oracle::saw_cache(const SimMutation& mutation) {
  if (mutation.key.database != database_) return;
  if (mutation.key.kind == KeyKind::sequence_document) saw_sequence_document(mutation);
  if (mutation.key.kind == KeyKind::stable) saw_stable(mutation);
}

// R19: of a folded tag what is missing is dead.
bool Oracle::is_folded(Key document) const {
  document.kind = KeyKind::sequence_fold;
  document.name.clear();
  return cache_.read(document).ok();
}

// R3: write-once; a live one may die, a dead one stays dead. Only of a folded tag may it go (R19),
// and then for good.
void Oracle::saw_sequence_document(const SimMutation& mutation) {
  const Sequence sequence = sequence_of(mutation.key);
  const auto place = std::pair(generation_of(mutation.key.tag, kTagLength), sequence);
  if (mutation.kind == SimMutation::Kind::remove) {
    if (!mutation.is_lost && !is_folded(mutation.key))
      fail("R19", fmt::format("sequence document {} is removed", sequence.value()));
    removed_documents_[place] = &mutation;
    return;
  }
  const auto removed = removed_documents_.find(place);
  if (removed != removed_documents_.end() && !removed->second->is_lost && !mutation.is_lost)
    fail("R3", fmt::format("sequence document {} was removed, and comes back", sequence.value()));
  const auto before = sequence_documents_.find(place);
  if (before != sequence_documents_.end() && !before->second->is_lost && !mutation.is_lost) {
    const auto was = SequenceDocument::decode(sequence, before->second->bytes);
    const auto is = SequenceDocument::decode(sequence, mutation.bytes);
    if (!was || !is || (was->is_dead && !is->is_dead))
      fail("R3", fmt::format("sequence document {} comes back to life", sequence.value()));
    else if (!is->is_dead && !(was->identity == is->identity))
      fail("R3", fmt::format("sequence document {} was written twice", sequence.value()));
  }
  sequence_documents_[place] = &mutation;
  const auto document = SequenceDocument::decode(sequence, mutation.bytes);
  if (document && !document->is_dead) live_documents_[place] = &mutation;
}

void Oracle::saw_stable(const SimMutation& mutation) {
  const auto record = StableRecord::decode(mutation.bytes);
  if (record && record->stable > highest_published_) {
    highest_published_ = record->stable;
    published_.emplace_back(mutation.when, record->stable);
  }
  if (record) epochs_published_.insert(record->epoch);
  if (mutation.is_lost) return;
  stable_keys_.insert(mutation.key);
  if (!record) return fail("format", "a stable record that cannot be decoded");
  generation_ = generation_of(mutation.key.tag, kStableTag.size());
  if (!is_current(*record)) return;
  if (record->stable < highest_stable_ && settings_.stable_durability == Durability::replicated)
    return fail("I3", fmt::format("stable goes from {} to {}", highest_stable_.value(),
                                  record->stable.value()));
  highest_stable_ = std::max(highest_stable_, record->stable);
  check_accounted(*record, generation_);
}

bool Oracle::is_current(const StableRecord& record) const {
  if (record.cache_histories.size() != cache_.partition_count()) return false;
  for (std::uint32_t p = 0; p < cache_.partition_count(); ++p)
    if (record.cache_histories[p] != cache_.history(PartitionNumber(p))) return false;
  return true;
}

// I4, of what was published since it was last looked at under the same histories.
void Oracle::check_accounted(const StableRecord& record, const std::string& generation) {
  if (checked_under_ != record.cache_histories) checked_ = Sequence(1);
  checked_under_ = record.cache_histories;
  DeadRanges dead;
  for (Key key : stable_keys_) {
    if (generation_of(key.tag, kStableTag.size()) != generation) continue;
    key.kind = KeyKind::dead_ranges;
    const Reply stored = cache_.read(key);
    if (stored.ok()) dead = DeadRanges::decode(stored.bytes).value_or(DeadRanges{});
  }
  for (Sequence n = checked_.next(); n <= record.stable; n = n.next()) {
    if (dead.contains(n)) continue;
    const auto known = sequence_documents_.find({generation, n});
    const bool is_known = known != sequence_documents_.end();
    if (is_known && (cache_.read(known->second->key).ok() || is_folded(known->second->key)))
      continue;
    return fail("I4", fmt::format("stable is {}, but {} is not accounted for",
                                  record.stable.value(), n.value()));
  }
  checked_ = std::max(checked_, record.stable);
}

bool Oracle::is_stable_complete() const {
  for (const Key& key : stable_keys_) {
    if (generation_of(key.tag, kStableTag.size()) != generation_) continue;
    const Reply stored = cache_.read(key);
    const auto record = StableRecord::decode(stored.bytes);
    return stored.ok() && record && is_current(*record) && record->stable >= last_sequence();
  }
  return false;
}

void Oracle::check_end() {
  DeadRanges dead;
  for (Key key : stable_keys_) {
    if (generation_of(key.tag, kStableTag.size()) != generation_) continue;
    const Reply stored = cache_.read(key);
    const auto record = StableRecord::decode(stored.bytes);
    checked_under_.clear();
    if (record) check_accounted(*record, generation_);
    key.kind = KeyKind::dead_ranges;
    const Reply ranges = cache_.read(key);
    if (ranges.ok()) dead = DeadRanges::decode(ranges.bytes).value_or(DeadRanges{});
  }
  for (const auto& [place, write] : sequence_documents_) {
    const Reply stored = cache_.read(write->key);
    if (place.first != generation_ || !stored.ok() || dead.contains(place.second)) continue;
    const auto document = SequenceDocument::decode(place.second, stored.bytes);
    if (!document || document->is_dead) continue;
    const auto used = used_.find(place.second);
    if (used == used_.end() || used->second->is_lost)
      fail("I6", fmt::format("sequence document {} is live and names {} {}, which the base bucket "
                             "does not hold",
                             place.second.value(), document->entry.doc_id.text(),
                             document->entry.rev_id.text()));
  }
  for (const auto& [id, history] : documents_)
    for (const Version& version : history)
      if (version.is_replicated && version.write->is_lost)
        fail("I9", fmt::format("{} {} at {} was acknowledged as replicated, and is lost", id,
                               version.rev, version.sequence.value()));
  if (!settings_.is_cluster) return;
  for (const auto& [name, history] : principals_)
    for (const Rights& rights : history)
      if (rights.acknowledged && rights.write->is_lost)
        fail("I9",
             fmt::format("{} at {} was acknowledged and is lost", name, rights.sequence.value()));
}

}  // namespace headgate
