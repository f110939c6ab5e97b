// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/types.hpp"

namespace headgate {

struct RocksEngine;

/// Gives back the space of dropped databases (RocksEngine::dropped), one after the other. What is
/// marked in the store when it is opened is taken up again.
class DatabaseDropper {
 public:
  explicit DatabaseDropper(RocksEngine& engine);
  ~DatabaseDropper() { stop(); }

  /// There is one more. Safe from any thread.
  void wake();
  /// Breaks off; the mark of an unfinished database stays. Idempotent.
  void stop();

 private:
  void run();
  bool give_back(DatabaseId database);
  rocksdb::Status reclaim(rocksdb::ColumnFamilyHandle& family, DatabaseId database);

  RocksEngine& engine_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

}  // namespace headgate
