// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/committer.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.hpp"
#include "bucket/rocksdb/pending_batch.hpp"

namespace headgate {
namespace {

constexpr std::size_t kBatchOperationsMax = 8'192;
constexpr std::size_t kBatchBytesMax = 16u << 20;
constexpr std::size_t kStatesKept = 65'536;
constexpr std::chrono::milliseconds kRoomInterval(100);

/// The channel cache, which grows with documents alone, and its record's copy in the base bucket.
bool is_of_cache(const Operation& operation) {
  const KeyKind kind = key_of(operation).kind;
  return kind >= KeyKind::block || kind == KeyKind::stable_copy;
}

/// A write that waits for a flush is told of the flush's failure as of its own that was not
/// tried, with the reason in words only.
bool is_no_space(const rocksdb::Status& status) {
  if (status.IsNoSpace()) return true;
  return status.IsIncomplete() && status.ToString().find("No space left") != std::string::npos;
}

}  // namespace

Committer::Committer(RocksEngine& engine, Publisher& publisher, FeedSyncer& syncer,
                     DatabaseDropper& dropper, const RocksOptions& options)
    : engine_(engine),
      publisher_(publisher),
      syncer_(syncer),
      dropper_(dropper),
      options_(options),
      states_(kStatesKept),
      last_version_(engine.first_version),
      thread_([this] { run(); }) {}

Errc Committer::submit(std::shared_ptr<WriteRequest> request) {
  const std::size_t operations = std::max<std::size_t>(1, request->operations.size());
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return Errc::unavailable;
  // One request alone is always taken, however large: else it could never be.
  const bool has_room = queued_operations_ + operations <= options_.queue_operations_max &&
                        queued_bytes_ + request->bytes <= options_.queue_bytes_max;
  if (!has_room && !queue_.empty()) {
    ++overloads_;
    return Errc::overloaded;
  }
  queued_operations_ += operations;
  queued_bytes_ += request->bytes;
  queued_operations_high_ = std::max(queued_operations_high_, queued_operations_);
  queue_.push_back(std::move(request));
  if (queue_.size() == 1) arrived_.notify_one();
  return Errc::ok;
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    arrived_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Committer::add_statistics(RocksStatistics& into) const {
  into.batches = batches_;
  into.operations = operations_;
  into.wal_bytes = wal_bytes_;
  into.wal_syncs += wal_syncs_;
  into.overloads = overloads_;
  const std::lock_guard lock(mutex_);
  into.queue_operations = queued_operations_;
  into.queue_operations_high = queued_operations_high_;
}

void Committer::run() {
  while (true) {
    Requests requests = take();
    if (requests.empty()) return;
    commit(std::move(requests));
  }
}

/// Waits for work; empty when the committer is to end.
Committer::Requests Committer::take() {
  Requests taken;
  std::size_t operations = 0;
  std::size_t bytes = 0;
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return !queue_.empty() || is_stopping_; });
  while (!queue_.empty() && operations < kBatchOperationsMax && bytes < kBatchBytesMax) {
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
    operations += std::max<std::size_t>(1, taken.back()->operations.size());
    bytes += taken.back()->bytes;
  }
  queued_operations_ -= operations;
  queued_bytes_ -= bytes;
  return taken;
}

void Committer::commit(Requests requests) {
  if (must_restart_) return fail(requests, Errc::unavailable);
  if (const Requests refused = take_out_refused(requests); !refused.empty())
    fail(refused, Errc::no_space);
  if (requests.empty()) return;
  if (const Errc code = make_ready(); code != Errc::ok) return fail(requests, code);
  PendingBatch batch(engine_, states_, last_version_);
  const bool is_barrier = carry_out(requests, batch);
  const Errc outcome = write(batch, is_barrier);
  if (outcome != Errc::ok) {
    // A batch that is found again after all wakes the feeds.
    if (!batch.fed().empty()) publisher_.note_entries(batch.fed(), last_version_);
    return fail(requests, outcome);
  }
  deliver(requests, succeed(batch, is_barrier));
}

void Committer::fail(const Requests& requests, Errc code) {
  for (const auto& request : requests) {
    request->outcome = code;
    for (Reply& reply : request->replies) reply = {.status = code, .history = engine_.history()};
  }
  deliver(requests, {});
}

/// Takes out of `requests` those that there is no room for. Barriers add nothing, and dropping a
/// database is what makes room.
Committer::Requests Committer::take_out_refused(Requests& requests) {
  const auto adds = [](const auto& request) { return !request->operations.empty(); };
  if (!must_reopen_ && !std::any_of(requests.begin(), requests.end(), adds)) return {};
  const Room room = look_for_room();
  if (room == Room::ample) return {};
  if (must_reopen_) return std::exchange(requests, {});
  const auto is_accepted = [&](const auto& request) {
    const auto& operations = request->operations;
    return !adds(request) ||
           (room == Room::little && std::all_of(operations.begin(), operations.end(), is_of_cache));
  };
  Requests refused;
  for (auto& request : std::exchange(requests, {}))
    (is_accepted(request) ? requests : refused).push_back(std::move(request));
  return refused;
}

Errc Committer::make_ready() {
  return must_reopen_ ? reopen() : Errc::ok;
}

Errc Committer::reopen() {
  if (const auto reopened = engine_.reopen(options_); !reopened) {
    log(LogLevel::critical, "store.reopen_failed", {{"error", reopened.error().context}});
    room_ = Room::none;
    return Errc::no_space;
  }
  const std::uint64_t end = engine_.db->GetLatestSequenceNumber();
  if (end != log_end_ && end != log_end_if_done_) {
    log(LogLevel::critical, "store.reopened_without_all_writes");
    must_restart_ = true;
    return Errc::unavailable;
  }
  log(LogLevel::info, "store.reopened");
  must_reopen_ = false;
  // The batch whose outcome was unknown may be there now.
  states_ = KeyStates(kStatesKept);
  dropper_.wake();
  syncer_.request(last_version_);
  return Errc::ok;
}

/// Looks rarely; what others write to the disk in between is met as a failure.
Committer::Room Committer::look_for_room() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_for_room_ < kRoomInterval) return room_;
  looked_for_room_ = now;
  rocksdb::Env& env = options_.env ? *options_.env : *rocksdb::Env::Default();
  std::uint64_t free = 0;
  const auto status =
      env.GetFileSystem()->GetFreeSpace(options_.directory, rocksdb::IOOptions(), &free, nullptr);
  Room now_there = Room::ample;
  if (status.ok() && free < options_.free_bytes_min)
    now_there = free < options_.free_bytes_min / 4 ? Room::none : Room::little;
  const Room before = std::exchange(room_, now_there);
  if (before == Room::ample && room_ != Room::ample)
    log(LogLevel::critical, "store.disk_full", {{"free_bytes", std::to_string(free)}});
  if (before != Room::ample && room_ == Room::ample)
    log(LogLevel::info, "store.disk_has_room", {{"free_bytes", std::to_string(free)}});
  return room_;
}

/// Returns the databases whose feeds have news.
Mailbox::Databases Committer::succeed(PendingBatch& batch, bool is_barrier) {
  batch.keep_states();
  for (const DatabaseId database : batch.dropped()) {
    engine_.dropped.add(database);
    dropper_.wake();
  }
  if (!batch.fed().empty()) publisher_.note_entries(batch.fed(), last_version_);
  if (batch.needs_sync() || is_barrier) return publisher_.raise_synced(last_version_);
  if (!batch.fed().empty()) syncer_.request(last_version_);
  return {};
}

/// True if one of them is a barrier.
bool Committer::carry_out(const Requests& requests, PendingBatch& batch) {
  bool is_barrier = false;
  for (const auto& request : requests) {
    if (request->is_abandoned) continue;
    is_barrier = is_barrier || request->is_barrier;
    if (request->dropped) batch.drop_database(*request->dropped);
    for (std::size_t i = 0; i < request->operations.size(); ++i)
      request->replies[i] = batch.carry_out(request->operations[i], request->now);
    operations_ += request->operations.size();
  }
  return is_barrier;
}

Errc Committer::write(PendingBatch& batch, bool is_barrier) {
  rocksdb::WriteBatch bytes;
  batch.emit(bytes);
  const bool is_unsynced = last_version_ > engine_.synced;
  const bool with_sync = batch.needs_sync() || (is_barrier && is_unsynced);
  if (bytes.Count() == 0 && !with_sync) return Errc::ok;
  return write_or_sync(bytes, with_sync);
}

Errc Committer::write_or_sync(rocksdb::WriteBatch& bytes, bool with_sync) {
  const std::lock_guard log_lock(engine_.log_mutex);
  log_end_ = engine_.db->GetLatestSequenceNumber();
  log_end_if_done_ = log_end_;
  // Of a sync for the feed.
  if (!engine_.log_status.ok()) return failed(engine_.log_status, false);
  if (bytes.Count() == 0) {
    engine_.log_status = engine_.db->SyncWAL();
  } else {
    rocksdb::WriteOptions options;
    options.sync = with_sync;
    engine_.log_status = engine_.db->Write(options, &bytes);
    ++batches_;
    wal_bytes_ += bytes.GetDataSize();
  }
  if (with_sync) ++wal_syncs_;
  if (engine_.log_status.ok()) return Errc::ok;
  if (with_sync) log_end_if_done_ += static_cast<std::uint64_t>(bytes.Count());
  return failed(engine_.log_status, true);
}

Errc Committer::failed(const rocksdb::Status& status, bool was_tried) {
  log(LogLevel::critical, "store.write_failed", {{"status", status.ToString()}});
  if (is_no_space(status)) {
    must_reopen_ = true;
    room_ = Room::none;
    looked_for_room_ = std::chrono::steady_clock::now();
    // Without a sync the end of the batch is missing in the log, and no open will find it. A sync
    // may have failed when all of it was there.
    return log_end_if_done_ == log_end_ ? Errc::no_space : Errc::timeout_unknown_outcome;
  }
  // The log may hold the batch: whether it survives, only the next open can tell, and whether
  // earlier unsynced writes do.
  must_restart_ = true;
  return was_tried ? Errc::timeout_unknown_outcome : Errc::unavailable;
}

/// One post for each executor.
void Committer::deliver(const Requests& requests, const Mailbox::Databases& fed) {
  std::map<std::shared_ptr<Mailbox>, Requests> by_mailbox;
  for (const auto& request : requests) by_mailbox[request->mailbox].push_back(request);
  if (!fed.empty()) {
    for (auto& mailbox : publisher_.watching()) by_mailbox.try_emplace(std::move(mailbox));
  }
  for (auto& [mailbox, finished] : by_mailbox)
    mailbox->deliver(std::move(finished), mailbox->is_watching() ? fed : Mailbox::Databases());
}

}  // namespace headgate
