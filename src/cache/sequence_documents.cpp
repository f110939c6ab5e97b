// SPDX-License-Identifier: Apache-2.0
#include "cache/sequence_documents.hpp"

#include <algorithm>

#include "base/buggify.hpp"
#include "cache/sequence_fold.hpp"

namespace headgate {
namespace {

// A pass that wants more is catching up by itself: it shares nothing worth waiting for, nor worth
// the place of what the feeds at the end share.
constexpr std::size_t kShareAtMost = 64;
constexpr std::size_t kReadAtMost = 1'000;

}  // namespace

SequenceDocuments::Pointer SequenceDocuments::find(Sequence sequence) {
  Pointer document = peek(sequence);
  if (document && !young_.contains(sequence)) learn(sequence, document);
  return document;
}

SequenceDocuments::Pointer SequenceDocuments::peek(Sequence sequence) const {
  if (const auto it = young_.find(sequence); it != young_.end()) return it->second;
  const auto it = old_.find(sequence);
  return it == old_.end() ? nullptr : it->second;
}

std::size_t SequenceDocuments::half() const {
  const std::size_t most =
      HG_BUGGIFY("reader keeps few documents") ? 2 : space_.settings.reader_documents;
  return std::max<std::size_t>(1, most / 2);
}

void SequenceDocuments::learn(Sequence sequence, Pointer document) {
  if (young_.size() >= half()) {
    old_ = std::move(young_);
    young_ = {};
  }
  young_.insert_or_assign(sequence, std::move(document));
}

// First among what goes next.
void SequenceDocuments::fill_room(Sequence sequence, Pointer document) {
  Known& room = old_.size() < half() ? old_ : young_;
  if (room.size() < half()) room.insert_or_assign(sequence, std::move(document));
}

void SequenceDocuments::clear() {
  ++clears_;
  young_.clear();
  old_.clear();
}

Task<Result<void>> SequenceDocuments::read(std::vector<Sequence> sequences,
                                           std::shared_ptr<const StableRecord> record, Known& found,
                                           Use use) {
  for (std::size_t begin = 0; begin < sequences.size(); begin += kReadAtMost) {
    const std::size_t end = std::min(sequences.size(), begin + kReadAtMost);
    std::vector<Key> keys;
    for (std::size_t i = begin; i < end; ++i) keys.push_back(space_.sequence_key(sequences[i]));
    std::vector<HistoryId> histories;
    for (const Key& key : keys)
      histories.push_back(record->cache_histories.at(space_.bucket.partition_of(key).value()));
    reads_ += keys.size();
    const std::uint64_t clears = clears_;
    const auto replies = co_await space_.bucket.get_many(std::move(keys), space_.deadline());
    const auto keep = [&](Sequence sequence, Pointer document) {
      found.insert_or_assign(sequence, document);
      if (clears_ != clears) return;  // of a history that is over
      if (use == Use::shared)
        learn(sequence, std::move(document));
      else
        fill_room(sequence, std::move(document));
    };
    std::vector<Sequence> missing;
    for (std::size_t i = begin; i < end; ++i) {
      const Reply& reply = replies[i - begin];
      if (!reply.ok() && reply.status != Errc::not_found) co_return reply.status;
      if (reply.history != histories[i - begin] && HG_RULE("R15")) co_return Errc::rolled_back;
      if (!reply.ok()) {
        if (sequences[i] <= record->stable) missing.push_back(sequences[i]);
        continue;
      }
      HG_CO_TRY(auto document, SequenceDocument::decode(sequences[i], reply.bytes));
      keep(sequences[i], std::make_shared<const SequenceDocument>(std::move(document)));
    }
    if (missing.empty()) continue;
    HG_CO_TRY(const auto folded,
              co_await find_folded(space_, std::move(missing), record->cache_histories));
    for (const Sequence s : folded)
      keep(s, std::make_shared<const SequenceDocument>(SequenceDocument::dead(s)));
  }
  co_return Result<void>();
}

// Whoever finds no read under way carries out the next batch for all that have asked by then; a
// batch begins in a later turn, so that all feeds woken by one write share it.
Task<Result<void>> SequenceDocuments::read_together(std::vector<Sequence> sequences,
                                                    std::shared_ptr<const StableRecord> record,
                                                    Known& found) {
  if (!next_) next_ = std::make_shared<Batch>();
  const std::shared_ptr<Batch> mine = next_;
  wanted_.insert(wanted_.end(), sequences.begin(), sequences.end());
  while (!mine->is_done) {
    if (is_reading_) {
      co_await batch_done_.wait_past(batch_done_.count());
      continue;
    }
    is_reading_ = true;
    co_await space_.environment.yield();
    const std::shared_ptr<Batch> batch = std::exchange(next_, nullptr);
    std::vector<Sequence> wanted = std::exchange(wanted_, {});
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::erase_if(wanted, [&](Sequence sequence) {  // read by the batch before
      Pointer known = find(sequence);
      return known && batch->found.emplace(sequence, std::move(known)).second;
    });
    const auto done = co_await read(std::move(wanted), record, batch->found, Use::shared);
    if (!done) batch->failure = done.error().code;
    batch->is_done = true;
    is_reading_ = false;
    batch_done_.raise();
  }
  if (mine->failure != Errc::ok) co_return mine->failure;
  for (Sequence sequence : sequences)
    if (const auto it = mine->found.find(sequence); it != mine->found.end())
      found.insert_or_assign(sequence, it->second);
  co_return Result<void>();
}

Task<Result<std::vector<SequenceDocuments::Pointer>>> SequenceDocuments::get(
    std::vector<Sequence> sequences, std::shared_ptr<const StableRecord> record) {
  std::vector<Pointer> documents;
  std::vector<Sequence> missing;
  const Use use = sequences.size() <= kShareAtMost ? Use::shared : Use::passing;
  for (Sequence sequence : sequences) {
    documents.push_back(use == Use::shared ? find(sequence) : peek(sequence));
    if (!documents.back()) missing.push_back(sequence);
  }
  hits_ += documents.size() - missing.size();
  if (missing.empty()) co_return documents;
  Known found;
  const auto done = missing.size() <= kShareAtMost
                        ? co_await read_together(std::move(missing), std::move(record), found)
                        : co_await read(std::move(missing), std::move(record), found, use);
  if (!done) co_return done.error();
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (documents[i]) continue;
    if (const auto it = found.find(sequences[i]); it != found.end()) documents[i] = it->second;
  }
  co_return documents;
}

}  // namespace headgate
