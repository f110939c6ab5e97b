// SPDX-License-Identifier: Apache-2.0
#include "store_load.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"

namespace headgate {

namespace {

constexpr DatabaseId kDatabase{1};
constexpr std::size_t kEnvelopeBytes = 90;  ///< around the body
constexpr std::size_t kFeedEntryBytes = 90;
constexpr std::size_t kSequenceDocumentBytes = 110;
constexpr std::uint64_t kBlockEntries = 1'024;

struct Shared {
  RocksBucket& bucket;
  std::uint64_t next;
  std::uint64_t end;
  TimePoint deadline;
  std::string document;
  LoadFigures figures = {};
};

std::vector<Operation> channel_work(std::uint64_t number) {
  std::vector<Operation> work;
  const std::string block = ByteWriter().be64(number / kBlockEntries).bytes();
  const std::string entry = ByteWriter().be64(number).bytes();
  for (const char* channel : {"cnews", "c*"}) {
    work.emplace_back(operation::Append{{kDatabase, KeyKind::block, channel, block}, entry});
    work.emplace_back(operation::Increment{{kDatabase, KeyKind::channel_counter, channel, ""}});
  }
  return work;
}

Task<bool> write(Shared& shared, std::uint64_t number) {
  const std::string id = fmt::format("{:016x}", number * 0x9e3779b97f4a7c15);
  const Key document{kDatabase, KeyKind::document, id, ""};
  co_await shared.bucket.get(document, kNoDeadline);
  WriteOptions durable{.durability = Durability::disk};
  durable.feed_entry = std::string(kFeedEntryBytes, 'f');
  const Reply stored =
      co_await shared.bucket.insert(document, shared.document, durable, kNoDeadline);
  bool is_done = stored.ok();
  for (const Reply& reply : co_await shared.bucket.pipeline(channel_work(number), kNoDeadline))
    is_done &= reply.ok();
  const Key sequence{kDatabase, KeyKind::sequence_document, std::to_string(number / 1'000),
                     ByteWriter().be64(number).bytes()};
  const Reply last = co_await shared.bucket.insert(
      sequence, std::string(kSequenceDocumentBytes, 's'), {}, kNoDeadline);
  co_return is_done&& last.ok();
}

Task<void> write_some(Shared& shared, Environment& environment) {
  while (shared.next < shared.end && environment.now() < shared.deadline) {
    const bool is_done = co_await write(shared, shared.next++);
    ++(is_done ? shared.figures.writes : shared.figures.failures);
  }
}

Task<LoadFigures> run_writers(Shared& shared, Environment& environment, std::size_t writers) {
  const TimePoint began = environment.now();
  TaskScope scope(environment);
  for (std::size_t i = 0; i < writers; ++i) scope.spawn(write_some(shared, environment));
  co_await scope.join();
  shared.figures.seconds = std::chrono::duration<double>(environment.now() - began).count();
  co_return shared.figures;
}

}  // namespace

StoreLoad::StoreLoad(const std::string& directory)
    : store_(RocksStore::open({.directory = directory}).value()),
      bucket_(std::make_unique<RocksBucket>(loop_.environment(), *store_)) {
  loop_.start();
}

StoreLoad::~StoreLoad() {
  loop_.stop();
  bucket_.reset();
  store_.reset();
}

LoadFigures StoreLoad::run(std::size_t writers, std::uint64_t count, std::chrono::nanoseconds time,
                           std::size_t document_bytes) {
  Environment& environment = loop_.environment();
  Shared shared{*bucket_, next_, next_ + std::min(count, UINT64_MAX - next_),
                environment.now() + time, std::string(document_bytes + kEnvelopeBytes, 'd')};
  const RocksStatistics before = store_->statistics();
  LoadFigures figures = loop_.run(run_writers(shared, environment, writers));
  const RocksStatistics after = store_->statistics();
  figures.batches = after.batches - before.batches;
  figures.syncs = after.wal_syncs - before.wal_syncs;
  next_ = shared.next;
  return figures;
}

}  // namespace headgate
