// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/types.hpp"
#include "bucket/key.hpp"

namespace headgate {

/// What an acknowledgement of a write means.
enum class Durability : std::uint8_t {
  memory,      ///< survives a crash of the process, not of the machine
  disk,        ///< survives power failure
  replicated,  ///< survives one failover; where there are no replicas, as `disk`
};

/// Holds if the value at `key` begins with `prefix`; without `prefix`, if there is no value. `key`
/// has the database and the tag of the write's key, else `invalid_argument`.
struct Condition {
  Key key;
  std::optional<std::string> prefix;
};

struct WriteOptions {
  Durability durability = Durability::memory;
  /// Executed only while the partition is under this history, else `rolled_back` (R4b).
  std::optional<HistoryId> if_history = {};
  /// Enters the write in the mutation feed of its partition, with these bytes. An older entry of
  /// the same key may disappear from the feed (F9). A write without it leaves the feed as it is.
  std::optional<std::string> feed_entry = {};
  /// The value is absent from then on. Absent: never (append and increment: as before). Only for
  /// kinds that may_expire(), else `invalid_argument`.
  std::optional<WallTime> expires = {};
};

namespace operation {

/// Value and cas, or not_found.
struct Get {
  Key key;
};
/// The value's bytes from `offset` on (none if it is shorter) and in `number` its whole length, or
/// not_found.
struct GetRange {
  Key key;
  std::uint64_t offset = 0;
};
/// Writes a value where there is none: cas, position; else `exists`. With `conditions`, which are
/// checked in the same atomic step: `condition_failed` if one does not hold.
struct Insert {
  Key key;
  std::string value;
  WriteOptions options = {};
  std::vector<Condition> conditions = {};
};
/// Overwrites the version `cas`: cas, position; else `cas_mismatch` (`not_found` without a value).
/// Then `conditions`, as of Insert.
struct Replace {
  Key key;
  std::string value;
  Cas cas;
  WriteOptions options = {};
  std::vector<Condition> conditions = {};
};
/// Removes the version `cas`, or without it whatever there is; else `cas_mismatch` (`not_found`
/// without a value). Then `conditions`, as of Insert.
struct Remove {
  Key key;
  std::optional<Cas> cas;
  WriteOptions options = {};
  std::vector<Condition> conditions = {};
};
/// Adds bytes at the end of a value, which begins empty. `number` is the new length. Not
/// idempotent: a repetition after an unknown outcome must be harmless.
struct Append {
  Key key;
  std::string bytes;
  WriteOptions options = {};
};
/// Adds to a counter, which begins at 0. `number` is the new value. Not idempotent. A counter is
/// read by Get: `number`. A key holds bytes or a counter, by its first write: append to a counter,
/// get_range of one and increment of bytes are `invalid_argument`.
struct Increment {
  Key key;
  std::uint64_t delta = 1;
  WriteOptions options = {};
};

}  // namespace operation

using Operation =
    std::variant<operation::Get, operation::GetRange, operation::Insert, operation::Replace,
                 operation::Remove, operation::Append, operation::Increment>;

/// Larger ones are refused: `too_large`, not done.
inline constexpr std::size_t kMaxTagBytes = 1'024;
inline constexpr std::size_t kMaxNameBytes = 4'096;
/// Of the bytes of one operation, and of a value that grows by appending.
inline constexpr std::size_t kMaxValueBytes = 64u << 20;
inline constexpr std::size_t kMaxFeedEntryBytes = 1u << 20;

const Key& key_of(const Operation& operation);
bool is_write(const Operation& operation);
/// Null for reads.
const WriteOptions* options_of(const Operation& operation);
/// What every bucket refuses by itself: too_large, invalid_argument; else ok.
Errc check(const Operation& operation);

/// Answer to one operation. `status` is `ok`, one of the refusals named at the operation, or
/// - unavailable, overloaded, no_space, too_large, invalid_argument: not done;
/// - rolled_back: not done, because the partition is under another history;
/// - timeout_unknown_outcome: done, not done, or still to be done (reads: simply no answer).
struct Reply {
  Errc status = Errc::ok;
  std::string bytes = {};    ///< Get, GetRange
  std::uint64_t number = 0;  ///< GetRange, Append: length; Get of a counter, Increment: value
  Cas cas = {};              ///< Get, Insert, Replace: the value's version
  PartitionPosition position = {};  ///< of a write with a feed entry
  HistoryId history = {};           ///< the partition's, at that moment; 0 if there was no answer

  bool ok() const { return status == Errc::ok; }
};

/// Where a reader of the feed stands in one partition.
struct FeedPosition {
  HistoryId history;  ///< 0: unknown, taken as the present one
  PartitionPosition position;

  friend bool operator==(const FeedPosition&, const FeedPosition&) = default;
};
/// One for each partition, by number.
using FeedPositions = std::vector<FeedPosition>;

struct FeedEntry {
  Key key;
  std::string bytes;  ///< WriteOptions::feed_entry
  bool is_removal = false;
  Cas cas;
  PartitionNumber partition;
  PartitionPosition position;
  HistoryId history;
};

/// One reader of one database's mutation feed. Entries of one partition come in the order of their
/// positions, each at least once; of several writes to one key perhaps only the last. An entry is
/// shown only when it is as durable as the bucket can make it (RocksDB: synced).
/// Confined to its executor. Must not outlive its bucket.
class MutationFeed {
 public:
  virtual ~MutationFeed() = default;

  /// The next entries, at least one and at most `limit`, or none at the deadline. A reader whose
  /// deadlines come before any answer, even those of the past, is shown everything by later calls.
  /// Errors: `rolled_back` once for each new history whose start lies before the reader's
  /// position: it has been moved back to that start, see positions(). The start lies before every
  /// entry that the reader never saw because a write that is now lost had superseded it.
  /// `unavailable`.
  virtual Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) = 0;
  /// After the last entry returned.
  virtual FeedPositions positions() const = 0;
  /// The position of the database's last entry in every partition that next() can show now; the
  /// feed was drained (R8) when positions() has reached what this returned.
  virtual Task<Result<FeedPositions>> heads(Deadline deadline) = 0;
};

/// One key-value store: the base bucket, the cache bucket, or both. Its keys lie in partitions; the
/// operations of a partition form one order, and after a failover a prefix of them survives under
/// a new history id.
///
/// A Bucket object is confined to the executor of its Environment, which must outlive it; several
/// objects may stand for one store. Must outlive its feeds and all calls in flight.
///
/// Invariants
/// 1. Every reply carries the history of the key's partition.
/// 2. Operations of one call on one partition are carried out in their order, each by itself
///    atomic; between partitions there is no order.
/// 3. A write acknowledged with Durability::memory is visible to every later read.
/// 4. All queues are bounded: what does not fit is answered `overloaded`, not done.
class Bucket {
 public:
  virtual ~Bucket() = default;

  /// Carries out independent operations in one round trip; one reply for each, in their order.
  /// At the deadline the replies that are missing become `timeout_unknown_outcome`.
  virtual Task<std::vector<Reply>> pipeline(std::vector<Operation> operations,
                                            Deadline deadline) = 0;

  /// Up to `limit` values of (database, kind, tag) in the order of their names, beginning with the
  /// first name >= `from`, or, in reverse, the first name <= `from` (an empty `from`: the last).
  struct Scan {
    DatabaseId database = {};
    KeyKind kind{};
    std::string tag = {};
    std::string from = {};
    std::size_t limit = 1000;
    bool in_reverse = false;
  };
  struct ScanPage {
    struct Item {
      std::string name;
      std::string bytes;  ///< empty for a counter
      Cas cas;
    };
    std::vector<Item> items;  ///< fewer than `limit` only at the end of the range
    HistoryId history;
  };
  virtual Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) = 0;

  /// All writes acknowledged before are durable when this returns; histories by partition, as the
  /// barrier saw them.
  virtual Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) = 0;
  /// What was read of `key` under `history` is durable when this returns: for a writer that was not
  /// answered and has found its value there. Idempotent.
  /// Errors: timeout_unknown_outcome, also when a failover came between.
  Task<Result<void>> make_durable(Key key, HistoryId history, Deadline deadline);

  /// Reads `database`'s feed after `positions`; an empty list is the beginning.
  /// Errors: invalid_argument if the count of positions is not partition_count().
  virtual Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                          FeedPositions positions) = 0;

  /// Removes every value and feed entry of a database, in the background; its number must not be
  /// used again. Idempotent; goes on after a restart.
  virtual Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) = 0;

  virtual PartitionNumber partition_of(const Key& key) const = 0;
  virtual std::size_t partition_count() const = 0;
  /// Histories last seen in replies, by partition; 0 where there was none yet. Never suspends.
  virtual std::vector<HistoryId> histories() const = 0;

  // One operation each, by pipeline().
  Task<Reply> get(Key key, Deadline deadline);
  Task<Reply> get_range(Key key, std::uint64_t offset, Deadline deadline);
  /// One reply for each key, in their order.
  Task<std::vector<Reply>> get_many(std::vector<Key> keys, Deadline deadline);
  Task<Reply> insert(Key key, std::string value, WriteOptions options, Deadline deadline);
  Task<Reply> insert_if(Key key, std::string value, std::vector<Condition> conditions,
                        WriteOptions options, Deadline deadline);
  Task<Reply> replace(Key key, std::string value, Cas cas, WriteOptions options, Deadline deadline);
  Task<Reply> remove(Key key, Cas cas, WriteOptions options, Deadline deadline);
  Task<Reply> append(Key key, std::string bytes, WriteOptions options, Deadline deadline);
  Task<Reply> increment(Key key, std::uint64_t delta, WriteOptions options, Deadline deadline);

 private:
  Task<Reply> one(Operation operation, Deadline deadline);
};

}  // namespace headgate
