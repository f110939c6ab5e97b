// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/pending_batch.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"
#include "bucket/rocksdb/feed_record.hpp"

namespace headgate {
namespace {

/// A value with so many is written whole: a read after many appends has to merge all of them. To
/// have RocksDB count them (max_successive_merges) costs a search for every append.
constexpr std::uint32_t kOperandsMax = 100;

}  // namespace

PendingBatch::PendingBatch(RocksEngine& engine, KeyStates& states, std::uint64_t& last_version)
    : engine_(engine), states_(states), last_version_(last_version), limit_(engine.version_limit) {}

Reply PendingBatch::carry_out(Operation& operation, WallTime now) {
  const WriteOptions* options = options_of(operation);
  Reply reply;
  if (options && options->if_history && *options->if_history != engine_.history()) {
    reply.status = Errc::rolled_back;
  } else {
    reply = std::visit([&](auto& o) { return run(o, now); }, operation);
  }
  reply.history = engine_.history();
  return reply;
}

Reply PendingBatch::run(operation::Insert& insert, WallTime now) {
  const auto key = at(insert.key, now);
  if (!key) return {.status = key.error().code};
  if ((*key)->state.is_there) return {.status = Errc::exists};
  if (const Errc code = check(insert.conditions, now); code != Errc::ok) return {.status = code};
  set_bytes(**key, std::move(insert.value), insert.options);
  return stamp(**key, insert.options, false);
}

Reply PendingBatch::run(operation::Replace& replace, WallTime now) {
  const auto key = at(replace.key, now);
  if (!key) return {.status = key.error().code};
  if (!(*key)->state.is_there) return {.status = Errc::not_found};
  if ((*key)->state.header.cas != replace.cas) return {.status = Errc::cas_mismatch};
  if (const Errc code = check(replace.conditions, now); code != Errc::ok) return {.status = code};
  set_bytes(**key, std::move(replace.value), replace.options);
  return stamp(**key, replace.options, false);
}

Reply PendingBatch::run(operation::Remove& remove, WallTime now) {
  const auto key = at(remove.key, now);
  if (!key) return {.status = key.error().code};
  if (!(*key)->state.is_there) return {.status = Errc::not_found};
  if (remove.cas && (*key)->state.header.cas != *remove.cas) return {.status = Errc::cas_mismatch};
  if (const Errc code = check(remove.conditions, now); code != Errc::ok) return {.status = code};
  (*key)->state.is_there = false;
  (*key)->change = Change::remove;
  (*key)->bytes.clear();
  Reply reply = stamp(**key, remove.options, true);
  reply.cas = Cas();
  return reply;
}

Reply PendingBatch::run(operation::Append& append, WallTime now) {
  const auto key = at(append.key, now);
  if (!key) return {.status = key.error().code};
  const KeyState& state = (*key)->state;
  if (state.is_there && state.header.is_counter) return {.status = Errc::invalid_argument};
  if (state.is_there) {
    if (state.number + append.bytes.size() > kMaxValueBytes) return {.status = Errc::too_large};
    if (const auto added = add_bytes(**key, append); !added) return {.status = added.error().code};
  } else {
    set_bytes(**key, std::move(append.bytes), append.options);
  }
  Reply reply = stamp(**key, append.options, false);
  reply.number = state.number;
  return reply;
}

Reply PendingBatch::run(operation::Increment& increment, WallTime now) {
  const auto key = at(increment.key, now);
  if (!key) return {.status = key.error().code};
  KeyState& state = (*key)->state;
  if (state.is_there && !state.header.is_counter) return {.status = Errc::invalid_argument};
  if (!state.is_there) state.header.expires.reset();
  if (increment.options.expires) state.header.expires = increment.options.expires;
  state.number = (state.is_there ? state.number : 0) + increment.delta;
  state.header.is_counter = true;
  state.is_there = true;
  (*key)->change = Change::put;
  Reply reply = stamp(**key, increment.options, false);
  reply.number = state.number;
  return reply;
}

void PendingBatch::set_bytes(PendingKey& key, std::string bytes, const WriteOptions& options) {
  key.bytes = std::move(bytes);
  key.change = Change::put;
  key.state.is_there = true;
  key.state.operands = 0;
  key.state.number = key.bytes.size();
  key.state.header.is_counter = false;
  key.state.header.expires = options.expires;
}

/// REQUIRES: the value is there and no counter.
Result<void> PendingBatch::add_bytes(PendingKey& key, const operation::Append& append) {
  const WriteOptions& options = append.options;
  // An operand holds no more than bytes and a version: whatever changes the header is written
  // whole.
  const bool fits_operand = key.family == Family::cache && !options.feed_entry &&
                            !options.expires && key.state.operands < kOperandsMax;
  if (key.change != Change::put && !fits_operand) {
    HG_TRY(key.bytes, current_bytes(key));
    key.change = Change::put;
    key.state.operands = 0;
  } else if (key.change == Change::none) {
    key.change = Change::append;
    ++key.state.operands;
  }
  key.bytes += append.bytes;
  key.state.number += append.bytes.size();
  if (options.expires) key.state.header.expires = options.expires;
  return {};
}

/// Gives the write its version and its place in the feed.
Reply PendingBatch::stamp(PendingKey& key, WriteOptions& options, bool is_removal) {
  Reply reply;
  reply.cas = Cas(++last_version_);
  key.state.header.cas = reply.cas;
  if (options.feed_entry) {
    reply.position = PartitionPosition(last_version_);
    key.state.header.feed_position = reply.position;
    key.entry = Entry{std::move(*options.feed_entry), is_removal};
    if (std::find(fed_.begin(), fed_.end(), key.key.database) == fed_.end())
      fed_.push_back(key.key.database);
  }
  if (options.durability != Durability::memory) needs_sync_ = true;
  return reply;
}

Result<PendingBatch::PendingKey*> PendingBatch::at(const Key& key, WallTime now) {
  std::string stored = stored_key(key);
  PendingKey* pending = nullptr;
  if (const auto known = by_stored_.find(stored); known != by_stored_.end()) {
    pending = known->second;
  } else {
    const Family family = family_of(key.kind);
    HG_TRY(const KeyState state, load_state(family, stored));
    pending = &keys_.emplace_back(PendingKey{.key = key,
                                             .family = family,
                                             .stored = std::move(stored),
                                             .state = state,
                                             .bytes = {},
                                             .stored_entry = state.header.feed_position,
                                             .entry = {}});
    by_stored_.emplace(pending->stored, pending);
  }
  if (!is_live(pending->state.header, now)) pending->state.is_there = false;
  return pending;
}

Result<KeyState> PendingBatch::load_state(Family family, std::string_view stored) {
  if (engine_.dropped.contains_key(stored)) return KeyState{};
  if (family == Family::cache) {
    if (const KeyState* known = states_.find(stored)) return *known;
  }
  rocksdb::PinnableSlice bytes;
  const auto status =
      engine_.db->Get(rocksdb::ReadOptions(), engine_.family(family), stored, &bytes);
  if (status.IsNotFound()) return KeyState{};
  if (!status.ok()) return error_of(status, "read before a write");
  HG_TRY(const StoredValue value, read_value(bytes.ToStringView()));
  KeyState state{.is_there = !value.header.is_removed,
                 .header = value.header,
                 .number = value.header.is_counter ? counter_number(value) : value.payload.size()};
  state.header.is_removed = false;
  return state;
}

Result<std::string> PendingBatch::current_bytes(const PendingKey& key) {
  if (key.change == Change::put) return key.bytes;
  rocksdb::PinnableSlice stored;
  const auto status =
      engine_.db->Get(rocksdb::ReadOptions(), engine_.family(key.family), key.stored, &stored);
  if (!status.ok()) return error_of(status, "read before a write");
  HG_TRY(const StoredValue value, read_value(stored.ToStringView()));
  return std::string(value.payload) + key.bytes;
}

Errc PendingBatch::check(const std::vector<Condition>& conditions, WallTime now) {
  for (const Condition& condition : conditions) {
    const auto does_hold = holds(condition, now);
    if (!does_hold) return does_hold.error().code;
    if (!*does_hold) return Errc::condition_failed;
  }
  return Errc::ok;
}

Result<bool> PendingBatch::holds(const Condition& condition, WallTime now) {
  HG_TRY(const PendingKey* key, at(condition.key, now));
  if (!condition.prefix) return !key->state.is_there;
  if (!key->state.is_there || key->state.header.is_counter) return false;
  if (key->state.number < condition.prefix->size()) return false;
  if (condition.prefix->empty()) return true;
  HG_TRY(const std::string bytes, current_bytes(*key));
  return bytes.starts_with(*condition.prefix);
}

void PendingBatch::drop_database(DatabaseId database) {
  dropped_.push_back(database);
  needs_sync_ = true;
}

void PendingBatch::emit(rocksdb::WriteBatch& batch) {
  for (const PendingKey& key : keys_) {
    if (key.change != Change::none) emit_value(key, batch);
    if (key.entry) emit_entry(key, batch);
  }
  for (const DatabaseId database : dropped_) batch.Put(engine_.meta, drop_mark_key(database), "");
  if (last_version_ <= limit_) return;
  limit_ = last_version_ + kVersionRange;
  needs_sync_ = true;  // before a version beyond the old limit is known to anybody
  batch.Put(engine_.meta, kVersionLimitKey, ByteWriter().be64(limit_).bytes());
}

void PendingBatch::emit_value(const PendingKey& key, rocksdb::WriteBatch& batch) {
  rocksdb::ColumnFamilyHandle* family = engine_.family(key.family);
  ValueHeader header = key.state.header;
  if (key.change == Change::append) {
    batch.Merge(family, key.stored, append_operand(header.cas, key.bytes));
    return;
  }
  if (key.change == Change::remove && header.feed_position == PartitionPosition()) {
    batch.Delete(family, key.stored);
    return;
  }
  std::string bytes;
  if (key.change == Change::remove)
    header = {.is_removed = true, .cas = header.cas, .feed_position = header.feed_position};
  const bool is_counter = header.is_counter && !header.is_removed;
  bytes.reserve(32 + key.bytes.size());
  write_header(header, bytes);
  bytes += is_counter ? counter_payload(key.state.number) : key.bytes;
  batch.Put(family, key.stored, bytes);
}

void PendingBatch::emit_entry(const PendingKey& key, rocksdb::WriteBatch& batch) {
  const DatabaseId database = key.key.database;
  if (key.stored_entry != PartitionPosition())
    batch.Delete(engine_.feed, feed_key(database, key.stored_entry));
  batch.Put(engine_.feed, feed_key(database, key.state.header.feed_position),
            feed_record_bytes({key.key, key.entry->bytes, key.entry->is_removal}));
}

void PendingBatch::keep_states() {
  engine_.version_limit = limit_;
  for (const PendingKey& key : keys_) {
    if (key.family == Family::cache) states_.put(key.stored, key.state);
  }
}

}  // namespace headgate
