// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/rocksdb/engine.hpp"
#include "bucket/rocksdb/key_states.hpp"

namespace headgate {

/// The effects of one turn of the committer, which become one WriteBatch. Operations see the
/// effects of those before them; several on one key are joined to one change. Because only one
/// thread writes, looking at a version and writing the next one needs no lock. Confined to the
/// committer; lives for one turn.
class PendingBatch {
 public:
  /// `last_version` is raised with every write.
  PendingBatch(RocksEngine& engine, KeyStates& states, std::uint64_t& last_version);

  /// Carries out a write that check() passed; takes its bytes. Reads of the store may block.
  Reply carry_out(Operation& operation, WallTime now);
  void drop_database(DatabaseId database);

  /// Adds everything to `batch`; once, at the end.
  void emit(rocksdb::WriteBatch& batch);
  /// Once the batch is written.
  void keep_states();

  bool needs_sync() const { return needs_sync_; }
  /// Databases with new feed entries.
  const std::vector<DatabaseId>& fed() const { return fed_; }
  const std::vector<DatabaseId>& dropped() const { return dropped_; }

 private:
  enum class Change : std::uint8_t { none, put, append, remove };
  struct Entry {
    std::string bytes;
    bool is_removal = false;
  };
  struct PendingKey {
    Key key;
    Family family{};
    std::string stored;
    KeyState state;
    Change change = Change::none;
    std::string bytes;  // of put: the value; of append: what is added
    PartitionPosition stored_entry;
    std::optional<Entry> entry;
  };

  Reply run(operation::Get&, WallTime) { return {.status = Errc::invalid_argument}; }
  Reply run(operation::GetRange&, WallTime) { return {.status = Errc::invalid_argument}; }
  Reply run(operation::Insert& insert, WallTime now);
  Reply run(operation::Replace& replace, WallTime now);
  Reply run(operation::Remove& remove, WallTime now);
  Reply run(operation::Append& append, WallTime now);
  Reply run(operation::Increment& increment, WallTime now);

  Result<PendingKey*> at(const Key& key, WallTime now);
  Result<KeyState> load_state(Family family, std::string_view stored);
  Result<std::string> current_bytes(const PendingKey& key);
  /// ok if all hold, else condition_failed or what reading came to.
  Errc check(const std::vector<Condition>& conditions, WallTime now);
  Result<bool> holds(const Condition& condition, WallTime now);
  Result<void> add_bytes(PendingKey& key, const operation::Append& append);
  void set_bytes(PendingKey& key, std::string bytes, const WriteOptions& options);
  Reply stamp(PendingKey& key, WriteOptions& options, bool is_removal);
  void emit_value(const PendingKey& key, rocksdb::WriteBatch& batch);
  void emit_entry(const PendingKey& key, rocksdb::WriteBatch& batch);

  RocksEngine& engine_;
  KeyStates& states_;
  std::uint64_t& last_version_;
  std::uint64_t limit_;
  std::deque<PendingKey> keys_;  // in the order in which they were touched
  std::unordered_map<std::string_view, PendingKey*> by_stored_;
  std::vector<DatabaseId> dropped_;
  std::vector<DatabaseId> fed_;
  bool needs_sync_ = false;
};

}  // namespace headgate
