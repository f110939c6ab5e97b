// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <utility>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "bucket/rocksdb/append_operator.hpp"
#include "bucket/rocksdb/engine.hpp"
#include "bucket/rocksdb/feed_record.hpp"
#include "bucket/rocksdb/log_continuity.hpp"

namespace headgate {
namespace {

/// Of everything in the directory. 1: docs/key-layout.md, "Embedded store".
constexpr int kFormatVersion = 1;
const std::vector<std::string> kFamilies = {"default", "values", "sequence_documents", "cache",
                                            "feed"};

/// Makes the directory if it is absent. RocksDB makes durable what is in it, not its own entry.
Result<void> make_directory(rocksdb::Env& env, const std::string& directory) {
  const bool is_new = env.FileExists(directory).IsNotFound();
  if (const auto status = env.CreateDirIfMissing(directory); !status.ok())
    return error_of(status, "make " + directory);
  const auto whole = std::filesystem::absolute(directory + "/.").lexically_normal();
  const auto synced = sync_directory(env, whole.parent_path().parent_path());
  // Where an older directory lies may not be ours to read.
  return is_new ? synced : Result<void>();
}

/// 0 or less: that is no number.
Result<int> read_format(rocksdb::Env& env, const std::string& path) {
  std::string text;
  if (const auto status = rocksdb::ReadFileToString(&env, path, &text); !status.ok())
    return error_of(status, "read " + path);
  return std::atoi(text.c_str());
}

/// Refuses what another version wrote.
Result<void> check_version(const std::string& path, int version) {
  if (version == kFormatVersion) return {};
  if (version <= 0) return Error{Errc::corrupted, path + " is not a format number"};
  return Error{Errc::unsupported, path + " names format " + std::to_string(version) +
                                      ", this version reads up to format " +
                                      std::to_string(kFormatVersion)};
}

/// Before RocksDB touches anything.
Result<void> check_format(rocksdb::Env& env, const std::string& directory) {
  const std::string path = directory + kFormatFile;
  const bool has_database = env.FileExists(directory + "/CURRENT").ok();
  if (!env.FileExists(path).ok()) {
    if (env.FileExists(directory + kBackupFile).ok())
      return Error{Errc::unsupported,
                   directory + " is a backup: headgate restore makes a data directory of it"};
    if (has_database)
      return Error{Errc::unsupported, directory + " holds a database that is not Headgate's"};
    return write_format(env, directory, kFormatFile);
  }
  HG_TRY(const int version, read_format(env, path));
  if (version <= 0 && !has_database) return write_format(env, directory, kFormatFile);
  return check_version(path, version);
}

/// Leaves going on after a failed write to the committer (RocksEngine::reopen).
class NoOwnRecovery final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::DBOptions database_options(const RocksOptions& options) {
  rocksdb::DBOptions db;
  if (options.env) db.env = options.env;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  // After a crash of the machine what is left is a prefix of the writes, of all families alike.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.db_write_buffer_size = options.write_buffer_bytes;
  // Bounds what an open has to insert again: 64 MiB by default, which may take 2 s of processor
  // time where entries are small. Four times as much saved next to nothing when writing.
  db.max_total_wal_size = options.write_buffer_bytes / 2;
  db.max_background_jobs = 2;
  db.bytes_per_sync = 1u << 20;
  db.keep_log_file_num = 4;
  db.max_log_file_size = 8u << 20;
  db.skip_stats_update_on_db_open = true;
  db.avoid_unnecessary_blocking_io = true;
  db.listeners.push_back(std::make_shared<NoOwnRecovery>());
  return db;
}

rocksdb::ColumnFamilyOptions family_options(const RocksOptions& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  // What was just written is what is read next.
  table.prepopulate_block_cache =
      rocksdb::BlockBasedTableOptions::PrepopulateBlockCache::kFlushOnly;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = options.write_buffer_bytes / 2;
  family.level_compaction_dynamic_level_bytes = true;
  const auto compressions = rocksdb::GetSupportedCompressions();
  const bool has_lz4 = std::find(compressions.begin(), compressions.end(),
                                 rocksdb::kLZ4Compression) != compressions.end();
  family.compression = has_lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  return family;
}

std::vector<rocksdb::ColumnFamilyDescriptor> descriptors(const RocksOptions& options,
                                                         const RocksEngine& engine) {
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> all;
  for (const std::string& name : kFamilies) all.emplace_back(name, family_options(options, cache));
  for (std::size_t i = 1; i < all.size(); ++i)
    all[i].options.compaction_filter = i == 1 ? &engine.value_filter : &engine.filter;
  // Every write looks for its key, most of which are new: without a filter each such search walks
  // through the whole depth of a skip list. 1 % of a memory table is about 12 bits for a key.
  for (std::size_t i = 1; i <= kFamilyCount; ++i) {
    all[i].options.memtable_whole_key_filtering = true;
    all[i].options.memtable_prefix_bloom_size_ratio = 0.01;
  }
  all[3].options.merge_operator = std::make_shared<AppendOperator>();
  return all;
}

Result<void> read_drop_marks(RocksEngine& engine) {
  const std::unique_ptr<rocksdb::Iterator> at(
      engine.db->NewIterator(rocksdb::ReadOptions(), engine.meta));
  for (at->Seek(kDropPrefix); at->Valid() && at->key().starts_with(kDropPrefix); at->Next()) {
    ByteReader reader(at->key().ToStringView().substr(kDropPrefix.size()));
    engine.dropped.add(DatabaseId(reader.be32()));
  }
  if (!at->status().ok()) return error_of(at->status(), "read the marks of dropped databases");
  return {};
}

Result<void> open_database(const RocksOptions& options, RocksEngine& engine) {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  engine.log_continuity = std::make_unique<LogContinuity>();
  rocksdb::DBOptions with = database_options(options);
  with.wal_filter = engine.log_continuity.get();
  const auto status =
      rocksdb::DB::Open(with, options.directory, descriptors(options, engine), &handles, &db);
  if (!status.ok()) {
    if (status.ToString().find("lock") != std::string::npos)
      return Error{Errc::unavailable,
                   options.directory + " is in use by another process: " + status.ToString()};
    return error_of(status, "open " + options.directory);
  }
  engine.db.reset(db);
  engine.meta = handles[0];
  for (std::size_t i = 0; i < kFamilyCount; ++i) engine.families[i] = handles[1 + i];
  engine.feed = handles[4];
  return read_drop_marks(engine);
}

/// Empty if there is none.
Result<std::string> read_meta(RocksEngine& engine, std::string_view key) {
  std::string value;
  const auto status = engine.db->Get(rocksdb::ReadOptions(), engine.meta, key, &value);
  if (!status.ok() && !status.IsNotFound()) return error_of(status, "read the store's state");
  return value;
}

Result<std::vector<HistoryStart>> read_histories(std::string_view bytes) {
  ByteReader reader(bytes);
  std::vector<HistoryStart> all(reader.count(16));
  for (HistoryStart& one : all) one = {HistoryId(reader.be64()), PartitionPosition(reader.be64())};
  HG_CHECK(reader.finish("histories"));
  return all;
}

std::string histories_bytes(const std::vector<HistoryStart>& histories) {
  ByteWriter writer;
  writer.varint(histories.size());
  for (const HistoryStart& one : histories)
    writer.be64(one.history.value()).be64(one.start.value());
  return std::move(writer).bytes();
}

HistoryId random_history() {
  std::random_device device;
  std::uniform_int_distribution<std::uint64_t> any(1, ~0ull);
  return HistoryId(any(device));
}

/// The highest position of all databases' entries: what a new history has in common with the last.
Result<PartitionPosition> last_feed_position(RocksEngine& engine) {
  const std::unique_ptr<rocksdb::Iterator> at(
      engine.db->NewIterator(rocksdb::ReadOptions(), engine.feed));
  PartitionPosition last;
  at->SeekToLast();
  while (at->Valid()) {
    if (!engine.dropped.contains_key(at->key().ToStringView()))
      last = std::max(last, position_of_feed_key(at->key().ToStringView()));
    const DatabaseId database = database_of_feed_key(at->key().ToStringView());
    at->SeekForPrev(feed_key(database, PartitionPosition()));
  }
  if (!at->status().ok()) return error_of(at->status(), "read the feed");
  return last;
}

Result<void> read_state(RocksEngine& engine) {
  HG_TRY(const std::string histories, read_meta(engine, kHistoriesKey));
  HG_TRY(const std::string clean, read_meta(engine, kCleanMarkKey));
  if (histories.empty()) {
    engine.was_clean_open = true;
    engine.histories = {{random_history(), PartitionPosition()}};
    return {};
  }
  HG_TRY(engine.histories, read_histories(histories));
  if (engine.histories.empty()) return Error{Errc::corrupted, "histories"};
  engine.was_clean_open = !clean.empty();
  if (engine.was_clean_open) {
    engine.first_version = ByteReader(clean).be64();
    return {};
  }
  HG_TRY(const std::string limit, read_meta(engine, kVersionLimitKey));
  engine.first_version = ByteReader(limit).be64();
  HG_TRY(const PartitionPosition start, last_feed_position(engine));
  if (engine.histories.size() >= RocksStore::kHistoriesKept)
    engine.histories.erase(engine.histories.begin());
  engine.histories.push_back({random_history(), start});
  return {};
}

/// From here on an end without mark_clean() is an unclean one.
Result<void> begin_history(RocksEngine& engine) {
  engine.version_limit = engine.first_version + kVersionRange;
  engine.synced = engine.first_version;
  rocksdb::WriteBatch batch;
  batch.Delete(engine.meta, kCleanMarkKey);
  batch.Put(engine.meta, kHistoriesKey, histories_bytes(engine.histories));
  batch.Put(engine.meta, kVersionLimitKey, ByteWriter().be64(engine.version_limit).bytes());
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const auto status = engine.db->Write(synced, &batch);
  if (!status.ok()) return error_of(status, "begin the store's history");
  return {};
}

}  // namespace

Result<void> sync_directory(rocksdb::Env& env, const std::string& path) {
  std::unique_ptr<rocksdb::Directory> directory;
  auto status = env.NewDirectory(path, &directory);
  if (status.ok()) status = directory->Fsync();
  if (!status.ok()) return error_of(status, "sync " + path);
  return {};
}

Result<void> write_format(rocksdb::Env& env, const std::string& directory, const char* file) {
  const std::string path = directory + file;
  const std::string text = std::to_string(kFormatVersion) + "\n";
  auto status = rocksdb::WriteStringToFile(&env, text, path + ".new", true);
  if (status.ok()) status = env.RenameFile(path + ".new", path);
  if (!status.ok()) return error_of(status, "write " + path);
  return sync_directory(env, directory);
}

Result<void> check_backup(rocksdb::Env& env, const std::string& directory) {
  const std::string path = directory + kBackupFile;
  if (!env.FileExists(path).ok())
    return Error{Errc::invalid_argument, directory + " is not a backup of Headgate"};
  HG_TRY(const int version, read_format(env, path));
  return check_version(path, version);
}

void RocksEngine::close() {
  if (!db) return;
  for (rocksdb::ColumnFamilyHandle* handle : families) db->DestroyColumnFamilyHandle(handle);
  db->DestroyColumnFamilyHandle(feed);
  db->DestroyColumnFamilyHandle(meta);
  db.reset();
}

std::shared_lock<std::shared_mutex> RocksEngine::hold_open() const {
  // Without the look beforehand a stream of readers could keep reopen() waiting.
  if (is_reopening_) return {};
  std::shared_lock lock(gate_);
  return db ? std::move(lock) : std::shared_lock<std::shared_mutex>();
}

Result<void> RocksEngine::reopen(const RocksOptions& options) {
  is_reopening_ = true;
  if (db) db->DisableManualCompaction();
  const std::unique_lock lock(gate_);
  close();
  auto opened = open_database(options, *this);
  if (opened) {
    const std::lock_guard log_lock(log_mutex);
    log_status = rocksdb::Status::OK();
  }
  is_reopening_ = false;
  return opened;
}

std::string drop_mark_key(DatabaseId database) {
  return std::string(kDropPrefix) + database_prefix(database);
}

Result<std::shared_ptr<RocksEngine>> open_engine(const RocksOptions& options) {
  rocksdb::Env& env = options.env ? *options.env : *rocksdb::Env::Default();
  HG_CHECK(make_directory(env, options.directory));
  HG_CHECK(check_format(env, options.directory));
  auto engine = std::make_shared<RocksEngine>();
  HG_CHECK(open_database(options, *engine));
  HG_CHECK(read_state(*engine));
  HG_CHECK(begin_history(*engine));
  log(LogLevel::info, "store.open",
      {{"directory", options.directory},
       {"clean", engine->was_clean_open ? "yes" : "no"},
       {"history", std::to_string(engine->history().value())}});
  return engine;
}

Result<void> mark_clean(RocksEngine& engine, std::uint64_t last_version) {
  if (!engine.db) return Error{Errc::unavailable, "the store is not open"};
  // After a failed write or sync of the log a later one may succeed, but says nothing of what was
  // lost before.
  const std::lock_guard log_lock(engine.log_mutex);
  if (!engine.log_status.ok()) return error_of(engine.log_status, "mark the store as closed");
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const auto status =
      engine.db->Put(synced, engine.meta, kCleanMarkKey, ByteWriter().be64(last_version).bytes());
  if (!status.ok()) return error_of(status, "mark the store as closed");
  return {};
}

Errc code_of(const rocksdb::Status& status) {
  if (status.ok()) return Errc::ok;
  if (status.IsNotFound()) return Errc::not_found;
  if (status.IsNoSpace()) return Errc::no_space;
  if (status.IsCorruption()) return Errc::corrupted;
  return Errc::unavailable;
}

Error error_of(const rocksdb::Status& status, std::string_view what) {
  return {code_of(status), std::string(what) + ": " + status.ToString()};
}

}  // namespace headgate
