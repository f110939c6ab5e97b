// SPDX-License-Identifier: Apache-2.0
#include "cache/burial.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"
#include "cache/sequence_fold.hpp"

namespace headgate {
namespace {

// So many adjacent numbers are worth a range record, which every reader keeps in memory.
constexpr std::uint64_t kRangeAtLeast = 16;
constexpr std::uint64_t kHeldRangeAtLeast = 10'000;
constexpr std::uint64_t kInsertsAtOnce = 1'000;

std::uint64_t length(const DeadRanges::Range& range) {
  return range.last.value() - range.first.value() + 1;
}

}  // namespace

// The sequence documents that are there in first..last, but for buried ranges: what is there is
// dead. Work goes with the partitions spanned.
Task<Result<std::vector<Burial::Found>>> Burial::find(Sequence first, Sequence last) {
  std::vector<Found> found;
  for (Sequence from = first; (from = stable_.dead_ranges().skip(from)) <= last;) {
    const Key key = space_.sequence_key(from);
    HG_CO_TRY(auto page, co_await space_.bucket.scan({space_.database, key.kind, key.tag, key.name,
                                                      space_.settings.sequences_per_tag, false},
                                                     space_.deadline()));
    for (auto& item : page.items) {
      const Sequence sequence(ByteReader(item.name).be64());
      if (sequence > last) break;
      Reply reply;
      reply.bytes = std::move(item.bytes);
      reply.cas = item.cas;
      found.push_back({sequence, std::move(reply)});
    }
    from = space_.last_of_tag(from).next();
  }
  co_return found;
}

// `range` had no sequence document when it was looked at. One that appears meanwhile stays, and is
// found the next time; within a buried range it is dead all the same (R9 resequences its write).
Task<Result<void>> Burial::bury_empty(DeadRanges::Range range, Holders holders, Outcome& outcome) {
  if (length(range) >= (holders == Holders::none ? kRangeAtLeast : kHeldRangeAtLeast)) {
    HG_CO_CHECK(co_await stable_.bury(range.first, range.last));
    outcome.dead.push_back(range);
    buried_ += length(range);
    co_return Result<void>();
  }
  for (Sequence from = range.first; from <= range.last;) {
    std::vector<Sequence> numbers;
    for (; from <= range.last && numbers.size() < kInsertsAtOnce; from = from.next())
      numbers.push_back(from);
    HG_CO_CHECK(co_await insert_dead(std::move(numbers), outcome));
  }
  co_return Result<void>();
}

Task<Result<void>> Burial::insert_dead(std::vector<Sequence> numbers, Outcome& outcome) {
  std::vector<Operation> inserts;
  for (const Sequence s : numbers)
    inserts.push_back(insert_unless_folded(space_, SequenceDocument::dead(s), {}));
  const auto replies = co_await space_.bucket.pipeline(std::move(inserts), space_.deadline());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Errc status = replies[i].status;
    if (status == Errc::exists) continue;
    const bool is_folded = status == Errc::condition_failed;
    if (!replies[i].ok() && !is_folded) co_return Error{status, "burying a sequence"};
    outcome.dead.push_back({numbers[i], numbers[i]});
    if (!is_folded) ++buried_;
  }
  co_return Result<void>();
}

Task<Result<Burial::Outcome>> Burial::bury(Sequence first, Sequence last, Holders holders) {
  Outcome outcome;
  HG_CO_CHECK(co_await bury_range({first, last}, holders, outcome));
  co_return outcome;
}

Task<Result<Burial::Outcome>> Burial::bury(std::vector<DeadRanges::Range> ranges, Holders holders) {
  Outcome outcome;
  std::vector<Sequence> few;
  for (const DeadRanges::Range& range : ranges) {
    if (length(range) >= kRangeAtLeast) {
      HG_CO_CHECK(co_await bury_range(range, holders, outcome));
      continue;
    }
    for (Sequence s = range.first; s <= range.last; s = s.next()) few.push_back(s);
    if (few.size() >= kInsertsAtOnce)
      HG_CO_CHECK(co_await bury_few(std::exchange(few, {}), outcome));
  }
  HG_CO_CHECK(co_await bury_few(std::move(few), outcome));
  co_return outcome;
}

Task<Result<void>> Burial::bury_range(DeadRanges::Range range, Holders holders, Outcome& outcome) {
  HG_CO_TRY(auto found, co_await find(range.first, range.last));
  Sequence from = range.first;
  for (Found& at : found) {
    if (from < at.sequence)
      HG_CO_CHECK(co_await bury_empty({from, at.sequence.previous()}, holders, outcome));
    from = at.sequence.next();
    HG_CO_CHECK(co_await sort_out(std::move(at), outcome));
  }
  if (from <= range.last) HG_CO_CHECK(co_await bury_empty({from, range.last}, holders, outcome));
  co_return Result<void>();
}

Task<Result<void>> Burial::bury_few(std::vector<Sequence> numbers, Outcome& outcome) {
  if (numbers.empty()) co_return Result<void>();
  std::vector<Key> keys;
  for (const Sequence s : numbers) keys.push_back(space_.sequence_key(s));
  auto replies = co_await space_.bucket.get_many(std::move(keys), space_.deadline());
  std::vector<Sequence> empty;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (replies[i].status == Errc::not_found) {
      empty.push_back(numbers[i]);
    } else if (replies[i].ok()) {
      HG_CO_CHECK(co_await sort_out({numbers[i], std::move(replies[i])}, outcome));
    } else {
      co_return Error{replies[i].status, "looking for sequences to bury"};
    }
  }
  co_return co_await insert_dead(std::move(empty), outcome);
}

Task<Result<void>> Burial::sort_out(Found at, Outcome& outcome) {
  auto decoded = SequenceDocument::decode(at.sequence, at.reply.bytes);
  // What nobody can read is as good as dead: it becomes so, or readers would stumble for ever.
  if (!decoded) HG_CO_CHECK(co_await kill({SequenceDocument::dead(at.sequence), at.reply.cas}));
  SequenceDocument document = decoded ? *std::move(decoded) : SequenceDocument::dead(at.sequence);
  if (document.is_dead || stable_.dead_ranges().contains(at.sequence))
    outcome.dead.push_back({at.sequence, at.sequence});
  else
    outcome.live.push_back({std::move(document), at.reply.cas});
  co_return Result<void>();
}

Task<Result<std::vector<Burial::Live>>> Burial::find_live(Sequence first, Sequence last) {
  HG_CO_TRY(auto found, co_await find(first, last));
  Outcome outcome;
  for (Found& at : found) HG_CO_CHECK(co_await sort_out(std::move(at), outcome));
  co_return std::move(outcome.live);
}

Task<Result<void>> Burial::kill_all_of(Purged documents, std::function<void(Sequence)> killed) {
  Sequence last;
  for (const auto& [id, purged_to] : documents) last = std::max(last, purged_to);
  for (Sequence from(1); (from = stable_.dead_ranges().skip(from)) <= last;) {
    const Sequence to = std::min(last, space_.last_of_tag(from));
    HG_CO_TRY(auto live, co_await find_live(from, to));
    for (Live& at : live) {
      const Sequence sequence = at.document.entry.sequence;
      const auto purged = documents.find(at.document.entry.doc_id.text());
      if (purged == documents.end() || sequence > purged->second) continue;
      HG_CO_CHECK(co_await kill(std::move(at)));
      killed(sequence);
    }
    from = to.next();
  }
  co_return Result<void>();
}

Task<Result<void>> Burial::kill(Live live) {
  const Sequence sequence = live.document.entry.sequence;
  ++kills_;  // also if it is not known: nobody would find it live again
  const Reply reply = co_await space_.bucket.replace(space_.sequence_key(sequence),
                                                     SequenceDocument::dead(sequence).encode(),
                                                     live.cas, {}, space_.deadline());
  const bool is_gone = reply.status == Errc::not_found;  // dead, and removed by compaction
  if (!reply.ok() && !is_gone && reply.status != Errc::cas_mismatch)
    co_return Error{reply.status, "burying a sequence"};
  ++buried_;
  co_return Result<void>();
}

}  // namespace headgate
