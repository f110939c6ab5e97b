// SPDX-License-Identifier: Apache-2.0
#include "database/base_repair.hpp"

#include <algorithm>
#include <set>

#include "database/base_keys.hpp"
#include "database/feed_record.hpp"
#include "database/grant_codec.hpp"
#include "database/principal_envelope.hpp"
#include "document/envelope.hpp"

namespace headgate {
namespace {

bool is_lost_race(Errc code) {
  return code == Errc::cas_mismatch || code == Errc::not_found;
}

/// Names, ascending.
std::vector<std::string> left_channels(const DocumentEnvelope& envelope) {
  std::vector<std::string> left;
  for (const auto& [name, membership] : envelope.channels)
    if (membership.removal) left.push_back(name);
  return left;
}

}  // namespace

/// A stored value that is moved to another sequence.
struct StoredRepair::Moved {
  std::string value;
  FeedRecord record;
};

Result<Sequence> StoredRepair::sequence_of(const Key& key, std::string_view bytes) const {
  if (key.kind == KeyKind::document) {
    HG_TRY(const DocumentEnvelope envelope, decode_envelope(bytes));
    return envelope.sequence;
  }
  HG_TRY(const PrincipalEnvelope envelope, PrincipalEnvelope::decode(bytes));
  return envelope.sequence;
}

Result<StoredRepair::Moved> StoredRepair::move(const Key& key, std::string_view bytes,
                                               const Unlisted& unlisted, Sequence to) const {
  std::set<Sequence> lost(unlisted.numbers.begin(), unlisted.numbers.end());
  if (key.kind == KeyKind::document) {
    HG_TRY(DocumentEnvelope envelope, decode_envelope(bytes));
    lost.insert(envelope.sequence);
    headgate::resequence(envelope, lost, to);
    if (unlisted.is_everything_left) record_sequence(envelope, {to, left_channels(envelope), {}});
    prune_recent(envelope, context_.forgettable());
    return Moved{encode_envelope(envelope),
                 feed_record_of(DocId(key.name), envelope, context_.config->star_channel)};
  }
  HG_TRY(PrincipalEnvelope envelope, PrincipalEnvelope::decode(bytes));
  HG_TRY(const PrincipalName name, PrincipalName::parse(key.name));
  lost.insert(envelope.sequence);
  HG_CHECK(envelope.resequence(name, lost, to, context_.forgettable()));
  return Moved{envelope.encode(), envelope.feed_record(name)};
}

Task<Result<void>> StoredRepair::resequence(Key key, Cas cas, Unlisted unlisted) {
  const Reply found = co_await context_.base.get(key, context_.deadline());
  if (found.status == Errc::not_found || (found.ok() && found.cas != cas)) co_return Result<void>();
  if (!found.ok()) co_return Error{Errc::unavailable, "reading what to resequence"};
  HG_CO_TRY(const Sequence present, sequence_of(key, found.bytes));
  HG_CO_TRY(const Allocation drawn, co_await context_.allocator.allocate(1, present));
  auto moved = move(key, found.bytes, unlisted, drawn.first);
  if (!moved) {
    co_await context_.allocator.release(drawn.first, drawn.first);
    co_return std::move(moved).error();
  }
  WriteOptions options{.durability = context_.config->durability,
                       .feed_entry = moved->record.encode()};
  const Reply written = co_await context_.base.replace(key, std::move(moved->value), cas,
                                                       std::move(options), context_.deadline());
  if (written.status == Errc::timeout_unknown_outcome) co_return Error{written.status, {}};
  if (!written.ok()) {
    co_await context_.allocator.release(drawn.first, drawn.first);
    if (is_lost_race(written.status)) co_return Result<void>();
    co_return Error{written.status, "resequencing"};
  }
  const WriteIdentity identity{context_.base.partition_of(key), written.position, written.cas,
                               written.history};
  std::vector<CacheWrite> writes;
  writes.push_back({std::move(moved->record.entry), identity});
  co_await context_.front_end.write(std::move(writes), {drawn.epoch, drawn.cache_histories});
  co_return Result<void>();
}

// The entry of the removal takes the place of the document's on the feed: no later walk meets it.
Task<Result<void>> StoredRepair::finish_purge(Key key, Cas cas) {
  WriteOptions options{.durability = context_.config->durability, .feed_entry = std::string()};
  const Reply removed =
      co_await context_.base.remove(std::move(key), cas, std::move(options), context_.deadline());
  if (!removed.ok() && !is_lost_race(removed.status))
    co_return Error{removed.status, "removing a purged document"};
  co_return Result<void>();
}

Result<Key> StoredRepair::key_of(const CacheEntry& entry) const {
  if (!entry.is_principal()) return document_key(context_.id, entry.doc_id);
  HG_TRY(const PrincipalName name, principal_of_doc_id(entry.doc_id));
  return principal_key(context_.id, name);
}

Result<bool> StoredRepair::is_held(const CacheEntry& entry, std::string_view bytes) const {
  if (entry.is_principal()) {
    HG_TRY(const PrincipalEnvelope envelope, PrincipalEnvelope::decode(bytes));
    return envelope.sequence == entry.sequence ||
           std::binary_search(envelope.recent.begin(), envelope.recent.end(), entry.sequence);
  }
  HG_TRY(const DocumentEnvelope envelope, decode_envelope(bytes));
  return std::any_of(envelope.recent.begin(), envelope.recent.end(),
                     [&](const auto& recent) { return recent.sequence == entry.sequence; });
}

Task<Result<StoredRepair::Holding>> StoredRepair::holds(CacheEntry entry) {
  HG_CO_TRY(const Key key, key_of(entry));
  const Reply found = co_await context_.base.get(key, context_.deadline());
  if (!found.ok() && found.status != Errc::not_found)
    co_return Error{Errc::unavailable, "asking for a document"};
  Holding holding{false, context_.base.partition_of(key), found.history};
  if (found.ok()) {
    HG_CO_TRY(holding.is_held, is_held(entry, found.bytes));
  }
  co_return holding;
}

Result<CacheEntry> StoredRepair::rebuilt(const Key& key, std::string_view bytes) const {
  if (key.kind != KeyKind::document) {
    HG_TRY(const PrincipalEnvelope envelope, PrincipalEnvelope::decode(bytes));
    HG_TRY(const PrincipalName name, PrincipalName::parse(key.name));
    return envelope.feed_record(name).entry;
  }
  HG_TRY(const DocumentEnvelope envelope, decode_envelope(bytes));
  CacheEntry entry = feed_record_of(DocId(key.name), envelope, context_.config->star_channel).entry;
  for (const std::string& name : left_channels(envelope)) {
    const ChannelId channel = ChannelId::of_documents(name);
    const bool is_listed =
        std::find(entry.removals.begin(), entry.removals.end(), channel) != entry.removals.end();
    if (!is_listed && channel != ChannelId::star()) entry.removals.push_back(channel);
  }
  return entry;
}

Task<Result<std::optional<CacheEntry>>> StoredRepair::entry_for_rebuild(Key key, Cas cas) {
  const Reply found = co_await context_.base.get(key, context_.deadline());
  if (found.status == Errc::not_found || (found.ok() && found.cas != cas))
    co_return std::optional<CacheEntry>();
  if (!found.ok()) co_return Error{Errc::unavailable, "reading what to enter again"};
  HG_CO_TRY(CacheEntry entry, rebuilt(key, found.bytes));
  co_return std::optional<CacheEntry>(std::move(entry));
}

// A document tells for ever what it once granted and does not any more.
bool StoredRepair::may_take_access(const Grant& grant) const {
  const auto given = DocumentGrants::decode(grant.given);
  if (!given || grant.given.empty()) return true;
  return !given->past_channels.empty() || !given->past_roles.empty();
}

Task<Result<void>> StoredRepair::resequence_present(CacheEntry entry) {
  HG_CO_TRY(Key key, key_of(entry));
  const Reply found = co_await context_.base.get(key, context_.deadline());
  if (found.status == Errc::not_found) co_return Result<void>();
  if (!found.ok()) co_return Error{Errc::unavailable, "reading what to resequence"};
  // Whoever was to be sent the lost revision was not sent what it superseded.
  co_return co_await resequence(std::move(key), found.cas,
                                {.numbers = {entry.sequence}, .is_everything_left = true});
}

}  // namespace headgate
