// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "bucket/rocksdb/publisher.hpp"

namespace headgate {

/// Syncs the log soon after a write of durability `memory` that has a feed entry, so that the feed
/// can show it although no durable write follows. The committer waits for such a sync.
/// At most one sync every kInterval: that bounds what such databases cost the disk, and is the time
/// they may lose at a power failure.
class FeedSyncer {
 public:
  static constexpr std::chrono::milliseconds kInterval{5};

  FeedSyncer(RocksEngine& engine, Publisher& publisher);
  ~FeedSyncer() { stop(); }

  /// Entries up to `version` are written and wait. Safe from any thread.
  void request(std::uint64_t version);
  /// Idempotent.
  void stop();
  std::uint64_t syncs() const { return syncs_; }

 private:
  void run();
  bool sync(std::uint64_t version);

  RocksEngine& engine_;
  Publisher& publisher_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::uint64_t requested_ = 0;  // under mutex_
  bool is_stopping_ = false;     // under mutex_
  std::atomic<std::uint64_t> syncs_ = 0;
  std::thread thread_;
};

}  // namespace headgate
