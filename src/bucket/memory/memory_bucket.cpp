// SPDX-License-Identifier: Apache-2.0
#include "bucket/memory/memory_bucket.hpp"

#include <algorithm>
#include <utility>

namespace headgate {

MemoryStore::MemoryStore(std::size_t partition_count, HistoryId first_history)
    : last_history_(first_history.value() + partition_count - 1), covered_(partition_count) {
  HG_ASSERT(partition_count > 0 && first_history != HistoryId());
  for (std::size_t i = 0; i < partition_count; ++i) {
    partitions_.emplace_back(PartitionNumber(static_cast<std::uint32_t>(i)),
                             HistoryId(first_history.value() + i));
  }
}

void MemoryStore::fail_over(PartitionNumber partition, std::size_t keep_operations_prefix) {
  at(partition).fail_over(HistoryId(++last_history_), keep_operations_prefix);
  std::size_t& covered = covered_.at(partition.value());
  covered = std::min(covered, keep_operations_prefix);
  wake_feeds();
}

void MemoryStore::flush() {
  for (std::uint32_t i = 0; i < partitions_.size(); ++i) fail_over(PartitionNumber(i), 0);
}

void MemoryStore::fail_over_all() {
  for (MemoryPartition& partition : partitions_)
    partition.fail_over(HistoryId(++last_history_), partition.operation_count());
  wake_feeds();
}

std::size_t MemoryStore::operation_count(PartitionNumber partition) const {
  return partitions_.at(partition.value()).operation_count();
}

std::size_t MemoryStore::covered_count(PartitionNumber partition) const {
  return covered_.at(partition.value());
}

HistoryId MemoryStore::history(PartitionNumber partition) const {
  return partitions_.at(partition.value()).history();
}

PartitionNumber MemoryStore::partition_of(const Key& key) const {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same in every run
  for (const char c : key.tag) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return PartitionNumber(static_cast<std::uint32_t>((hash ^ (hash >> 32)) % partitions_.size()));
}

MemoryPartition& MemoryStore::at(PartitionNumber partition) {
  return partitions_.at(partition.value());
}

void MemoryStore::wake_feeds() {
  for (Signal* watcher : watchers_) watcher->raise();
}

class MemoryFeed final : public MutationFeed {
 public:
  MemoryFeed(MemoryBucket& bucket, DatabaseId database, FeedPositions positions)
      : bucket_(bucket), database_(database), positions_(std::move(positions)) {}

  Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) override;
  FeedPositions positions() const override { return positions_; }
  Task<Result<FeedPositions>> heads(Deadline deadline) override;

 private:
  Result<void> follow_histories();
  std::vector<FeedEntry> take(std::size_t limit);

  MemoryBucket& bucket_;
  DatabaseId database_;
  FeedPositions positions_;
  std::size_t first_partition_ = 0;  // moves on, so that a busy partition starves no other
};

Task<Result<std::vector<FeedEntry>>> MemoryFeed::next(std::size_t limit, Deadline deadline) {
  while (true) {
    const std::uint64_t seen = bucket_.changed_.count();
    co_await bucket_.environment_.yield();
    HG_CO_CHECK(follow_histories());
    std::vector<FeedEntry> entries = take(limit);
    if (!entries.empty()) co_return entries;
    if (!co_await bucket_.changed_.wait_past(seen, deadline)) co_return entries;
  }
}

Result<void> MemoryFeed::follow_histories() {
  for (std::size_t i = 0; i < positions_.size(); ++i) {
    const MemoryPartition& partition = bucket_.store_.partitions_[i];
    if (follow_history(partition.histories(), positions_[i])) return Errc::rolled_back;
  }
  return {};
}

std::vector<FeedEntry> MemoryFeed::take(std::size_t limit) {
  std::vector<FeedEntry> entries;
  const std::size_t count = positions_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t p = (first_partition_ + i) % count;
    const std::size_t before = entries.size();
    bucket_.store_.partitions_[p].read_feed(database_, positions_[p].position, limit, entries);
    if (entries.size() > before) positions_[p].position = entries.back().position;
  }
  first_partition_ = (first_partition_ + 1) % count;
  return entries;
}

Task<Result<FeedPositions>> MemoryFeed::heads(Deadline deadline) {
  co_await bucket_.environment_.yield();
  if (bucket_.environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  FeedPositions heads;
  for (const MemoryPartition& partition : bucket_.store_.partitions_)
    heads.push_back({partition.history(), partition.head(database_)});
  co_await bucket_.environment_.yield();
  co_return heads;
}

MemoryBucket::MemoryBucket(Environment& environment, MemoryStore& store)
    : environment_(environment),
      store_(store),
      changed_(environment),
      histories_(store.partition_count()) {
  store_.watchers_.insert(&changed_);
}

MemoryBucket::~MemoryBucket() {
  store_.watchers_.erase(&changed_);
}

Task<std::vector<Reply>> MemoryBucket::pipeline(std::vector<Operation> operations,
                                                Deadline deadline) {
  std::vector<Reply> replies(operations.size(), Reply{.status = Errc::timeout_unknown_outcome});
  std::vector<std::vector<std::size_t>> by_partition(store_.partition_count());
  for (std::size_t i = 0; i < operations.size(); ++i)
    by_partition[partition_of(key_of(operations[i])).value()].push_back(i);
  for (const std::vector<std::size_t>& of_one : by_partition) {
    if (of_one.empty()) continue;
    co_await environment_.yield();
    if (environment_.now() >= deadline) break;
    for (const std::size_t i : of_one) replies[i] = execute(operations[i]);
  }
  co_await environment_.yield();
  co_return replies;
}

Reply MemoryBucket::execute(const Operation& operation) {
  const PartitionNumber number = partition_of(key_of(operation));
  MemoryPartition& partition = store_.at(number);
  histories_[number.value()] = partition.history();
  if (const Errc code = check(operation); code != Errc::ok)
    return {.status = code, .history = partition.history()};
  Reply reply = partition.execute(operation, environment_.wall_now());
  const WriteOptions* options = options_of(operation);
  if (reply.ok() && options != nullptr && options->durability != Durability::memory)
    store_.covered_[number.value()] = partition.operation_count();
  if (reply.position != PartitionPosition()) store_.wake_feeds();
  return reply;
}

Task<Result<Bucket::ScanPage>> MemoryBucket::scan(Scan scan, Deadline deadline) {
  co_await environment_.yield();
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  const PartitionNumber number = partition_of(Key{scan.database, scan.kind, scan.tag, {}});
  const MemoryPartition& partition = store_.at(number);
  histories_[number.value()] = partition.history();
  ScanPage page{partition.scan(scan, environment_.wall_now()), partition.history()};
  co_await environment_.yield();
  co_return page;
}

Task<Result<std::vector<HistoryId>>> MemoryBucket::barrier(Deadline deadline) {
  co_await environment_.yield();
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  for (std::size_t i = 0; i < histories_.size(); ++i) {
    histories_[i] = store_.partitions_[i].history();
    store_.covered_[i] = store_.partitions_[i].operation_count();
  }
  auto seen = histories_;
  co_await environment_.yield();
  co_return seen;
}

Result<std::unique_ptr<MutationFeed>> MemoryBucket::open_feed(DatabaseId database,
                                                              FeedPositions positions) {
  if (positions.empty()) positions.resize(partition_count());
  if (positions.size() != partition_count())
    return Error{Errc::invalid_argument, "feed positions of another number of partitions"};
  return std::unique_ptr<MutationFeed>(
      std::make_unique<MemoryFeed>(*this, database, std::move(positions)));
}

Task<Result<void>> MemoryBucket::drop_database(DatabaseId database, Deadline deadline) {
  co_await environment_.yield();
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  for (MemoryPartition& partition : store_.partitions_) partition.drop_database(database);
  co_await environment_.yield();
  co_return Result<void>();
}

PartitionNumber MemoryBucket::partition_of(const Key& key) const {
  return store_.partition_of(key);
}

std::size_t MemoryBucket::partition_count() const {
  return store_.partition_count();
}

}  // namespace headgate
