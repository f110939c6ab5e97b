// SPDX-License-Identifier: Apache-2.0
#include "database/document_purger.hpp"

#include <utility>

#include "database/base_keys.hpp"
#include "database/feed_record.hpp"
#include "document/envelope.hpp"

namespace headgate {
namespace {

/// Values come whole, and attachments may be large.
constexpr std::size_t kPartsAtOnce = 4;
constexpr std::chrono::milliseconds kLookAgain{5};

}  // namespace

Task<Result<Sequence>> DocumentPurger::purge(DocId id) {
  const Key key = document_key(context_.id, id);
  const Reply found = co_await context_.base.get(key, context_.deadline());
  if (found.status == Errc::not_found) co_return Error{Errc::not_found, "missing"};
  if (!found.ok()) co_return Error{Errc::unavailable, "reading the document"};
  HG_CO_TRY(DocumentEnvelope envelope, decode_envelope(found.bytes));
  if (envelope.is_purged()) co_return Error{Errc::not_found, "missing"};
  HG_CO_TRY(std::vector<Part> parts, co_await parts_of(id));
  HG_CO_TRY(const Allocation drawn, co_await context_.allocator.allocate(1, envelope.sequence));
  headgate::purge(envelope, drawn.first);
  prune_recent(envelope, context_.forgettable());
  envelope.time_saved = context_.environment.wall_now();
  FeedRecord record = feed_record_of(id, envelope, context_.config->star_channel);
  WriteOptions options{.durability = context_.durability_of_rights(context_.config->durability),
                       .feed_entry = record.encode()};
  Reply written = co_await context_.base.replace(key, encode_envelope(envelope), found.cas,
                                                 std::move(options), context_.deadline());
  const bool is_unknown = written.status == Errc::timeout_unknown_outcome;
  if (is_unknown) {
    HG_CO_TRY(written, co_await find_outcome(key, drawn.first));
  } else if (!written.ok()) {
    co_await context_.allocator.release(drawn.first, drawn.first);
    const bool is_lost = written.status == Errc::cas_mismatch || written.status == Errc::not_found;
    co_return Error{is_lost ? Errc::conflict : written.status,
                    is_lost ? "the document was written meanwhile" : "purging the document"};
  }
  co_await remove_parts(std::move(parts), written.history);
  if (record.entry.grants.empty()) co_return drawn.first;
  if (is_unknown) {
    // Its identity is not known: the cache writer does the cache work.
    if (!co_await wait_until_gone(drawn.first))
      co_return Error{Errc::timeout_unknown_outcome, "purged, but its grants are still in force"};
    co_return drawn.first;
  }
  const WriteIdentity identity{context_.base.partition_of(key), written.position, written.cas,
                               written.history};
  HG_CO_CHECK(co_await take_grants_back(std::move(record.entry), identity,
                                        {drawn.epoch, drawn.cache_histories}));
  co_return drawn.first;
}

// The purged envelope, if it is there; one that was removed or written over meanwhile was there,
// too, but what is gone may also never have been.
Task<Result<Reply>> DocumentPurger::find_outcome(Key key, Sequence number) {
  const Error unknown{Errc::timeout_unknown_outcome, "purging the document"};
  Reply found = co_await context_.base.get(key, context_.deadline());
  if (!found.ok()) co_return unknown;
  const auto envelope = decode_envelope(found.bytes);
  if (!envelope || !envelope->is_purged() || envelope->sequence != number) co_return unknown;
  if (context_.durability_of_rights(context_.config->durability) != Durability::memory)
    HG_CO_CHECK(co_await context_.base.make_durable(key, found.history, context_.deadline()));
  co_return found;
}

Task<Result<void>> DocumentPurger::take_grants_back(CacheEntry entry, WriteIdentity identity,
                                                    WriteFence fence) {
  const Sequence number = entry.sequence;
  std::vector<CacheWrite> writes;
  writes.push_back({std::move(entry), identity});
  const auto outcomes = co_await context_.front_end.write(std::move(writes), std::move(fence));
  if (outcomes.front() == FrontEndCacheWriter::Outcome::complete) co_return Result<void>();
  if (!co_await wait_until_gone(number))
    co_return Error{Errc::timeout_unknown_outcome, "purged, but its grants are still in force"};
  co_return Result<void>();
}

Task<bool> DocumentPurger::wait_until_gone(Sequence purged) {
  const Deadline give_up = context_.deadline();
  while (true) {
    const auto pass = co_await context_.reader.start_pass();
    if (pass && pass->stable >= purged) co_return true;
    if (context_.environment.now() >= give_up) co_return false;
    co_await context_.environment.sleep_for(kLookAgain);
  }
}

// Names begin with the document's id and a zero byte, which no id has.
Task<Result<std::vector<DocumentPurger::Part>>> DocumentPurger::parts_of(DocId id) {
  const std::string prefix = id.text() + '\0';
  std::vector<Part> parts;
  for (const KeyKind kind : {KeyKind::attachment, KeyKind::revision_body}) {
    for (std::string from = prefix;;) {
      HG_CO_TRY(const auto page,
                co_await context_.base.scan(
                    {context_.id, kind, base_tag_of(id.text()), from, kPartsAtOnce, false},
                    context_.deadline()));
      bool is_past = page.items.size() < kPartsAtOnce;
      for (const auto& item : page.items) {
        is_past = is_past || !item.name.starts_with(prefix);
        if (item.name.starts_with(prefix))
          parts.push_back({{context_.id, kind, base_tag_of(id.text()), item.name}, item.cas});
      }
      if (is_past) break;
      from = page.items.back().name + '\0';
    }
  }
  co_return parts;
}

// What fails stays as garbage. Under another history the purge itself may be lost, and its document
// needs them.
Task<void> DocumentPurger::remove_parts(std::vector<Part> parts, HistoryId purged_under) {
  WriteOptions options;
  options.if_history = purged_under;
  std::vector<Operation> removals;
  for (Part& part : parts)
    removals.push_back(operation::Remove{std::move(part.key), part.cas, options});
  if (!removals.empty()) co_await context_.base.pipeline(std::move(removals), context_.deadline());
}

}  // namespace headgate
