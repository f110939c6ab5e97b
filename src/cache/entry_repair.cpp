// SPDX-License-Identifier: Apache-2.0
#include "cache/entry_repair.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/buggify.hpp"
#include "base/log.hpp"
#include "base/task_scope.hpp"
#include "cache/sequence_fold.hpp"

namespace headgate {
namespace {

constexpr std::size_t kLookAtOnce = 1'024;
constexpr std::size_t kMovedAtOnce = 64;

using Verdict = Judgement::Verdict;

std::vector<ChannelId> channels_of(const CacheEntry& entry) {
  std::vector<ChannelId> channels = entry.channels;
  channels.insert(channels.end(), entry.removals.begin(), entry.removals.end());
  for (const Grant& grant : entry.grants) channels.push_back(grant.principal);
  return channels;
}

std::vector<ChannelId> channels_of(const RecentSequence& earlier) {
  std::vector<ChannelId> channels = earlier.removals;
  channels.insert(channels.end(), earlier.grants.begin(), earlier.grants.end());
  return channels;
}

}  // namespace

bool is_permanent(Errc code) {
  return code == Errc::corrupted || code == Errc::unsupported || code == Errc::invalid_argument ||
         code == Errc::too_large || code == Errc::internal;
}

std::chrono::nanoseconds EntryRepair::repair_delay() const {
  const CacheSettings& settings = context_.d.space.settings;
  if (is_alone_ || settings.cache_writes == CacheWrites::feed) return std::chrono::nanoseconds(0);
  return settings.repair_delay;
}

Task<Result<void>> EntryRepair::look(bool is_alone) {
  is_alone_ = is_alone;
  const auto due = context_.pending.due(context_.environment().now(), kLookAtOnce);
  if (due.empty()) co_return Result<void>();
  HG_CO_CHECK(co_await purge(due));
  HG_CO_TRY(const KnownDocuments documents, co_await load_documents(due));
  // Each step for all of them together: after a failover there are very many.
  auto looked = co_await bury_absent(co_await judge_all(due, documents));
  std::vector<EntryPlace> repairs;
  std::vector<Looked> moved;
  for (Looked& one : looked) {
    switch (one.judgement.verdict) {
      case Verdict::wait:
        context_.pending.look_later(one.place, context_.environment().now());
        break;
      case Verdict::repair:
        repairs.push_back(one.place);
        break;
      case Verdict::resequence:
        moved.push_back(std::move(one));
        break;
      case Verdict::settled:
        co_await settle(one.place);
    }
  }
  co_await resequence_all(std::move(moved));
  co_return co_await repair(std::move(repairs));
}

Task<void> EntryRepair::settle(EntryPlace place) {
  const PendingEntry& pending = context_.pending.at(place);
  if (pending.record.is_only_purge()) {
    const auto finished =
        co_await context_.d.repair.finish_purge(pending.entry.key, pending.entry.cas);
    if (!finished) co_return fail(place, finished.error());
  }
  context_.settle(place);
}

Task<std::vector<EntryRepair::Looked>> EntryRepair::judge_all(std::vector<EntryPlace> places,
                                                              const KnownDocuments& documents) {
  std::vector<Looked> looked;
  for (const EntryPlace& place : places) {
    const PendingEntry& pending = context_.pending.at(place);
    Judgement judgement = judge(pending, documents, context_for(pending));
    const auto searched = co_await search_blocks(place, documents, judgement);
    if (searched)
      looked.push_back({place, std::move(judgement)});
    else
      fail(place, searched.error());
  }
  co_return looked;
}

// Where somebody inserted a document meanwhile, the entry is judged again later.
Task<std::vector<EntryRepair::Looked>> EntryRepair::bury_absent(std::vector<Looked> looked) {
  std::vector<DeadRanges::Range> numbers;
  for (const auto& [place, judgement] : looked) {
    if (judgement.verdict == Verdict::wait) continue;
    for (const Sequence s : judgement.absent) numbers.push_back({s, s});
  }
  if (numbers.empty()) co_return looked;
  const auto outcome = co_await context_.burial.bury(std::move(numbers), Burial::Holders::perhaps);
  std::set<Sequence> dead;
  if (outcome)
    for (const DeadRanges::Range& range : outcome->dead) dead.insert(range.first);
  std::vector<Looked> ready;
  for (Looked& one : looked) {
    const std::vector<Sequence>& absent = one.judgement.absent;
    const bool is_closed =
        std::all_of(absent.begin(), absent.end(), [&](Sequence s) { return dead.contains(s); });
    const bool waits = one.judgement.verdict == Verdict::wait;
    if (!waits && !is_closed && !outcome) {
      fail(one.place, outcome.error());
      continue;
    }
    if (!is_closed) one.judgement.verdict = Verdict::wait;
    ready.push_back(std::move(one));
  }
  co_return ready;
}

// A purged document leaves the cache before its number is settled: stable waits for it, so that
// nobody forgets the purge before. Its earlier numbers may not all be known to it; so all documents
// are looked at, once for all purges that are due. A front end that is late finds its number dead.
Task<Result<void>> EntryRepair::purge(std::vector<EntryPlace> places) {
  std::erase_if(places, [&](const EntryPlace& place) {
    const PendingEntry& pending = context_.pending.at(place);
    return pending.is_purged || pending.record.purged_to == Sequence();
  });
  if (places.empty()) co_return Result<void>();
  // What is killed at or below stable would be missing if the purge were lost.
  HG_CO_CHECK(co_await pass_base_barrier());
  std::vector<DeadRanges::Range> numbers;
  for (const EntryPlace& place : places) {
    const FeedRecord& record = context_.pending.at(place).record;
    const auto add = [&](Sequence number) {
      if (number <= record.purged_to) numbers.push_back({number, number});
    };
    add(record.entry.sequence);
    for (const RecentSequence& earlier : record.recent) add(earlier.sequence);
  }
  if (!numbers.empty())
    HG_CO_CHECK(co_await context_.burial.bury(std::move(numbers), Burial::Holders::perhaps));
  HG_CO_CHECK(co_await kill_purged(places));
  // The document may be removed: nobody would do this again.
  HG_CO_CHECK(co_await pass_cache_barrier());
  for (const EntryPlace& place : places) context_.pending.at(place).is_purged = true;
  context_.statistics.purges += places.size();
  co_return Result<void>();
}

Task<Result<void>> EntryRepair::kill_purged(const std::vector<EntryPlace>& places) {
  Burial::Purged purged;
  for (const EntryPlace& place : places) {
    const FeedRecord& record = context_.pending.at(place).record;
    Sequence& purged_to = purged[record.entry.doc_id.text()];
    purged_to = std::max(purged_to, record.purged_to);
  }
  const CacheSpace& space = context_.d.space;
  HG_CO_CHECK(co_await context_.burial.kill_all_of(std::move(purged), [&](Sequence sequence) {
    const auto partition = space.bucket.partition_of(space.sequence_key(sequence)).value();
    context_.d.reader.learn(
        sequence, std::make_shared<const SequenceDocument>(SequenceDocument::dead(sequence)),
        context_.cache_histories->at(partition));
  }));
  co_return Result<void>();
}

Task<Result<void>> EntryRepair::pass_base_barrier() {
  if (!context_.d.space.is_shared()) co_return Result<void>();
  HG_CO_TRY(const auto base, co_await context_.d.base.barrier(context_.deadline()));
  if (base != context_.base_histories) co_return Error{Errc::rolled_back, "a base history changed"};
  co_return Result<void>();
}

Task<Result<void>> EntryRepair::pass_cache_barrier() {
  if (!context_.d.space.is_shared()) co_return Result<void>();
  HG_CO_TRY(const auto cache, co_await context_.d.space.bucket.barrier(context_.deadline()));
  if (cache != *context_.cache_histories)
    co_return Error{Errc::rolled_back, "a cache history changed"};
  co_return Result<void>();
}

// The documents that the entries' judgement needs: their own, and those of recent numbers that were
// not checked or record a removal or grant.
Task<Result<KnownDocuments>> EntryRepair::load_documents(const std::vector<EntryPlace>& places) {
  std::set<Sequence> wanted;
  for (const EntryPlace& place : places) {
    if (context_.pending.at(place).is_unreadable) continue;
    const FeedRecord& record = context_.pending.at(place).record;
    wanted.insert(record.entry.sequence);
    for (const RecentSequence& earlier : record.recent)
      if (earlier.sequence > context_.checked_to() || has_marks(earlier))
        wanted.insert(earlier.sequence);
  }
  // What this node remembers may have been lost since.
  const bool can_remember =
      !context_.audit_floor && context_.d.reader.knows_under(*context_.cache_histories);
  KnownDocuments documents;
  std::vector<Sequence> missing;
  for (Sequence sequence : wanted) {
    auto known = can_remember ? context_.d.reader.known(sequence) : nullptr;
    if (known)
      documents[sequence] = std::move(known);
    else
      missing.push_back(sequence);
  }
  if (!missing.empty()) HG_CO_CHECK(co_await read_documents(std::move(missing), documents));
  co_return documents;
}

Task<Result<void>> EntryRepair::read_documents(std::vector<Sequence> sequences,
                                               KnownDocuments& into) {
  const CacheSpace& space = context_.d.space;
  std::vector<Key> keys;
  for (Sequence sequence : sequences) keys.push_back(space.sequence_key(sequence));
  const auto replies = co_await space.bucket.get_many(keys, space.deadline());
  std::vector<Sequence> missing;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok() && replies[i].status != Errc::not_found)
      co_return Error{replies[i].status, "reading sequence documents"};
    const auto partition = space.bucket.partition_of(keys[i]).value();
    if (space.is_shared() && replies[i].history != context_.cache_histories->at(partition))
      co_return Error{Errc::rolled_back, "reading sequence documents"};
    // What is above stable was folded only if stable fell back since: then it is audited.
    const bool may_be_folded = context_.audit_floor || sequences[i] <= context_.accounting.stable();
    if (!replies[i].ok() && may_be_folded) missing.push_back(sequences[i]);
    if (!replies[i].ok()) continue;
    auto document = SequenceDocument::decode(sequences[i], replies[i].bytes);
    if (!document) {  // nobody will ever read it: it is buried
      ++context_.statistics.unreadable;
      HG_CO_CHECK(
          co_await context_.burial.bury(sequences[i], sequences[i], Burial::Holders::perhaps));
      document = SequenceDocument::dead(sequences[i]);
    }
    into[sequences[i]] = std::make_shared<const SequenceDocument>(*std::move(document));
  }
  HG_CO_TRY(const auto folded,
            co_await find_folded(space, std::move(missing), *context_.cache_histories));
  for (const Sequence s : folded)
    into[s] = std::make_shared<const SequenceDocument>(SequenceDocument::dead(s));
  co_return Result<void>();
}

JudgementContext EntryRepair::context_for(const PendingEntry& pending) const {
  return {context_.accounting.stable(), context_.checked_to(), context_.d.allocator.epoch(),
          context_.stable.dead_ranges(),
          context_.environment().now() < pending.met + repair_delay()};
}

// R13, C1: what was complete may have lost its block entries. At or below stable they are not made
// again: readers have passed there. Above stable the write's own entries are made again; those of
// its earlier numbers, which are no longer on the feed, move to a fresh one.
Task<Result<void>> EntryRepair::search_blocks(EntryPlace place, const KnownDocuments& documents,
                                              Judgement& judgement) {
  const PendingEntry& pending = context_.pending.at(place);
  const bool is_settled = judgement.verdict == Verdict::settled;
  // What is rebuilt is entered whatever blocks have.
  if (!context_.blocks || pending.is_rebuilt ||
      (!is_settled && judgement.verdict != Verdict::repair))
    co_return Result<void>();
  BlockSearch& blocks = *context_.blocks;
  const Sequence stable = context_.accounting.stable();
  const FeedRecord record = pending.record;
  // At or below the floor nothing was lost, and nothing is searched.
  const auto is_in_doubt = [&](Sequence sequence) {
    return sequence > context_.checked_to() && sequence <= stable;
  };
  const auto is_of_another_epoch = [&](Sequence sequence) {
    const auto document = documents.find(sequence);
    return sequence > context_.checked_to() && document != documents.end() &&
           document->second->epoch != context_.d.allocator.epoch() && HG_RULE("R7 block");
  };
  if (is_settled && is_in_doubt(record.entry.sequence)) {
    HG_CO_TRY(const bool is_found,
              co_await blocks.all_contain(channels_of(record.entry), record.entry.sequence));
    if (!is_found) judgement.verdict = Verdict::resequence;
  }
  for (const RecentSequence& earlier : record.recent) {
    if (!has_marks(earlier)) continue;
    if (!is_in_doubt(earlier.sequence) && !is_of_another_epoch(earlier.sequence)) continue;
    HG_CO_TRY(const bool is_found,
              co_await blocks.all_contain(channels_of(earlier), earlier.sequence));
    if (is_found) continue;
    if (!is_in_doubt(earlier.sequence)) HG_PROBE("C1 entry of a hidden version lost");
    judgement.verdict = Verdict::resequence;
    judgement.unlisted.push_back(earlier.sequence);
  }
  if (judgement.verdict != Verdict::resequence) co_return Result<void>();
  HG_PROBE("C1 block entry lost");
  // Instead of being repaired, the number is closed.
  if (!is_settled && !documents.contains(record.entry.sequence))
    judgement.absent.push_back(record.entry.sequence);
  co_return Result<void>();
}

// What each is to be entered with, in their order.
Task<std::vector<Result<std::optional<CacheEntry>>>> EntryRepair::entries_of(
    std::vector<EntryPlace> places) {
  std::vector<Result<std::optional<CacheEntry>>> entries;
  std::vector<Task<Result<std::optional<CacheEntry>>>> tasks;
  for (const EntryPlace& place : places) {
    const PendingEntry& pending = context_.pending.at(place);
    if (context_.is_rebuilding)
      tasks.push_back(context_.d.repair.entry_for_rebuild(pending.entry.key, pending.entry.cas));
    else
      entries.emplace_back(pending.record.entry);
  }
  if (!tasks.empty()) entries = co_await when_all(context_.environment(), std::move(tasks));
  co_return entries;
}

// Replaced meanwhile: the newer version is on the feed. It may come after the end of the audit, so
// what stands at these numbers is decided now (I4).
Task<void> EntryRepair::leave_numbers(std::vector<EntryPlace> places) {
  std::vector<DeadRanges::Range> numbers;
  for (const EntryPlace& place : places) {
    const Sequence number = context_.pending.at(place).record.entry.sequence;
    numbers.push_back({number, number});
  }
  const auto buried = co_await context_.burial.bury(std::move(numbers), Burial::Holders::perhaps);
  for (const EntryPlace& place : places) {
    if (buried)
      context_.settle(place);
    else
      fail(place, buried.error());
  }
}

Task<Result<void>> EntryRepair::repair(std::vector<EntryPlace> places) {
  std::vector<CacheWrite> writes;
  std::vector<EntryPlace> written;
  std::vector<EntryPlace> left;
  auto entries = co_await entries_of(places);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const EntryPlace& place = places[i];
    auto& entry = entries[i];
    if (!entry) {
      fail(place, entry.error());
      continue;
    }
    if (!*entry) {
      left.push_back(place);
      continue;
    }
    const FeedEntry& fed = context_.pending.at(place).entry;
    writes.push_back({**std::move(entry), {fed.partition, fed.position, fed.cas, fed.history}});
    written.push_back(place);
  }
  co_await leave_numbers(std::move(left));
  if (writes.empty()) co_return Result<void>();
  const auto outcomes = co_await context_.d.front_end.write(
      std::move(writes), WriteFence{context_.d.allocator.epoch(), context_.cache_histories});
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (outcomes[i] == FrontEndCacheWriter::Outcome::complete) {
      ++context_.statistics.repairs;
      if (context_.d.space.settings.cache_writes == CacheWrites::frontend)
        context_.note_repair(CacheRepair::Kind::cache_work, written[i]);
      HG_PROBE("A2 unfinished write repaired");
      context_.settle(written[i]);
    } else {
      context_.pending.look_later(written[i], context_.environment().now());
    }
  }
  co_return Result<void>();
}

Task<void> EntryRepair::resequence_all(std::vector<Looked> moved) {
  for (std::size_t from = 0; from < moved.size(); from += kMovedAtOnce) {
    const std::size_t end = std::min(moved.size(), from + kMovedAtOnce);
    std::vector<Task<Result<void>>> tasks;
    for (std::size_t i = from; i < end; ++i)
      tasks.push_back(resequence(moved[i].place, std::move(moved[i].judgement.unlisted)));
    const auto done = co_await when_all(context_.environment(), std::move(tasks));
    for (std::size_t i = from; i < end; ++i)
      if (!done[i - from]) fail(moved[i].place, done[i - from].error());
  }
}

Task<Result<void>> EntryRepair::resequence(EntryPlace place, std::vector<Sequence> unlisted) {
  const Key key = context_.pending.at(place).entry.key;
  const Cas cas = context_.pending.at(place).entry.cas;
  HG_CO_CHECK(co_await context_.d.repair.resequence(
      key, cas, {.numbers = std::move(unlisted), .is_everything_left = context_.is_rebuilding}));
  ++context_.statistics.resequences;
  context_.has_resequenced = context_.has_resequenced || context_.blocks != nullptr;
  context_.note_repair(CacheRepair::Kind::resequence, place);
  HG_PROBE("A4 late base write resequenced");
  context_.settle(place);
  co_return Result<void>();
}

// One write that cannot be repaired keeps nobody else waiting. What trying again would not cure is
// given up: its number is closed as a gap.
void EntryRepair::fail(EntryPlace place, const Error& why) {
  PendingEntry& pending = context_.pending.at(place);
  const bool is_given_up = is_permanent(why.code);
  if (is_given_up || !pending.has_failed)
    log(is_given_up ? LogLevel::error : LogLevel::warning,
        is_given_up ? "cache_writer.gave_up" : "cache_writer.repair_failed",
        {{"database", fmt::to_string(context_.d.space.database.value())},
         user_data("key", pending.entry.key.name),
         {"error", std::string(to_string(why.code))},
         user_data("what", why.context)});
  pending.has_failed = true;
  ++context_.statistics.failures;
  if (is_given_up)
    context_.give_up(place);
  else
    context_.pending.look_later(place, context_.environment().now());
}

}  // namespace headgate
