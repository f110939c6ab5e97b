// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "bucket/rocksdb/database_dropper.hpp"
#include "bucket/rocksdb/engine.hpp"
#include "bucket/rocksdb/feed_syncer.hpp"
#include "bucket/rocksdb/key_states.hpp"
#include "bucket/rocksdb/mailbox.hpp"
#include "bucket/rocksdb/publisher.hpp"

namespace headgate {

class PendingBatch;

/// The one thread that writes. Takes whatever is queued, without waiting for more, makes one
/// WriteBatch of it, syncs if an operation in it asks for the disk, and answers after the sync.
class Committer {
 public:
  Committer(RocksEngine& engine, Publisher& publisher, FeedSyncer& syncer, DatabaseDropper& dropper,
            const RocksOptions& options);
  ~Committer() { stop(); }

  /// Errors: overloaded; unavailable after stop(). Safe from any thread.
  Errc submit(std::shared_ptr<WriteRequest> request);
  /// Carries out what is queued, then ends the thread. Idempotent.
  void stop();

  /// After stop(): the last version given.
  std::uint64_t last_version() const { return last_version_; }
  void add_statistics(RocksStatistics& into) const;

 private:
  using Requests = Mailbox::Requests;
  /// What the disk has room for: everything; the channel cache, which finishes what was accepted
  /// and without which no database is opened; nothing.
  enum class Room : unsigned char { ample, little, none };

  void run();
  Requests take();
  void commit(Requests requests);
  bool carry_out(const Requests& requests, PendingBatch& batch);
  Mailbox::Databases succeed(PendingBatch& batch, bool is_barrier);
  Errc write(PendingBatch& batch, bool is_barrier);
  Errc write_or_sync(rocksdb::WriteBatch& bytes, bool with_sync);
  Errc make_ready();
  Requests take_out_refused(Requests& requests);
  Room look_for_room();
  void fail(const Requests& requests, Errc code);
  Errc failed(const rocksdb::Status& status, bool was_tried);
  Errc reopen();
  void deliver(const Requests& requests, const Mailbox::Databases& fed);

  RocksEngine& engine_;
  Publisher& publisher_;
  FeedSyncer& syncer_;
  DatabaseDropper& dropper_;
  const RocksOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<WriteRequest>> queue_;  // under mutex_, like the next four
  std::size_t queued_operations_ = 0;
  std::size_t queued_bytes_ = 0;
  std::size_t queued_operations_high_ = 0;
  bool is_stopping_ = false;

  // The committer's own.
  KeyStates states_;
  std::uint64_t last_version_;
  bool must_reopen_ = false;  // the disk was full
  // What the log has to end with when it is reopened: one of these sequence numbers.
  std::uint64_t log_end_ = 0;
  std::uint64_t log_end_if_done_ = 0;
  bool must_restart_ = false;
  Room room_ = Room::ample;
  std::chrono::steady_clock::time_point looked_for_room_;

  std::atomic<std::uint64_t> batches_ = 0;
  std::atomic<std::uint64_t> operations_ = 0;
  std::atomic<std::uint64_t> wal_bytes_ = 0;
  std::atomic<std::uint64_t> wal_syncs_ = 0;
  std::atomic<std::uint64_t> overloads_ = 0;
  std::thread thread_;
};

}  // namespace headgate
