// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>
#include <vector>

#include "base/task_scope.hpp"
#include "bucket/rocksdb/rocks_test.hpp"

// librocksdb is not instrumented: its own synchronisation is unknown to the sanitizer.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\n";
}

namespace headgate {
namespace {

constexpr int kThreads = 4;
constexpr int kCallers = 8;
constexpr int kRounds = 40;

class RocksThreadsTest : public RocksTest {};

/// A client that raises one shared counter by compare-and-swap, appends to one shared block and
/// reads what it wrote.
Task<void> work(RocksBucket& bucket, int caller, std::atomic<int>& lost_writes) {
  const Key block{DatabaseId(1), KeyKind::block, "t", "shared"};
  const Key counter{DatabaseId(1), KeyKind::channel_counter, "t", "shared"};
  for (int i = 0; i < kRounds; ++i) {
    const Key own{DatabaseId(1), KeyKind::document, "t",
                  std::to_string(caller) + "/" + std::to_string(i)};
    const WriteOptions options{.durability = i % 4 == 0 ? Durability::disk : Durability::memory,
                               .feed_entry = own.name};
    const Reply written = co_await bucket.insert(own, "value", options, kNoDeadline);
    std::vector<Operation> cache;
    cache.push_back(operation::Append{block, "0123456789"});
    cache.push_back(operation::Increment{counter});
    const auto replies = co_await bucket.pipeline(std::move(cache), kNoDeadline);
    const Reply read = co_await bucket.get(own, kNoDeadline);
    if (!written.ok() || !replies[0].ok() || !replies[1].ok() || read.cas != written.cas)
      ++lost_writes;
  }
}

Task<void> read_feed(RocksBucket& bucket, std::size_t expected, std::atomic<bool>& is_in_order) {
  const auto feed = std::move(*bucket.open_feed(DatabaseId(1), {}));
  PartitionPosition last;
  for (std::size_t seen = 0; seen < expected;) {
    const auto entries = co_await feed->next(100, kNoDeadline);
    for (const FeedEntry& entry : *entries) {
      if (entry.position <= last) is_in_order = false;
      last = entry.position;
    }
    seen += entries->size();
  }
}

Task<void> run_callers(Environment& environment, RocksBucket& bucket, int thread,
                       std::atomic<int>& lost, std::atomic<bool>& is_in_order) {
  TaskScope scope(environment);
  for (int i = 0; i < kCallers; ++i) scope.spawn(work(bucket, thread * kCallers + i, lost));
  scope.spawn(read_feed(bucket, std::size_t{kThreads} * kCallers * kRounds, is_in_order));
  co_await scope.join();
}

TEST_F(RocksThreadsTest, SeveralExecutorsShareOneStore) {
  open();
  std::atomic<int> lost = 0;
  std::atomic<bool> is_in_order = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ManualEnvironment environment;
      RocksBucket bucket(environment, *store_);
      environment.run(run_callers(environment, bucket, t, lost, is_in_order));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0);
  EXPECT_TRUE(is_in_order);
  constexpr std::uint64_t kAll = std::uint64_t{kThreads} * kCallers * kRounds;
  const Key block{DatabaseId(1), KeyKind::block, "t", "shared"};
  EXPECT_EQ(run(bucket_->get_range(block, 0, kNoDeadline)).number, kAll * 10);
  const Key counter{DatabaseId(1), KeyKind::channel_counter, "t", "shared"};
  EXPECT_EQ(get(counter).number, kAll);
  EXPECT_LT(store_->statistics().batches, store_->statistics().operations);
}

Task<void> insert_until(RocksBucket& bucket, Deadline deadline) {
  const Key key{DatabaseId(7), KeyKind::document, "tag", "a"};
  const WriteOptions durable{.durability = Durability::disk};
  const Reply reply = co_await bucket.insert(key, "x", durable, deadline);
  EXPECT_EQ(reply.status, Errc::timeout_unknown_outcome);
}

TEST_F(RocksThreadsTest, ABucketMayGoWhileItsAbandonedWritesAreUnderWay) {
  open();
  disk_.files->hold_syncs();
  {
    ManualEnvironment environment;
    RocksBucket bucket(environment, *store_);
    TaskScope calls(environment);
    calls.spawn(insert_until(bucket, environment.now() + std::chrono::seconds(1)));
    environment.run_ready();
    ASSERT_TRUE(eventually([&] { return disk_.files->held_syncs() == 1; }));
    environment.advance(std::chrono::seconds(1));
    EXPECT_EQ(calls.size(), 0u);
  }
  disk_.files->release_syncs();
  EXPECT_TRUE(run(bucket_->barrier(kNoDeadline)));
  EXPECT_TRUE(get(key("a")).ok());
}

}  // namespace
}  // namespace headgate
