// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/database_dropper.hpp"

#include <memory>

#include "base/log.hpp"
#include "bucket/rocksdb/engine.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kRetryInterval(5);

}  // namespace

DatabaseDropper::DatabaseDropper(RocksEngine& engine)
    : engine_(engine), thread_([this] { run(); }) {}

void DatabaseDropper::wake() {
  const std::lock_guard lock(mutex_);
  arrived_.notify_one();
}

void DatabaseDropper::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    arrived_.notify_one();
  }
  if (!thread_.joinable()) return;
  if (const auto open = engine_.hold_open()) engine_.db->DisableManualCompaction();
  thread_.join();
}

void DatabaseDropper::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return is_stopping_ || engine_.dropped.size() > 0; });
    if (is_stopping_) return;
    const DatabaseId database = engine_.dropped.any().value();
    lock.unlock();
    const bool is_done = give_back(database);
    lock.lock();
    if (!is_done) arrived_.wait_for(lock, kRetryInterval, [this] { return is_stopping_.load(); });
  }
}

bool DatabaseDropper::give_back(DatabaseId database) {
  const auto open = engine_.hold_open();
  if (!open) return false;
  auto status = reclaim(*engine_.feed, database);
  for (rocksdb::ColumnFamilyHandle* family : engine_.families) {
    if (status.ok()) status = reclaim(*family, database);
  }
  if (status.ok()) {
    const std::lock_guard log_lock(engine_.log_mutex);
    status = engine_.log_status;
    if (status.ok())
      status = engine_.db->Delete(rocksdb::WriteOptions(), engine_.meta, drop_mark_key(database));
    engine_.log_status = status;
  }
  if (status.ok()) engine_.dropped.remove(database);
  if (!status.ok() && !is_stopping_)
    log(LogLevel::warning, "store.drop_failed", {{"status", status.ToString()}});
  return status.ok();
}

/// Rewrites the files that hold the database's keys, which leaves them out (ReclaimFilter), until
/// none is left: a compaction that began before the drop may put some where ours has been.
rocksdb::Status DatabaseDropper::reclaim(rocksdb::ColumnFamilyHandle& family, DatabaseId database) {
  const std::string begin = database_prefix(database);
  const std::string end = database_end(database);
  const rocksdb::Slice from(begin);
  const rocksdb::Slice to(end);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  rocksdb::ReadOptions within;
  within.iterate_upper_bound = &to;
  while (true) {
    if (is_stopping_) return rocksdb::Status::Aborted("the store is closed");
    const auto status = engine_.db->CompactRange(options, &family, &from, &to);
    if (!status.ok()) return status;
    const std::unique_ptr<rocksdb::Iterator> left(engine_.db->NewIterator(within, &family));
    left->Seek(from);
    if (!left->Valid()) return left->status();
  }
}

}  // namespace headgate
