// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/rocks_store.hpp"

#include <utility>

#include "base/log.hpp"
#include "bucket/rocksdb/backup.hpp"
#include "bucket/rocksdb/engine.hpp"
#include "bucket/rocksdb/threads.hpp"

namespace headgate {

Result<std::unique_ptr<RocksStore>> RocksStore::open(RocksOptions options) {
  HG_TRY(auto engine, open_engine(options));
  remove_unfinished_backup(options.directory);
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(engine), options));
}

RocksStore::RocksStore(std::shared_ptr<RocksEngine> engine, const RocksOptions& options)
    : directory_(options.directory),
      engine_(std::move(engine)),
      threads_(std::make_unique<RocksThreads>(*engine_, options)) {}

RocksStore::~RocksStore() {
  threads_->committer.stop();
  threads_->syncer.stop();
  threads_->dropper.stop();
  const auto marked = mark_clean(*engine_, threads_->committer.last_version());
  if (!marked) log(LogLevel::error, "store.close_failed", {{"error", marked.error().context}});
}

bool RocksStore::was_clean_open() const {
  return engine_->was_clean_open;
}

HistoryId RocksStore::history() const {
  return engine_->history();
}

std::vector<HistoryStart> RocksStore::histories() const {
  return engine_->histories;
}

namespace {

/// What RocksDB itself counts, over all column families.
void add_sizes(const RocksEngine& engine, RocksStatistics& statistics) {
  using Properties = rocksdb::DB::Properties;
  const auto open = engine.hold_open();
  if (!open.owns_lock()) return;
  engine.db->GetAggregatedIntProperty(Properties::kTotalSstFilesSize, &statistics.table_bytes);
  engine.db->GetAggregatedIntProperty(Properties::kCurSizeAllMemTables, &statistics.memtable_bytes);
  engine.db->GetAggregatedIntProperty(Properties::kEstimatePendingCompactionBytes,
                                      &statistics.awaiting_compaction_bytes);
  // One cache for all families: the sum would count it once for each.
  engine.db->GetIntProperty(engine.feed, Properties::kBlockCacheUsage, &statistics.cached_bytes);
}

}  // namespace

RocksStatistics RocksStore::statistics() const {
  RocksStatistics statistics;
  statistics.feed_syncs = threads_->syncer.syncs();
  statistics.wal_syncs = statistics.feed_syncs;
  threads_->committer.add_statistics(statistics);
  statistics.cold_reads = threads_->cold_reads;
  statistics.databases_being_dropped = engine_->dropped.size();
  add_sizes(*engine_, statistics);
  return statistics;
}

}  // namespace headgate
