// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <utility>

#include "database/base_keys.hpp"
#include "database/document_parts.hpp"
#include "database/feed_record.hpp"
#include "database/write_batch.hpp"

namespace headgate {
namespace {

/// How often the cache work of a write that changes grants is tried before its author is told.
constexpr int kGrantAttempts = 3;
/// How often it is looked whether the cache writer has finished such a write.
constexpr std::chrono::milliseconds kLookAgain{20};

GrantSets channel_grants(const SyncOutput& output) {
  GrantSets grants;
  for (const auto& [principal, channels] : output.access)
    grants[principal.text()].insert(channels.begin(), channels.end());
  return grants;
}

GrantSets role_grants(const SyncOutput& output) {
  GrantSets grants;
  for (const auto& [user, roles] : output.roles)
    grants[PrincipalName::user(user).text()].insert(roles.begin(), roles.end());
  return grants;
}

template <class Round>
void keep_those_in_round(Round& round) {
  std::erase_if(round, [](const auto* pending) { return !pending->is_in_round; });
}

/// The numbers from `first` on that the document has had, its present one the last; none if it
/// cannot be read.
std::vector<Sequence> numbers_since(Sequence first, const Reply& document) {
  std::vector<Sequence> numbers;
  const auto envelope = document.ok() ? decode_envelope(document.bytes) : Errc::not_found;
  if (!envelope) return numbers;
  for (const RecordedSequence& recent : envelope->recent)
    if (recent.sequence >= first) numbers.push_back(recent.sequence);
  return numbers;
}

/// What a purged document says of grants is said at the new one's number: those before it die.
void take_over_grants(DocumentEnvelope& envelope, RecordedSequence& own) {
  std::set<std::string> principals(own.grants.begin(), own.grants.end());
  for (RecordedSequence& recent : envelope.recent) {
    principals.insert(recent.grants.begin(), recent.grants.end());
    recent.grants.clear();
  }
  own.grants.assign(principals.begin(), principals.end());
}

/// Takes out the principals whose hidden channels list that number of the document.
void drop_listed(std::set<ChannelId>& principals, const DocId& id,
                 const Result<SequenceDocument>& document) {
  if (!document || document->is_dead || document->entry.doc_id != id) return;
  for (const Grant& grant : document->entry.grants) principals.erase(grant.principal);
}

}  // namespace

/// Writes what the envelope refers to: attachments and bodies of losing leaves. They need no
/// durability of their own: they lie before the envelope in one partition's order. If the envelope
/// is not written after all they are garbage, which PartSweeper removes.
Task<void> WriteBatch::store_parts(Round& round) {
  std::vector<Operation> inserts;
  std::vector<Key> keys;
  Round owners;
  for (Pending* pending : round) {
    for (Operation& insert : settle(*pending)) {
      keys.push_back(key_of(insert));
      inserts.push_back(std::move(insert));
      owners.push_back(pending);
    }
  }
  if (inserts.empty()) co_return;
  const auto replies = co_await context_.base.pipeline(std::move(inserts), context_.deadline());
  Round heirs;
  std::vector<Key> inherited;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    const Errc status = replies[i].status;
    if (status == Errc::exists && owners[i]->now.is_new) {
      heirs.push_back(owners[i]);
      inherited.push_back(std::move(keys[i]));
    }
    if (status == Errc::ok || status == Errc::exists || owners[i]->is_answered) continue;
    const bool is_unknown = status == Errc::timeout_unknown_outcome;
    answer(*owners[i], Error{is_unknown ? Errc::unavailable : status, "writing an attachment"});
  }
  if (!heirs.empty()) co_await take_over_parts(std::move(heirs), std::move(inherited));
  keep_those_in_round(round);
}

/// What a new document finds there may be on the way out with one that was purged: given another
/// version, it stays (DocumentPurger removes the version that it saw).
Task<void> WriteBatch::take_over_parts(Round owners, std::vector<Key> keys) {
  const auto found = co_await context_.base.get_many(keys, context_.deadline());
  std::vector<Operation> writes;
  Round writers;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (owners[i]->is_answered || !owners[i]->is_in_round) continue;
    if (!found[i].ok()) {
      retry(*owners[i], {Errc::unavailable, "reading an attachment"});
      continue;
    }
    writes.push_back(operation::Replace{std::move(keys[i]), found[i].bytes, found[i].cas});
    writers.push_back(owners[i]);
  }
  const auto replies = co_await context_.base.pipeline(std::move(writes), context_.deadline());
  for (std::size_t i = 0; i < writers.size(); ++i)
    if (!replies[i].ok() && writers[i]->is_in_round)
      retry(*writers[i], {Errc::unavailable, "writing an attachment"});
}

std::vector<Operation> WriteBatch::settle(Pending& pending) {
  Attempt& now = pending.now;
  DocumentEnvelope& envelope = now.envelope;
  const auto winner = envelope.tree.winner();
  if (now.edit.old_winner && now.edit.old_winner != winner) {
    LeafContent* old = envelope.content_of(*now.edit.old_winner);
    if (old) old->channels = envelope.current_channels();
  }
  envelope.content_of(now.edit.rev)->channels = now.output.channels;
  envelope.tree.prune(config_->effective_revs_limit());
  if (!pending.item.is_resync) envelope.last_written.reset();
  if (winner != now.edit.rev && envelope.tree.contains(now.edit.rev))
    envelope.last_written = now.edit.rev;

  ContentChanges changes = settle_contents(envelope);
  HG_ASSERT(!changes.to_load);
  const DocId& id = pending.item.id;
  const std::set<Key> parts = parts_of(context_.id, id, envelope);
  std::ranges::set_difference(parts, now.old_parts, std::back_inserter(now.new_parts));
  std::ranges::set_difference(now.old_parts, parts, std::back_inserter(now.unused_parts));

  std::vector<Operation> inserts;
  for (auto& bytes : now.edit.new_bytes) {
    inserts.push_back(
        operation::Insert{attachment_key(context_.id, id, bytes.digest), std::move(bytes.bytes)});
  }
  if (envelope.expiry)
    inserts.push_back(operation::Insert{expiry_key(context_.id, id, *envelope.expiry), {}});
  for (auto& body : changes.to_store) {
    inserts.push_back(
        operation::Insert{revision_body_key(context_.id, id, body.rev), std::move(body.body)});
  }
  return inserts;
}

Task<void> WriteBatch::allocate(Round& round) {
  Round without;
  for (Pending* pending : round) {
    if (!pending->held) without.push_back(pending);
  }
  if (without.empty()) co_return;
  if (co_await allocate_for(without)) co_return;
  // One document whose sequence is absurdly high must not fail the others (PR 7436).
  for (Pending* pending : without) {
    const auto allocated = co_await allocate_for({pending});
    if (allocated) continue;
    const Errc code = allocated.error().code;
    const bool is_unknown = code == Errc::timeout_unknown_outcome;  // but none was handed out
    answer(*pending, Error{is_unknown ? Errc::unavailable : code, "drawing a sequence"});
  }
  keep_those_in_round(round);
}

Task<Result<void>> WriteBatch::allocate_for(Round items) {
  Sequence above;
  for (const Pending* pending : items) above = std::max(above, pending->now.envelope.sequence);
  HG_CO_TRY(const Allocation drawn, co_await context_.allocator.allocate(items.size(), above));
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i]->held = Held{drawn.at(i), {drawn.epoch, drawn.cache_histories}};
  co_return Result<void>();
}

WriteBatch::Assigned WriteBatch::assign_output(DocumentEnvelope& envelope, const SyncOutput& output,
                                               Sequence at) {
  const auto& channels = output.channels;
  Assigned assigned;
  assigned.removals = assign_channels(envelope, {channels.begin(), channels.end()}, at);
  assigned.grants = assign_grants(envelope, channel_grants(output), role_grants(output), at);
  return assigned;
}

void WriteBatch::seal(Pending& pending) {
  Attempt& now = pending.now;
  DocumentEnvelope& envelope = now.envelope;
  for (const Sequence abandoned : pending.abandoned) record_sequence(envelope, {abandoned, {}, {}});
  RecordedSequence own{pending.held->sequence, {}, {}};
  if (now.of_winner) {
    Assigned assigned = assign_output(envelope, *now.of_winner, own.sequence);
    own.removals = std::move(assigned.removals);
    own.grants = std::move(assigned.grants);
  }
  const bool is_over_purged = now.is_new && now.cas != Cas();
  if (is_over_purged) take_over_grants(envelope, own);
  const Sequence own_sequence = own.sequence;
  envelope.sequence = own_sequence;
  now.changes_rights = !own.grants.empty();
  record_sequence(envelope, std::move(own));
  prune_recent(envelope, context_.forgettable());
  // The purge goes on with the new document: the feed may show only this.
  if (is_over_purged) envelope.purged_to = own_sequence.previous();
  envelope.time_saved = context_.environment.wall_now();
  now.record = feed_record_of(pending.item.id, envelope, config_->star_channel);
}

Durability WriteBatch::durability_of(const Pending& pending) const {
  const Durability wanted = pending.item.durability.value_or(config_->durability);
  return pending.now.changes_rights ? context_.durability_of_rights(wanted) : wanted;
}

Task<void> WriteBatch::write_base(Round& round) {
  if (round.empty()) co_return;
  std::vector<Operation> writes;
  for (Pending* pending : round) {
    seal(*pending);
    Attempt& now = pending->now;
    Key key = document_key(context_.id, pending->item.id);
    WriteOptions options{.durability = durability_of(*pending), .feed_entry = now.record.encode()};
    std::string value = encode_envelope(now.envelope);
    now.is_still = document_is_still(context_.id, pending->item.id, value);
    std::vector<Condition> conditions;
    for (Key& part : now.new_parts) conditions.push_back({std::move(part), ""});
    if (now.cas == Cas())
      writes.push_back(operation::Insert{std::move(key), std::move(value), std::move(options),
                                         std::move(conditions)});
    else
      writes.push_back(operation::Replace{std::move(key), std::move(value), now.cas,
                                          std::move(options), std::move(conditions)});
  }
  auto replies = co_await context_.base.pipeline(std::move(writes), context_.deadline());
  Round unknown;
  for (std::size_t i = 0; i < round.size(); ++i) {
    Pending& pending = *round[i];
    pending.now.reply = std::move(replies[i]);
    const Errc status = pending.now.reply.status;
    // condition_failed: what was stored for it was swept away as garbage meanwhile.
    if (status == Errc::cas_mismatch || status == Errc::exists || status == Errc::not_found ||
        status == Errc::condition_failed)
      retry(pending, {Errc::unavailable, "too many others write this document"});
    else if (status == Errc::timeout_unknown_outcome)
      unknown.push_back(&pending);
    else if (status != Errc::ok)
      answer(pending, Error{status, "writing the document"});
  }
  if (!unknown.empty()) co_await find_outcomes(std::move(unknown));
  keep_those_in_round(round);
}

Task<void> WriteBatch::find_outcomes(Round unknown) {
  std::vector<Key> keys;
  for (const Pending* pending : unknown)
    keys.push_back(document_key(context_.id, pending->item.id));
  const auto replies = co_await context_.base.get_many(std::move(keys), context_.deadline());
  // What a barrier has passed under the history of the read is durable; one for all of them.
  Result<std::vector<HistoryId>> durable = Errc::unavailable;
  if (std::any_of(unknown.begin(), unknown.end(), [&](const Pending* pending) {
        return durability_of(*pending) != Durability::memory;
      }))
    durable = co_await context_.base.barrier(context_.deadline());
  for (std::size_t i = 0; i < unknown.size(); ++i) {
    const Sequence sequence = unknown[i]->held->sequence;
    const auto envelope = replies[i].ok() ? decode_envelope(replies[i].bytes) : Errc::not_found;
    const bool is_stored =
        envelope && std::any_of(envelope->recent.begin(), envelope->recent.end(),
                                [&](const auto& recent) { return recent.sequence == sequence; });
    const Key key = document_key(context_.id, unknown[i]->item.id);
    const bool is_durable =
        is_stored &&
        (durability_of(*unknown[i]) == Durability::memory ||
         (durable && durable->at(context_.base.partition_of(key).value()) == replies[i].history));
    // The lost reply would have told the write's identity: the cache writer does the cache work.
    if (is_durable)
      succeed_without_cache(*unknown[i]);
    else
      give_up(*unknown[i], "writing the document");
  }
}

Task<void> WriteBatch::write_cache(Round& round) {
  std::vector<std::pair<WriteFence, Round>> groups;
  for (Pending* pending : round) {
    const bool has_grants = !pending->now.record.entry.grants.empty();
    if (config_->cache_writes == CacheWrites::feed && !has_grants) {
      succeed(*pending);
      continue;
    }
    const WriteFence& fence = pending->held->fence;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return group.first.epoch == fence.epoch &&
             group.first.cache_histories == fence.cache_histories;
    });
    if (same != groups.end())
      same->second.push_back(pending);
    else
      groups.push_back({fence, {pending}});
  }
  for (auto& [fence, items] : groups) co_await write_cache_under(items, fence);
}

Task<void> WriteBatch::write_cache_under(Round items, WriteFence fence) {
  for (int attempt = 1; !items.empty(); ++attempt) {
    std::vector<CacheWrite> writes;
    for (const Pending* pending : items) {
      const Reply& reply = pending->now.reply;
      const Key key = document_key(context_.id, pending->item.id);
      writes.push_back(
          {pending->now.record.entry,
           {context_.base.partition_of(key), reply.position, reply.cas, reply.history}});
    }
    const auto outcomes = co_await context_.front_end.write(std::move(writes), fence);
    Round again;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const bool has_grants = !items[i]->now.record.entry.grants.empty();
      if (outcomes[i] == FrontEndCacheWriter::Outcome::complete)
        succeed(*items[i]);
      else if (has_grants && attempt < kGrantAttempts)
        again.push_back(items[i]);
      else
        succeed_without_cache(*items[i]);
    }
    items = std::move(again);
  }
}

void WriteBatch::succeed(Pending& pending) {
  const Sequence sequence = pending.held->sequence;
  pending.held.reset();
  pending.abandoned.clear();
  ++statistics_.writes;
  answer(pending, WriteAnswer{pending.now.edit.rev, sequence, pending.now.edit.is_created});
}

/// Stored, and the cache writer will finish the rest. Not to be acknowledged yet if it changes
/// grants: a revocation holds from its acknowledgement on (I7).
void WriteBatch::succeed_without_cache(Pending& pending) {
  ++statistics_.unfinished;
  if (pending.now.record.entry.grants.empty()) return succeed(pending);
  pending.is_in_round = false;
  not_in_force_.push_back(&pending);
}

Task<void> WriteBatch::await_rights() {
  const Deadline give_up_at = context_.deadline();
  while (!not_in_force_.empty()) {
    const Round items = std::exchange(not_in_force_, {});
    const std::vector<bool> in_force = co_await are_in_force(items);
    const bool is_over = context_.environment.now() >= give_up_at;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (in_force[i])
        succeed(*items[i]);
      else if (is_over)
        give_up(*items[i], "the write is stored, but what it grants is not in force yet");
      else
        not_in_force_.push_back(items[i]);
    }
    if (!not_in_force_.empty()) co_await context_.environment.sleep_for(kLookAgain);
  }
}

/// A sequence document is inserted when its grants can be read and passes ask for them. It may be
/// that of the write itself, or of a later number that the document was given by a repair or
/// another write, if that lists the principal, too.
Task<std::vector<bool>> WriteBatch::are_in_force(Round items) {
  std::vector<bool> in_force(items.size(), false);
  std::vector<Key> keys;
  for (const Pending* pending : items) keys.push_back(document_key(context_.id, pending->item.id));
  const auto documents = co_await context_.base.get_many(std::move(keys), context_.deadline());
  std::vector<std::vector<Sequence>> numbers;
  std::vector<Key> sequence_keys;
  for (std::size_t i = 0; i < items.size(); ++i) {
    numbers.push_back(numbers_since(items[i]->held->sequence, documents[i]));
    for (Sequence n : numbers.back()) sequence_keys.push_back(context_.space.sequence_key(n));
  }
  const auto found =
      co_await context_.space.bucket.get_many(std::move(sequence_keys), context_.deadline());
  auto reply = found.begin();
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::set<ChannelId> missing;
    for (const Grant& grant : items[i]->now.record.entry.grants) missing.insert(grant.principal);
    for (Sequence n : numbers[i]) {
      if (const Reply& stored = *reply++; stored.ok())
        drop_listed(missing, items[i]->item.id, SequenceDocument::decode(n, stored.bytes));
    }
    in_force[i] = missing.empty();
  }
  co_return in_force;
}

/// The write may have been done, or may still be. Its numbers are not released: whoever takes them
/// for unused would drop a real write (PR 7050 of couchbase/sync_gateway).
void WriteBatch::give_up(Pending& pending, std::string_view why) {
  pending.held.reset();
  pending.abandoned.clear();
  ++statistics_.unknown;
  answer(pending, Error{Errc::timeout_unknown_outcome, std::string(why)});
}

/// What a failure, or a write that came meanwhile, leaves behind is garbage.
Task<void> WriteBatch::drop_unused_parts(Round& round) {
  std::vector<Operation> removals;
  for (Pending* pending : round) {
    for (Key& part : pending->now.unused_parts)
      removals.push_back(operation::Remove{std::move(part), {}, {}, {pending->now.is_still}});
  }
  if (!removals.empty()) co_await context_.base.pipeline(std::move(removals), context_.deadline());
}

Task<void> WriteBatch::release_unused() {
  statistics_.released += unused_.size();
  std::sort(unused_.begin(), unused_.end());
  for (std::size_t first = 0; first < unused_.size();) {
    std::size_t last = first;
    while (last + 1 < unused_.size() && unused_[last + 1] == unused_[last].next()) ++last;
    co_await context_.allocator.release(unused_[first], unused_[last]);
    first = last + 1;
  }
}

}  // namespace headgate
