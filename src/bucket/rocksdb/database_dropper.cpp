// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/database_dropper.hpp"

#include <memory>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "bucket/rocksdb/engine.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kRetryInterval(5);

}  // namespace

DatabaseDropper::DatabaseDropper(RocksEngine& engine) : engine_(engine) {
  take_up_marks();
  thread_ = std::thread([this] { run(); });
}

void DatabaseDropper::take_up_marks() {
  const std::unique_ptr<rocksdb::Iterator> at(
      engine_.db->NewIterator(rocksdb::ReadOptions(), engine_.meta));
  for (at->Seek(kDropPrefix); at->Valid() && at->key().starts_with(kDropPrefix); at->Next()) {
    ByteReader reader(at->key().ToStringView().substr(kDropPrefix.size()));
    queue_.push_back(DatabaseId(reader.be32()));
  }
  remaining_ = queue_.size();
}

void DatabaseDropper::add(DatabaseId database) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(database);
  ++remaining_;
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
    arrived_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    if (is_stopping_) return;
    const DatabaseId database = queue_.front();
    lock.unlock();
    const bool is_done = compact(database);
    lock.lock();
    if (is_done) {
      queue_.pop_front();
      --remaining_;
    } else {
      arrived_.wait_for(lock, kRetryInterval, [this] { return is_stopping_.load(); });
    }
  }
}

/// Rewrites the files that hold the database's keys, which leaves them out.
bool DatabaseDropper::compact(DatabaseId database) {
  const auto open = engine_.hold_open();
  if (!open) return false;
  const std::string begin = database_prefix(database);
  const std::string end = database_end(database);
  const rocksdb::Slice from(begin);
  const rocksdb::Slice to(end);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  rocksdb::Status status;
  for (rocksdb::ColumnFamilyHandle* family : engine_.families) {
    if (status.ok()) status = engine_.db->CompactRange(options, family, &from, &to);
  }
  if (status.ok()) status = engine_.db->CompactRange(options, engine_.feed, &from, &to);
  if (status.ok())
    status = engine_.db->Delete(rocksdb::WriteOptions(), engine_.meta, drop_mark_key(database));
  if (status.ok()) return true;
  if (!is_stopping_) log(LogLevel::warning, "store.drop_failed", {{"status", status.ToString()}});
  return false;
}

}  // namespace headgate
