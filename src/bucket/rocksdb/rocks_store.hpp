// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "bucket/history.hpp"

namespace rocksdb {
class Env;
}

namespace headgate {

struct RocksEngine;
class RocksThreads;

struct RocksOptions {
  std::string directory;                        ///< made if absent; its parent must exist
  std::size_t block_cache_bytes = 256u << 20;   ///< blocks read, with indexes and filters
  std::size_t write_buffer_bytes = 128u << 20;  ///< written, not yet in files: of all families
  std::size_t queue_operations_max = 65'536;    ///< waiting writes; beyond: `overloaded`
  /// With less free, writes to the base bucket are refused (`no_space`); with a quarter, all are.
  std::uint64_t free_bytes_min = 256u << 20;
  std::size_t queue_bytes_max = 256u << 20;  ///< of the waiting writes; beyond: `overloaded`
  rocksdb::Env* env = nullptr;               ///< null: the machine's. Tests use faulty ones
};

/// Counts since the store was opened.
struct RocksStatistics {
  std::uint64_t batches = 0;     ///< turns of the committer that wrote something
  std::uint64_t operations = 0;  ///< carried out in them
  std::uint64_t wal_bytes = 0;
  std::uint64_t wal_syncs = 0;       ///< all of them
  std::uint64_t feed_syncs = 0;      ///< those only to show entries of durability `memory`
  std::uint64_t overloads = 0;       ///< calls refused
  std::uint64_t cold_reads = 0;      ///< calls that went to a worker
  std::size_t queue_operations = 0;  ///< waiting now
  std::size_t queue_operations_high = 0;
  std::size_t databases_being_dropped = 0;
  // Bytes now; 0 while the store is being reopened.
  std::uint64_t table_bytes = 0;                ///< of the files that hold the data
  std::uint64_t memtable_bytes = 0;             ///< written, not yet in files
  std::uint64_t cached_bytes = 0;               ///< of the files, kept in memory
  std::uint64_t awaiting_compaction_bytes = 0;  ///< that compactions will rewrite
};

/// The embedded store: one RocksDB for both buckets, opened once per process. One partition. Safe
/// from any thread. Must outlive its buckets. Its destructor carries out what is queued and marks
/// the store as closed in order; without that mark the next open begins a new history.
class RocksStore {
 public:
  /// Blocks. Errors, with a context for people: unavailable (another process has it open, I/O),
  /// unsupported (written by a newer version), corrupted, no_space.
  static Result<std::unique_ptr<RocksStore>> open(RocksOptions options);
  ~RocksStore();
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  /// False if the last process did not close it: then history() is a new one.
  bool was_clean_open() const;
  HistoryId history() const;
  /// Oldest first; the newest kHistoriesKept.
  std::vector<HistoryStart> histories() const;
  RocksStatistics statistics() const;
  const std::string& directory() const { return directory_; }

  static constexpr std::size_t kHistoriesKept = 64;

 private:
  friend class RocksBackup;
  friend class RocksBucket;
  friend class RocksFeed;

  RocksStore(std::shared_ptr<RocksEngine> engine, const RocksOptions& options);

  /// A backup in a new directory on the store's disk (backup.cpp).
  Result<void> link_checkpoint(const std::string& to) const;

  std::string directory_;
  std::shared_ptr<RocksEngine> engine_;
  std::unique_ptr<RocksThreads> threads_;
};

}  // namespace headgate
