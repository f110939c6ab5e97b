// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/types.hpp"

namespace headgate {

struct RocksEngine;

/// Gives back the space of dropped databases, whose keys the committer has covered by range
/// deletions, one database after the other. What is marked in the store when it is opened is taken
/// up again.
class DatabaseDropper {
 public:
  explicit DatabaseDropper(RocksEngine& engine);
  ~DatabaseDropper() { stop(); }

  /// Safe from any thread.
  void add(DatabaseId database);
  /// Breaks off; the mark of an unfinished database stays. Idempotent.
  void stop();
  std::size_t remaining() const { return remaining_; }

 private:
  void take_up_marks();
  void run();
  bool compact(DatabaseId database);

  RocksEngine& engine_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<DatabaseId> queue_;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<std::size_t> remaining_ = 0;
  std::thread thread_;
};

}  // namespace headgate
