// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/signal.hpp"
#include "base/task.hpp"
#include "changes/changes_source.hpp"
#include "changes/feed_hub.hpp"
#include "database/catalog.hpp"
#include "database/database.hpp"

namespace headgate {

class DatabaseLease;

/// The running databases of one front end, by name. A database is started by the first request for
/// it: a thousand idle ones cost nothing. One that cannot start fails its own requests and is tried
/// again later; the others go on.
/// Confined to its executor. The environment and buckets must outlive it. Destroy it after stop().
class DatabaseDirectory {
 public:
  struct Dependencies {
    Environment& environment;
    Bucket& base;
    Bucket& cache;  ///< may be the same as base
  };

  explicit DatabaseDirectory(Dependencies dependencies);
  ~DatabaseDirectory();

  /// Opens the catalog; call once, first. Returns the server's uuid, constant for the store.
  Task<Result<std::string>> open();
  /// Ends all feeds, waits for all leases, stops all databases. Nothing can be found any more.
  Task<void> stop();

  /// The running database of that name; suspends while it starts.
  /// Errors: not_found "Database does not exist"; unavailable with the reason why it cannot start.
  Task<Result<DatabaseLease>> find(std::string name);
  /// Errors: as DatabaseCatalog::create(); a database that was made but does not start is made.
  Task<Result<void>> create(std::string name, DatabaseConfig config);
  /// Ends the database's feeds, waits for its requests, deletes it. Errors: not_found, unavailable.
  Task<Result<void>> remove(std::string name);
  /// Stores and applies another configuration. Errors: as DatabaseCatalog::update().
  Task<Result<void>> reconfigure(std::string name, DatabaseConfig config);
  /// Names of all databases, in order.
  Task<Result<std::vector<std::string>>> list();

  /// For metrics. Valid until the next suspension.
  struct Running {
    Database& database;
    FeedHub& hub;
  };
  std::vector<Running> running();

 private:
  friend class DatabaseLease;
  struct Entry;

  Task<Result<std::shared_ptr<Entry>>> entry_of(std::string name);
  Task<void> start(std::shared_ptr<Entry> entry);
  Task<void> close(std::shared_ptr<Entry> entry);
  void forget(const Entry& entry);

  Dependencies dependencies_;
  DatabaseCatalog catalog_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
  bool is_stopping_ = false;
};

/// Keeps a database running while a request uses it. Feeds end by themselves when it is to stop;
/// everything else must give the lease back soon. Confined to the directory's executor.
class DatabaseLease {
 public:
  DatabaseLease() = default;
  DatabaseLease(DatabaseLease&& other) noexcept = default;
  DatabaseLease& operator=(DatabaseLease&& other) noexcept;
  ~DatabaseLease();

  explicit operator bool() const { return entry_ != nullptr; }
  Database& database() const;
  FeedHub& hub() const;
  ChangesSource& changes() const;

 private:
  friend class DatabaseDirectory;
  explicit DatabaseLease(std::shared_ptr<DatabaseDirectory::Entry> entry);

  std::shared_ptr<DatabaseDirectory::Entry> entry_;
};

}  // namespace headgate
