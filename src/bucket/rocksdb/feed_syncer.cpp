// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/feed_syncer.hpp"

#include <algorithm>

#include "bucket/rocksdb/engine.hpp"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kRetryInterval(200);

}  // namespace

FeedSyncer::FeedSyncer(RocksEngine& engine, Publisher& publisher)
    : engine_(engine), publisher_(publisher), thread_([this] { run(); }) {}

void FeedSyncer::request(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  requested_ = std::max(requested_, version);
  arrived_.notify_one();
}

void FeedSyncer::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    arrived_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void FeedSyncer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return is_stopping_ || requested_ > engine_.synced; });
    if (is_stopping_) return;
    const std::uint64_t version = requested_;
    lock.unlock();
    const bool is_done = sync(version);
    lock.lock();
    arrived_.wait_for(lock, is_done ? kInterval : kRetryInterval, [this] { return is_stopping_; });
  }
}

bool FeedSyncer::sync(std::uint64_t version) {
  const auto open = engine_.hold_open();
  if (!open) return false;
  {
    const std::lock_guard log_lock(engine_.log_mutex);
    // The committer meets, or has met, the same failure, logs it and sees to it.
    if (engine_.log_status.ok()) engine_.log_status = engine_.db->SyncWAL();
    if (!engine_.log_status.ok()) return false;
  }
  ++syncs_;
  const Mailbox::Databases fed = publisher_.raise_synced(version);
  if (fed.empty()) return true;
  for (const auto& mailbox : publisher_.watching()) mailbox->deliver({}, fed);
  return true;
}

}  // namespace headgate
