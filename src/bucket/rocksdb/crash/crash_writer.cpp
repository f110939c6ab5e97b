// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/crash/crash_writer.hpp"

#include <rocksdb/env.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/log.hpp"
#include "bucket/rocksdb/crash/shared_file.hpp"

namespace headgate {
namespace {

using Kind = CrashOperation::Kind;
using std::chrono::milliseconds;

constexpr KeyKind kKinds[] = {KeyKind::document, KeyKind::local_document, KeyKind::block,
                              KeyKind::channel_counter, KeyKind::sequence_document};
constexpr std::uint64_t kNames = 8;
constexpr std::size_t kCallsAfterRefusal = 20;

void note_complaint(CrashRecord& record, const std::string& about) {
  std::strncpy(record.complaint, about.c_str(), sizeof(record.complaint) - 1);
}

}  // namespace

CrashWriter::CrashWriter(ManualEnvironment& environment, RocksStore& store, CrashRecord& record)
    : environment_(environment),
      record_(record),
      bucket_(environment, store),
      random_(record.seed),
      changed_(environment),
      tasks_(environment) {
  constexpr std::uint64_t kPercents[] = {0, 3, 20, 100};
  durable_percent_ = kPercents[pick(4)];
  window_ = 1 + pick(24);
}

Task<void> CrashWriter::run() {
  co_await first_write();
  co_await load();
  record_.phase = CrashRecord::Phase::writing;
  for (const std::uint16_t database : record_.databases) tasks_.spawn(follow(database));
  tasks_.spawn(follow(kLastingDatabase));
  while (!record_.must_stop && record_.operation_count + 1'000 < CrashRecord::kOperationsMax) {
    const auto seen = changed_.count();
    for (; calls_ < window_; ++calls_) tasks_.spawn(call());
    co_await changed_.wait_past(seen);
  }
  while (calls_ > 0) co_await changed_.wait_past(changed_.count());
}

// --- What to do ----------------------------------------------------------------------------------

CrashOperation& CrashWriter::add(Kind kind, std::uint16_t database, KeyKind key_kind,
                                 std::uint8_t name) {
  const std::size_t at = record_.operation_count;
  HG_ASSERT(at < CrashRecord::kOperationsMax);
  CrashOperation& operation = record_.operations[at];
  operation.kind = kind;
  operation.database = database;
  operation.key_kind = key_kind;
  operation.name = name;
  operation.id = record_.first_id + at;
  return operation;
}

std::uint16_t CrashWriter::some_database() {
  const std::uint64_t which = pick(4);
  return which == 3 ? kLastingDatabase : record_.databases[which];
}

std::uint32_t CrashWriter::some_length() {
  if (one_in(40)) return static_cast<std::uint32_t>(pick(60'000));
  return static_cast<std::uint32_t>(pick(300));
}

void CrashWriter::add_one(std::vector<CrashOperation*>& to, bool is_durable) {
  const KeyKind key_kind = kKinds[pick(std::size(kKinds))];
  const auto name = static_cast<std::uint8_t>(pick(kNames));
  const std::uint16_t database = some_database();
  Kind kind = one_in(6) ? Kind::remove : one_in(3) ? Kind::insert : Kind::replace;
  if (key_kind == KeyKind::channel_counter) kind = one_in(20) ? Kind::remove : Kind::increment;
  if (key_kind == KeyKind::block && !one_in(8)) kind = Kind::append;
  CrashOperation& operation = add(kind, database, key_kind, name);
  operation.is_durable = is_durable;
  operation.has_entry = key_kind == KeyKind::document || one_in(15);
  operation.length = some_length();
  operation.number = kind == Kind::increment ? pick(5) : 0;
  operation.cas = one_in(20) ? pick(10) : cas_[{database, key_kind, name}];
  ++record_.operation_count;
  to.push_back(&operation);
}

std::vector<CrashOperation*> CrashWriter::some_operations() {
  std::vector<CrashOperation*> operations;
  const bool is_durable = pick(100) < durable_percent_;
  const std::uint64_t count = one_in(30) ? pick(100) : 1 + pick(5);
  for (std::uint64_t i = 0; i < count; ++i) add_one(operations, is_durable && one_in(2));
  return operations;
}

// --- Doing it ------------------------------------------------------------------------------------

/// The versions of the values that are there.
Task<void> CrashWriter::load() {
  for (const std::uint16_t database :
       {record_.databases[0], record_.databases[1], record_.databases[2], kLastingDatabase}) {
    for (const KeyKind kind : kKinds) {
      Bucket::Scan scan{DatabaseId(database), kind, "tag"};
      const auto page = co_await bucket_.scan(std::move(scan), kNoDeadline);
      if (!page) co_return complain("a scan", page.error().code);
      for (const auto& item : page->items)
        cas_[{database, kind, static_cast<std::uint8_t>(std::stoi(item.name))}] = item.cas.value();
    }
  }
}

/// Alone, so that its version tells where this process's versions begin.
Task<void> CrashWriter::first_write() {
  CrashOperation& first = add(Kind::insert, kLastingDatabase, KeyKind::principal, 0);
  const Reply found = co_await bucket_.get(first.key(), kNoDeadline);
  if (found.ok()) {
    first.kind = Kind::replace;
    first.cas = found.cas.value();
  }
  first.is_durable = true;
  first.has_entry = true;
  ++record_.operation_count;
  std::vector<CrashOperation*> operations{&first};
  co_await carry_out(std::move(operations));
}

Task<void> CrashWriter::call() {
  if (calls_refused_ > kCallsAfterRefusal) {
    co_await environment_.sleep_for(milliseconds(10));
  } else if (one_in(150)) {
    co_await drop();
  } else if (one_in(100)) {
    co_await barrier();
  } else {
    co_await carry_out(some_operations());
  }
  --calls_;
  changed_.raise();
}

/// The operations were just noted: nothing may come between.
Task<void> CrashWriter::carry_out(std::vector<CrashOperation*> operations) {
  std::vector<Operation> asked;
  for (const CrashOperation* operation : operations) asked.push_back(operation->operation());
  const auto replies = co_await bucket_.pipeline(std::move(asked), kNoDeadline);
  for (std::size_t i = 0; i < operations.size(); ++i) take(*operations[i], replies[i]);
  if (operations.empty()) co_return;
  const Errc last = replies.back().status;
  if (last == Errc::unavailable || last == Errc::timeout_unknown_outcome) {
    ++calls_refused_;
    co_await look_after_refusal();
  } else if (last == Errc::no_space) {
    co_await environment_.sleep_for(milliseconds(10));
  }
}

void CrashWriter::take(CrashOperation& operation, const Reply& reply) {
  const Slot slot{operation.database, operation.key_kind, operation.name};
  if (reply.ok()) cas_[slot] = operation.kind == Kind::remove ? 0 : reply.cas.value();
  answer(operation, reply);
}

void CrashWriter::answer(CrashOperation& operation, const Reply& reply) {
  operation.status = reply.status;
  operation.new_cas = reply.cas.value();
  operation.new_number = reply.number;
  operation.history = reply.history.value();
  operation.is_answered = true;
}

Task<void> CrashWriter::barrier() {
  CrashOperation& operation = add(Kind::barrier, 0, KeyKind::document, 0);
  operation.is_durable = true;
  ++record_.operation_count;
  const auto done = co_await bucket_.barrier(kNoDeadline);
  answer(operation, {.status = done ? Errc::ok : done.error().code});
}

/// A dropped database's number is not used again: another one takes its place.
Task<void> CrashWriter::drop() {
  std::uint16_t& database = record_.databases[pick(3)];
  CrashOperation& operation = add(Kind::drop, database, KeyKind::document, 0);
  operation.is_durable = true;
  database = record_.next_database++;
  ++record_.operation_count;
  tasks_.spawn(follow(database));
  const DatabaseId dropped(operation.database);
  const auto done = co_await bucket_.drop_database(dropped, kNoDeadline);
  answer(operation, {.status = done ? Errc::ok : done.error().code});
}

/// Whatever happens to writes, reads go on.
Task<void> CrashWriter::look_after_refusal() {
  const Reply found = co_await bucket_.get(record_.operations[0].key(), kNoDeadline);
  if (found.ok() || found.status == Errc::not_found) co_return;
  complain("a read after a failed write", found.status);
}

// --- Following -----------------------------------------------------------------------------------

Task<void> CrashWriter::follow(std::uint16_t database) {
  CrashOperation at{};
  at.database = database;
  at.key_kind = KeyKind::stable_copy;
  at.name = kCheckpointName;
  const Reply found = co_await bucket_.get(at.key(), kNoDeadline);
  cas_[{database, at.key_kind, at.name}] = found.cas.value();
  const Checkpoint from = found.ok() ? Checkpoint::parse(found.bytes) : Checkpoint();
  const FeedPositions positions{{found.history, PartitionPosition(from.position)}};
  const auto feed = std::move(*bucket_.open_feed(DatabaseId(database), positions));
  while (true) {
    const auto entries = co_await feed->next(1 + pick(50), kNoDeadline);
    if (!entries && is_reopening(entries.error().code)) {
      co_await environment_.sleep_for(milliseconds(10));
      continue;
    }
    if (!entries) co_return complain("a feed", entries.error().code);
    for (const FeedEntry& entry : *entries) show(database, entry);
    if (one_in(3)) co_await store_checkpoint(database, feed->positions().front().position.value());
  }
}

void CrashWriter::show(std::uint16_t database, const FeedEntry& entry) {
  const std::size_t at = record_.shown_count;
  HG_ASSERT(at < CrashRecord::kShownMax);
  ShownEntry& shown = record_.shown[at];
  shown.database = database;
  shown.key_kind = entry.key.kind;
  shown.name = static_cast<std::uint8_t>(std::stoi(entry.key.name));
  shown.is_removal = entry.is_removal;
  shown.position = entry.position.value();
  shown.entry = std::stoull(entry.bytes);
  ++record_.shown_count;
}

Task<void> CrashWriter::store_checkpoint(std::uint16_t database, std::uint64_t position) {
  if (record_.operation_count + 1'000 >= CrashRecord::kOperationsMax || record_.must_stop)
    co_return;
  const bool is_live =
      database == kLastingDatabase ||
      std::count(std::begin(record_.databases), std::end(record_.databases), database) > 0;
  if (!is_live) co_return;  // dropped: its number is not used again
  const std::uint64_t cas = cas_[{database, KeyKind::stable_copy, kCheckpointName}];
  CrashOperation& operation =
      add(cas == 0 ? Kind::insert : Kind::replace, database, KeyKind::stable_copy, kCheckpointName);
  operation.length = static_cast<std::uint32_t>(record_.shown_count);
  operation.number = position;
  operation.cas = cas;
  ++record_.operation_count;
  std::vector<CrashOperation*> operations{&operation};
  co_await carry_out(std::move(operations));
}

/// While the store is reopened for want of space, reads are refused, too.
bool CrashWriter::is_reopening(Errc code) const {
  return code == Errc::unavailable && record_.fault.kind != DiskFault::Kind::none;
}

void CrashWriter::complain(const std::string& about, Errc code) {
  if (is_reopening(code)) kill(getpid(), SIGKILL);
  note_complaint(record_, about + ": " + std::string(to_string(code)));
  _exit(kWriterComplains);
}

// --- The process ---------------------------------------------------------------------------------

int crash_writer_main(const std::string& directory, const std::string& shadows,
                      const std::string& record_path) {
  set_log_level(LogLevel::critical);
  const SharedFile<CrashRecord> record(record_path);
  const auto files = std::make_shared<JournalingFileSystem>(
      directory, shadows, record->first_id << 16, record->journal, record->fault);
  const auto env = rocksdb::NewCompositeEnv(files);
  RocksOptions options{.directory = directory, .free_bytes_min = 1, .env = env.get()};
  options.block_cache_bytes = 1u << 20;
  options.write_buffer_bytes = 256u << 10;
  auto store = RocksStore::open(options);
  if (!store) {
    note_complaint(*record, store.error().context);
    return kWriterCannotOpen;
  }
  record->history = (*store)->history().value();
  ManualEnvironment environment;
  {
    CrashWriter writer(environment, **store, *record);
    environment.run(writer.run());
    record->phase = CrashRecord::Phase::closing;
  }
  store->reset();
  record->phase = CrashRecord::Phase::closed;
  return kWriterDone;
}

}  // namespace headgate
