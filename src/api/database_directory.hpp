// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/signal.hpp"
#include "base/task.hpp"
#include "base/task_scope.hpp"
#include "changes/changes_source.hpp"
#include "changes/feed_hub.hpp"
#include "changes/wake_up_relay.hpp"
#include "database/catalog.hpp"
#include "database/database.hpp"

namespace headgate {

class DatabaseLease;

/// The running databases of one front end, by name. start_all() starts them, a few at a time; a
/// request starts the one that it needs at once. One that cannot start fails its own requests and
/// is tried again, by requests and in the background; the others go on. Confined to its executor.
/// The environment and buckets must outlive it. Destroy it after stop().
class DatabaseDirectory {
 public:
  struct Dependencies {
    Environment& environment;
    Bucket& base;
    Bucket& cache;  ///< may be the same as base
    Deployment deployment = Deployment::single_process;
    /// In a cluster: to the other nodes; null: there are none.
    WakeUpTransport* wake_ups = nullptr;
  };

  explicit DatabaseDirectory(Dependencies dependencies);
  ~DatabaseDirectory();

  /// Opens the catalog; call once, first. Returns the server's uuid, constant for the store.
  Task<Result<std::string>> open();
  /// Starts all databases in the background, so that what a crash left is repaired before anybody
  /// asks. REQUIRES: open().
  void start_all();
  /// Ends all feeds, waits for all leases, stops all databases. Nothing can be found any more.
  Task<void> stop();

  /// The running database of that name; suspends while it starts.
  /// Errors: not_found "Database does not exist"; unavailable with the reason why it cannot start;
  /// no_space.
  Task<Result<DatabaseLease>> find(std::string name);
  /// Errors: as DatabaseCatalog::create(); a database that was made but does not start is made, and
  /// started later.
  Task<Result<void>> create(std::string name, DatabaseConfig config);
  /// Ends the database's feeds, waits for its requests, deletes it. Errors: not_found, unavailable.
  Task<Result<void>> remove(std::string name);
  /// Stores and applies another configuration. Errors: as DatabaseCatalog::update(); unavailable if
  /// it is stored but cannot be applied: then the database is started anew with it.
  Task<Result<void>> reconfigure(std::string name, DatabaseConfig config);
  /// Catches up with what other nodes made of the catalog: starts databases that are new, applies
  /// other configurations, closes those that are gone. What cannot be done now is left to the next
  /// call. Calls do not overlap.
  Task<Result<void>> follow_catalog();
  /// All running databases.
  std::vector<DatabaseLease> leases();
  /// A message of another node's WakeUpRelay of that database; nothing if it does not run here.
  void deliver(DatabaseId database, std::string_view wake_up);

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
  Task<void> follow(std::shared_ptr<Entry> entry);
  Task<void> close_and_forget(std::shared_ptr<Entry> entry);
  Task<Result<void>> make_usable(DatabaseLease lease);
  Task<void> close(std::shared_ptr<Entry> entry);
  Task<void> drain(std::shared_ptr<Entry> entry);
  Task<void> restart(std::shared_ptr<Entry> entry);
  Task<void> start_listed();
  Task<void> start_until_running(std::vector<std::string> names);
  Task<void> start_in_turn(std::vector<std::string>& names, std::vector<std::string>& failed);
  Task<void> pause(std::chrono::nanoseconds duration);
  void forget(const Entry& entry);

  Dependencies dependencies_;
  DatabaseCatalog catalog_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
  bool is_stopping_ = false;
  Signal stopping_;
  TaskScope background_;
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
