// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/wal_filter.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "bucket/history.hpp"
#include "bucket/rocksdb/dropped_databases.hpp"
#include "bucket/rocksdb/reclaim_filter.hpp"
#include "bucket/rocksdb/rocks_store.hpp"
#include "bucket/rocksdb/stored_key.hpp"

namespace headgate {

/// Keys of the column family "default", which describe the store itself.
inline constexpr std::string_view kCleanMarkKey = "clean";
inline constexpr std::string_view kHistoriesKey = "histories";
inline constexpr std::string_view kVersionLimitKey = "version limit";
inline constexpr std::string_view kDropPrefix = "drop/";
std::string drop_mark_key(DatabaseId database);

/// Versions (cas, positions) are taken from ranges of this many; after an unclean open the next
/// range begins, so that no version of a lost write is ever given again.
inline constexpr std::uint64_t kVersionRange = 1'000'000;

/// The open database and what was found in it. Shared by reads in flight, so that they may outlive
/// the RocksStore. Safe from any thread that holds it open; who writes which member is said there.
struct RocksEngine {
  ~RocksEngine() { close(); }

  /// Keeps the database open while it is owned. Not owned (false): it is being reopened, try later.
  std::shared_lock<std::shared_mutex> hold_open() const;
  /// Committer only: closes the database after a failed write and opens it again. What was
  /// acknowledged is in the log; the failed batch is torn there, and dropped. RocksDB's own
  /// Resume() does not do: 7.8 keeps the file that failed, and Debian's build aborts at the next
  /// write to it.
  Result<void> reopen(const RocksOptions& options);

  rocksdb::ColumnFamilyHandle* family(Family of) const {
    return families[static_cast<std::size_t>(of)];
  }
  HistoryId history() const { return histories.back().history; }

  DroppedDatabases dropped;
  const ReclaimFilter value_filter{dropped, true};
  const ReclaimFilter filter{dropped, false};
  std::unique_ptr<rocksdb::WalFilter> log_continuity;  ///< of the open; must outlive db
  std::unique_ptr<rocksdb::DB> db;                     ///< null if it could not be reopened
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* feed = nullptr;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyCount> families = {};

  bool was_clean_open = false;
  std::vector<HistoryStart> histories;
  std::uint64_t first_version = 0;        ///< the last version given before this open
  std::uint64_t version_limit = 0;        ///< committer: no higher version without a new limit
  std::atomic<std::uint64_t> synced = 0;  ///< every write up to this version is on the disk

  /// Held by whoever writes or syncs the log. A sync beside, or after, a failed write aborts the
  /// process in RocksDB 7.8 as Debian builds it.
  std::mutex log_mutex;
  rocksdb::Status log_status;  ///< under log_mutex: of its first failure since the open

 private:
  void close();

  mutable std::shared_mutex gate_;
  std::atomic<bool> is_reopening_ = false;
};

/// Beside RocksDB's files: the number of the format, in a data directory and in a backup.
inline constexpr const char* kFormatFile = "/HEADGATE-FORMAT";
inline constexpr const char* kBackupFile = "/HEADGATE-BACKUP";
/// Whole and durable, or not there.
Result<void> write_format(rocksdb::Env& env, const std::string& directory, const char* file);
/// Errors: invalid_argument (no backup), unsupported (of a newer version), corrupted, unavailable.
Result<void> check_backup(rocksdb::Env& env, const std::string& directory);
Result<void> sync_directory(rocksdb::Env& env, const std::string& path);

/// Opens or makes the store and begins its history. Errors: unavailable (another process has it,
/// I/O), unsupported (a newer format), corrupted, no_space.
Result<std::shared_ptr<RocksEngine>> open_engine(const RocksOptions& options);
/// Marks the store as closed in order, `last_version` being the last one given.
Result<void> mark_clean(RocksEngine& engine, std::uint64_t last_version);

/// A failed call of RocksDB as one of ours.
Errc code_of(const rocksdb::Status& status);
Error error_of(const rocksdb::Status& status, std::string_view what);

}  // namespace headgate
