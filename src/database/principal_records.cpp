// SPDX-License-Identifier: Apache-2.0
#include "database/principal_records.hpp"

#include <algorithm>
#include <utility>

#include "base/buggify.hpp"
#include "database/base_keys.hpp"

namespace headgate {
namespace {

constexpr int kMaxAttempts = 20;
constexpr int kCacheAttempts = 3;
constexpr std::chrono::milliseconds kLookAgain{20};

bool is_lost_race(Errc code) {
  return code == Errc::cas_mismatch || code == Errc::exists || code == Errc::not_found;
}

Result<PrincipalRecords::Stored> stored_of(const Reply& reply) {
  PrincipalRecords::Stored stored;
  stored.history = reply.history;
  if (reply.status == Errc::not_found) return stored;
  if (!reply.ok()) return Error{Errc::unavailable, "reading a user or role"};
  HG_TRY(stored.envelope, PrincipalEnvelope::decode(reply.bytes));
  stored.cas = reply.cas;
  return stored;
}

}  // namespace

Task<Result<PrincipalRecords::Stored>> PrincipalRecords::load(PrincipalName name) {
  co_return stored_of(
      co_await context_.base.get(principal_key(context_.id, name), context_.deadline()));
}

Task<Result<std::vector<PrincipalRecords::Stored>>> PrincipalRecords::load_many(
    std::vector<PrincipalName> names) {
  std::vector<Key> keys;
  for (const PrincipalName& name : names) keys.push_back(principal_key(context_.id, name));
  std::vector<Stored> all;
  if (keys.empty()) co_return all;
  const auto replies = co_await context_.base.get_many(std::move(keys), context_.deadline());
  for (const Reply& reply : replies) {
    HG_CO_TRY(Stored stored, stored_of(reply));
    all.push_back(std::move(stored));
  }
  co_return all;
}

bool PrincipalRecords::is_of(const StableRecord& audited, const PrincipalName& name,
                             const Stored& stored) const {
  const auto partition = context_.base.partition_of(principal_key(context_.id, name)).value();
  return partition < audited.base_histories.size() &&
         audited.base_histories[partition] == stored.history;
}

Task<Result<PrincipalRecords::Written>> PrincipalRecords::write(PrincipalName name, Change change) {
  std::optional<Allocation> held;
  auto written = co_await write_holding(std::move(name), std::move(change), held);
  if (held) co_await context_.allocator.release(held->first, held->first);
  co_return written;
}

/// `held` is a number that was drawn and must be released by the caller.
Task<Result<PrincipalRecords::Written>> PrincipalRecords::write_holding(
    PrincipalName name, Change change, std::optional<Allocation>& held) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    HG_CO_TRY(Stored stored, co_await load(name));
    const bool was_live = stored.is_live();
    HG_CO_TRY(const auto preview, change(stored, Sequence()));
    if (!preview) {
      HG_CO_CHECK(co_await put_in_force(name, stored));
      co_return Written{false, false, stored.envelope.sequence};
    }
    if (held && held->first <= stored.envelope.sequence) {
      const Allocation outrun = *std::exchange(held, std::nullopt);
      co_await context_.allocator.release(outrun.first, outrun.first);
    }
    if (!held) {
      auto drawn = co_await context_.allocator.allocate(1, stored.envelope.sequence);
      if (!drawn) co_return Error{Errc::unavailable, "drawing a sequence"};
      held = *std::move(drawn);
    }
    HG_CO_TRY(auto changed, change(stored, held->first));
    stored.envelope.advance(held->first, context_.forgettable());
    stored.envelope.is_deleted = changed->is_deleted;
    stored.envelope.record = std::move(changed->record);
    const Reply reply = co_await store(name, stored);
    if (is_lost_race(reply.status)) continue;
    const bool is_unknown = reply.status == Errc::timeout_unknown_outcome;
    if (!reply.ok() && !is_unknown) co_return Error{reply.status, "writing a user or role"};
    HG_PROBE("user or role stored");
    const Allocation used = *std::exchange(held, std::nullopt);
    const auto finished = is_unknown ? co_await find_outcome(name, used.first)
                                     : co_await write_cache(name, stored, reply, used);
    if (!finished) co_return finished.error();
    HG_CO_CHECK(co_await await_audit(name, used.first));
    co_return Written{!was_live, true, used.first};
  }
  co_return Error{Errc::overloaded, "too many others write this user or role"};
}

Task<Reply> PrincipalRecords::store(PrincipalName name, Stored stored) {
  Key key = principal_key(context_.id, name);
  // At least on disk: a revocation that was acknowledged must not come back (I7).
  WriteOptions options{.durability = context_.durability_of_rights(Durability::disk),
                       .feed_entry = stored.envelope.feed_record(name).encode()};
  std::string value = stored.envelope.encode();
  if (stored.cas == Cas())
    return context_.base.insert(std::move(key), std::move(value), std::move(options),
                                context_.deadline());
  return context_.base.replace(std::move(key), std::move(value), stored.cas, std::move(options),
                               context_.deadline());
}

/// The lost reply would have told the write's identity, so the cache writer does the cache work.
/// The record itself is read from the base: with the access counter raised it is in force.
Task<Result<void>> PrincipalRecords::find_outcome(PrincipalName name, Sequence sequence) {
  const auto stored = co_await load(name);
  const bool is_stored = stored && (stored->envelope.sequence == sequence ||
                                    std::ranges::binary_search(stored->envelope.recent, sequence));
  if (is_stored && co_await make_durable(name, *stored) &&
      co_await context_.front_end.raise_access_counter())
    co_return Result<void>();
  co_return Error{Errc::timeout_unknown_outcome, "writing a user or role"};
}

/// Who reads what was stored and was not answered must not tell of it before it is durable.
Task<Result<void>> PrincipalRecords::make_durable(PrincipalName name, const Stored& stored) {
  return context_.base.make_durable(principal_key(context_.id, name), stored.history,
                                    context_.deadline());
}

/// Somebody else wrote the same, and may still be about to raise the access counter: done when the
/// sequence document is there.
Task<Result<void>> PrincipalRecords::put_in_force(PrincipalName name, Stored stored) {
  const Sequence sequence = stored.envelope.sequence;
  if (sequence == Sequence()) co_return Result<void>();  // there is no such user
  HG_CO_CHECK(co_await make_durable(name, stored));
  const Reply found = co_await context_.space.bucket.get(context_.space.sequence_key(sequence),
                                                         context_.deadline());
  const auto document = found.ok() ? SequenceDocument::decode(sequence, found.bytes) : found.status;
  if (!document || document->is_dead)
    HG_CO_CHECK(co_await context_.front_end.raise_access_counter());
  co_return co_await await_audit(std::move(name), sequence);
}

/// After a failover of the base a pass elsewhere may still read an old master's record (F11). Once
/// stable is published for the history that the record is read under nobody believes another one.
Task<Result<void>> PrincipalRecords::await_audit(PrincipalName name, Sequence sequence) {
  const Deadline give_up_at = context_.deadline();
  while (context_.space.is_shared()) {
    const auto pass = co_await context_.reader.start_pass();
    const auto stored = co_await load(name);
    if (pass && stored && stored->envelope.sequence >= sequence &&
        is_of(*pass->record, name, *stored))
      break;
    if (context_.environment.now() >= give_up_at)
      co_return Error{Errc::timeout_unknown_outcome,
                      "the user or role is stored, but not in force yet"};
    co_await context_.environment.sleep_for(kLookAgain);
  }
  co_return Result<void>();
}

/// With CacheWrites::feed, too: a revocation holds from its acknowledgement on (I7).
Task<Result<void>> PrincipalRecords::write_cache(PrincipalName name, Stored stored, Reply reply,
                                                 Allocation used) {
  const PartitionNumber partition = context_.base.partition_of(principal_key(context_.id, name));
  const CacheWrite write{stored.envelope.feed_record(name).entry,
                         {partition, reply.position, reply.cas, reply.history}};
  for (int attempt = 0; attempt < kCacheAttempts; ++attempt) {
    std::vector<CacheWrite> writes{write};
    const auto outcomes =
        co_await context_.front_end.write(std::move(writes), {used.epoch, used.cache_histories});
    if (outcomes.front() == FrontEndCacheWriter::Outcome::complete) co_return Result<void>();
  }
  if (co_await context_.front_end.raise_access_counter()) co_return Result<void>();
  co_return Error{Errc::timeout_unknown_outcome,
                  "the user or role is stored, but not in force yet"};
}

}  // namespace headgate
