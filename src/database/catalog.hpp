// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "bucket/bucket.hpp"
#include "database/database_config.hpp"

namespace headgate {

inline constexpr std::size_t kDatabaseNameMax = 238;  ///< bytes

/// Ok for names as CouchDB has them: a lower-case letter, then lower-case letters, digits and any
/// of `_ $ ( ) + / -`. Errc::invalid_argument says what is wrong, for the client.
Result<void> check_database_name(std::string_view name);

/// One database as the catalog holds it.
struct DatabaseEntry {
  std::string name;
  DatabaseId id;
  DatabaseConfig config;
};

/// What a copy of a store takes over beside its databases.
struct StoreIdentity {
  std::string uuid;               ///< of the server
  std::uint64_t last_number = 0;  ///< last given to a database
};

/// The list of a store's databases, kept in the base bucket under database number 0. It does not
/// know which of them are running. Confined to its executor. The buckets must outlive it.
///
/// Invariant: a database number is never used twice, not even by a creation that failed.
class DatabaseCatalog {
 public:
  /// `base` and `cache` may be the same bucket.
  DatabaseCatalog(Environment& environment, Bucket& base, Bucket& cache)
      : environment_(environment), base_(base), cache_(cache) {}

  /// Finishes deletions that a crash cut short, makes the server's uuid if there is none, and
  /// returns it: 32 hex digits, constant for this store. Call once, first.
  /// Errors: as Bucket::get; unavailable: a copy into this store is not finished.
  Task<Result<std::string>> open();

  /// The next open() makes another uuid. Errors: as Bucket::get.
  Task<Result<void>> forget_uuid();

  /// Makes an empty database. The sync function is compiled first.
  /// Errors: invalid_argument (name, sync function), exists, unavailable, no_space,
  /// timeout_unknown_outcome (a later create() tells).
  Task<Result<DatabaseEntry>> create(std::string name, DatabaseConfig config);
  /// Errors: not_found, corrupted, unsupported, unavailable.
  Task<Result<DatabaseEntry>> get(std::string name);
  /// All databases in the order of their names.
  Task<Result<std::vector<DatabaseEntry>>> list();
  /// Stores another configuration of an existing database; Database::reconfigure() applies it.
  /// Errors: not_found, invalid_argument (sync function; block_format, block_capacity or
  /// star_channel differ), cas_mismatch (somebody else changed it), unavailable.
  Task<Result<DatabaseEntry>> update(std::string name, DatabaseConfig config);
  /// Forgets the database and removes all that it holds, in the background. It must have been
  /// stopped. Idempotent: not_found once it is gone. Errors: as Bucket::get, nothing done;
  /// timeout_unknown_outcome: perhaps gone, and remove(), create() or open() will finish the work.
  Task<Result<void>> remove(std::string name);

  // A copy of a whole store (StoreCopy). All may be repeated. Errors: as Bucket::get.

  /// After open().
  Task<Result<StoreIdentity>> identity();
  /// Marks this store as an unfinished copy of `from`, and gives no number that `from` has given.
  /// Errors: exists: databases are here, or a copy, finished or of another store.
  Task<Result<void>> begin_copy(StoreIdentity from);
  /// Makes the list what `entries` say, with their numbers.
  Task<Result<void>> enter_copies(std::vector<DatabaseEntry> entries);
  Task<Result<void>> finish_copy();

 private:
  struct Stored;
  Task<Result<Stored>> load(std::string name);
  Task<Result<void>> drop(std::string name, Stored stored);
  Task<Result<std::string>> server_uuid();
  Task<Result<std::vector<std::pair<std::string, Stored>>>> load_all();
  Deadline deadline() const;

  Environment& environment_;
  Bucket& base_;
  Bucket& cache_;
};

}  // namespace headgate
