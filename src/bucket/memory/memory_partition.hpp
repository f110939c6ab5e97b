// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/history.hpp"

namespace headgate {

/// The values, the feed and the operations of one partition of a MemoryStore. Every write that was
/// carried out is kept, so that a failover can go back to any prefix of them: memory grows with
/// the writes. Not thread-safe.
class MemoryPartition {
 public:
  MemoryPartition(PartitionNumber number, HistoryId first_history);

  /// Carries out one operation that check() passed; `now` decides what has expired.
  Reply execute(const Operation& operation, WallTime now);

  /// As execute() of a Get.
  Reply get(const Key& key, WallTime now) const;
  std::vector<Bucket::ScanPage::Item> scan(const Bucket::Scan& scan, WallTime now) const;
  /// Adds the entries of `database` after `after` until `into` holds `limit`.
  void read_feed(DatabaseId database, PartitionPosition after, std::size_t limit,
                 std::vector<FeedEntry>& into) const;
  /// Position of the last feed entry of `database`; 0 if there is none.
  PartitionPosition head(DatabaseId database) const;
  void drop_database(DatabaseId database);

  /// Goes on under `next` with what the first `kept_operations` writes left.
  void fail_over(HistoryId next, std::size_t kept_operations);
  /// Goes on under `only` with what there is, as if there had been no other history: readers of
  /// every other one begin again.
  void restart_histories(HistoryId only) { histories_ = {{only, PartitionPosition()}}; }

  /// The version given last, also if it was lost.
  Cas last_version() const { return Cas(last_cas_); }
  /// Versions up to `used` will not be given: for several partitions that share one count.
  void skip_versions(Cas used) { last_cas_ = std::max(last_cas_, used.value()); }

  HistoryId history() const { return histories_.back().history; }
  const std::vector<HistoryStart>& histories() const { return histories_; }
  /// Writes carried out; the dropping of a database is one, too.
  std::size_t operation_count() const { return log_.size(); }

 private:
  /// A write that was carried out.
  struct Mutation {
    enum class Kind : std::uint8_t { set, append, set_number, remove, drop };
    Key key = {};
    Kind kind{};
    std::string bytes = {};
    std::uint64_t number = 0;
    Cas cas = {};
    std::optional<WallTime> expires = {};
    std::optional<std::string> feed_entry = {};
    PartitionPosition position = {};
  };
  struct Value {
    std::string bytes;
    std::optional<std::uint64_t> number;  // of a counter
    Cas cas;
    std::optional<WallTime> expires;
  };
  struct FeedRecord {
    Key key;
    std::string bytes;
    bool is_removal = false;
    Cas cas;
  };
  using Feed = std::map<PartitionPosition, FeedRecord>;

  Reply run(const operation::Get& get, WallTime now) const;
  Reply run(const operation::GetRange& get, WallTime now) const;
  Reply run(const operation::Insert& insert, WallTime now);
  Reply run(const operation::Replace& replace, WallTime now);
  Reply run(const operation::Remove& remove, WallTime now);
  Reply run(const operation::Append& append, WallTime now);
  Reply run(const operation::Increment& increment, WallTime now);

  const Value* find(const Key& key, WallTime now) const;
  bool hold(const std::vector<Condition>& conditions, WallTime now) const;
  bool holds(const Condition& condition, WallTime now) const;
  Reply write(Mutation mutation, const WriteOptions& options);
  void apply(const Mutation& mutation);
  void apply_drop(DatabaseId database);
  void enter_feed(const Mutation& mutation);
  std::optional<PartitionPosition> first_not_in(const std::map<DatabaseId, Feed>& before) const;

  PartitionNumber number_;
  std::vector<HistoryStart> histories_;
  std::vector<Mutation> log_;
  std::uint64_t last_cas_ = 0;  // never goes back: a cas that was lost is not given again
  PartitionPosition last_position_;
  std::map<Key, Value> values_;
  std::map<DatabaseId, Feed> feeds_;
  std::map<Key, PartitionPosition> entered_;  // the key's entry in the feed
};

}  // namespace headgate
