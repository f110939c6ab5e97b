// SPDX-License-Identifier: Apache-2.0
// The sequences of several nodes (R6), on one store that fails over.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/decorator/counting_bucket.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "sequence/sequence_allocator.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr DatabaseId kDatabase{1};

class SharedAllocationTest : public testing::Test {
 protected:
  struct Node {
    Node(SharedAllocationTest& test, std::uint64_t chunk)
        : base_memory(test.env_, test.base_store_),
          cache_memory(test.env_, test.cache_store_),
          base(test.env_, base_memory),
          counting(cache_memory),
          cache(test.env_, counting),
          allocator(test.env_, base, cache, kDatabase,
                    {.chunk = chunk,
                     .timeout = milliseconds(50),
                     .deployment = Deployment::cluster,
                     .generation_changed = [this](std::uint32_t g) { generation = g; }}) {}
    MemoryBucket base_memory;
    MemoryBucket cache_memory;
    FaultBucket base;
    CountingBucket counting;
    FaultBucket cache;
    std::uint32_t generation = 0;
    SequenceAllocator allocator;
  };

  std::unique_ptr<Node> node(std::uint64_t chunk = 100) {
    auto made = std::make_unique<Node>(*this, chunk);
    EXPECT_TRUE(env_.run(made->allocator.open()));
    return made;
  }
  // A number that nobody was given before, and that the stored horizon allows.
  Allocation take(Node& node, std::uint64_t count = 1, Sequence above = Sequence()) {
    const auto drawn = env_.run(node.allocator.allocate(count, above));
    EXPECT_TRUE(drawn) << drawn.error().context;
    if (!drawn) return {};
    for (std::uint64_t i = 0; i < count; ++i)
      EXPECT_TRUE(taken_.insert(drawn->at(i)).second) << drawn->at(i).value() << " twice";
    EXPECT_GT(drawn->first, above);
    EXPECT_LE(drawn->last(), horizon(node).limit);
    return *drawn;
  }
  Horizon horizon(Node& node) {
    const Reply reply =
        env_.run(node.cache.get(horizon_key(kDatabase, node.allocator.generation()), kNoDeadline));
    return Horizon::decode(reply.bytes).value();
  }
  // The cache loses what no barrier has covered.
  void fail_over_cache(std::size_t covered_lost = 0) {
    for (std::uint32_t i = 0; i < cache_store_.partition_count(); ++i) {
      const PartitionNumber p(i);
      cache_store_.fail_over(p, cache_store_.covered_count(p) - covered_lost);
    }
  }

  ManualEnvironment env_;
  MemoryStore base_store_{2};
  MemoryStore cache_store_{2, HistoryId(100)};
  std::set<Sequence> taken_;
};

// sync_gateway PR 4186: no node keeps numbers back, for which the others' would have to wait.
TEST_F(SharedAllocationTest, TwoNodesDrawFromOneCounter) {
  auto a = node();
  auto b = node();
  EXPECT_EQ(take(*a).first, Sequence(2));  // R6b
  EXPECT_EQ(take(*b, 3).first, Sequence(3));
  for (int i = 0; i < 500; ++i) take(i % 3 ? *a : *b, 1 + static_cast<std::uint64_t>(i) % 4);
  EXPECT_EQ(a->allocator.epoch(), Epoch(1));
  EXPECT_EQ(*taken_.rbegin(), std::max(a->allocator.highest(), b->allocator.highest()));
}

Task<void> take_into(SequenceAllocator& allocator, std::uint64_t count,
                     std::vector<Sequence>& into) {
  const auto drawn = co_await allocator.allocate(count, Sequence());
  for (std::uint64_t i = 0; i < count; ++i) into.push_back(drawn.value().at(i));
}

TEST_F(SharedAllocationTest, AllocationsThatComeTogetherShareOneIncrement) {
  auto a = node();
  take(*a);
  a->counting.reset();
  std::vector<Sequence> taken;
  TaskScope scope(env_);
  for (std::uint64_t i = 0; i < 20; ++i) scope.spawn(take_into(a->allocator, 1 + i % 3, taken));
  env_.run(scope.join());
  EXPECT_EQ(std::set<Sequence>(taken.begin(), taken.end()).size(), taken.size());
  EXPECT_EQ(taken.size(), 39u);
  EXPECT_LE(a->counting.count<operation::Increment>(), 2u);
}

TEST_F(SharedAllocationTest, AnUnknownOutcomeLeavesAGap) {
  auto a = node();
  a->cache.inject({.matches = of_kind(KeyKind::sequence_counter),
                   .moment = FaultBucket::Moment::after,
                   .code = Errc::timeout_unknown_outcome});
  EXPECT_EQ(take(*a).first, Sequence(3));
}

// F11: somebody listed an epoch whose horizon was stored by an old master, and is gone.
TEST_F(SharedAllocationTest, AnEpochWithoutAHorizonIsGoneBeyond) {
  auto a = node();
  take(*a);
  const Reply stored = env_.run(a->base.get(epochs_key(kDatabase), kNoDeadline));
  EpochRecord record = EpochRecord::decode(stored.bytes).value();
  record.epochs.add({Epoch(2), Sequence(1'000)});
  record.limit = Sequence(1'100);
  ASSERT_TRUE(
      env_.run(a->base.replace(epochs_key(kDatabase), record.encode(), stored.cas, {}, kNoDeadline))
          .ok());
  auto b = node();
  EXPECT_GT(take(*b).first, Sequence(1'100));
  EXPECT_EQ(b->allocator.epoch(), Epoch(3));
}

// Not before the barrier: else a failover forgets the horizon, and the numbers are given again.
TEST_F(SharedAllocationTest, NoNumberIsUsedBeforeItsHorizonPassedABarrier) {
  auto a = node(10);
  auto b = node(10);
  for (int i = 0; i < 9; ++i) take(*a);
  // a raises the horizon and dies before its barrier.
  a->cache.fail_calls(Errc::unavailable, 4, 1'000);
  EXPECT_FALSE(env_.run(a->allocator.allocate(3, Sequence())));
  EXPECT_GT(horizon(*b).limit, Sequence(11));
  take(*b, 3);  // under the raised horizon
  fail_over_cache();
  for (int i = 0; i < 30; ++i) take(*b);
  EXPECT_GT(b->allocator.epoch(), Epoch(1));
}

// B3, F6: the counter went back.
TEST_F(SharedAllocationTest, B3TheCounterWentBack) {
  auto a = node();
  auto b = node();
  for (int i = 0; i < 20; ++i) take(i % 2 ? *a : *b);
  const Sequence limit = horizon(*a).limit;
  fail_over_cache();
  const Allocation first = take(*b);
  EXPECT_GT(first.first, limit);
  EXPECT_EQ(first.epoch, Epoch(2));
  EXPECT_EQ(horizon(*b).base, limit);
  EXPECT_EQ(take(*a).epoch, Epoch(2));
  for (int i = 0; i < 300; ++i) take(i % 2 ? *a : *b);
  EXPECT_EQ(a->allocator.epoch(), Epoch(2));
}

Task<void> take_many(SequenceAllocator& allocator, int count, std::vector<Sequence>& into) {
  for (int i = 0; i < count; ++i) {
    const auto drawn = co_await allocator.allocate(1, Sequence());
    if (drawn) into.push_back(drawn->first);
  }
}

// Several nodes meet the new history at once: one begins the epoch, the others follow.
// A counter runs beyond the horizon where raising that fails. What was counted there and is lost
// was never handed out: nobody waits for it.
TEST_F(SharedAllocationTest, WhatWasCountedInVainIsForgotten) {
  const auto a = node(10), b = node(10);
  take(*a);
  const Key counter = b->allocator.counter_key().value();
  ASSERT_TRUE(env_.run(a->cache.barrier(kNoDeadline)));
  const Reply counted = env_.run(a->cache.increment(counter, 50, {}, kNoDeadline));
  EXPECT_EQ(env_.run(b->allocator.read_highest()).value(), Sequence(counted.number));
  fail_over_cache();
  const Sequence last = take(*a).last();
  EXPECT_LT(last, Sequence(counted.number));
  EXPECT_EQ(env_.run(b->allocator.read_highest()).value(), last);
}

TEST_F(SharedAllocationTest, ManyNodesMeetAFailoverAtOnce) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 5; ++i) nodes.push_back(node(7));
  std::vector<Sequence> taken;
  for (int failover = 0; failover < 6; ++failover) {
    TaskScope scope(env_);
    for (auto& n : nodes) scope.spawn(take_many(n->allocator, 20, taken));
    env_.advance(milliseconds(failover));
    fail_over_cache();
    env_.run(scope.join());
  }
  EXPECT_EQ(std::set<Sequence>(taken.begin(), taken.end()).size(), taken.size());
  EXPECT_EQ(taken.size(), 600u);
  for (auto& n : nodes) EXPECT_LE(n->allocator.epoch(), Epoch(7));
}

// C6: the cache bucket is empty. Zombies of the old generation draw nothing any more.
TEST_F(SharedAllocationTest, C6AnEmptiedCacheBucketBeginsAGeneration) {
  auto a = node();
  auto b = node();
  for (int i = 0; i < 20; ++i) take(i % 2 ? *a : *b);
  const Sequence limit = horizon(*a).limit;
  cache_store_.flush();
  EXPECT_GT(take(*a).first, limit);
  EXPECT_EQ(a->generation, 1u);
  EXPECT_GT(take(*b).first, limit);
  EXPECT_EQ(b->generation, 1u);
  cache_store_.flush();
  take(*b);
  take(*a);
  EXPECT_EQ(a->generation, 2u);
  EXPECT_EQ(node()->allocator.generation(), 2u);
}

// A database that was never used is not taken for an emptied one, wherever its making stops.
TEST_F(SharedAllocationTest, MakingADatabaseMayStopAnywhere) {
  for (std::size_t n = 0; n < 12; ++n) {
    Node stopped(*this, 100);
    FaultBucket& bucket = n % 2 ? stopped.base : stopped.cache;
    bucket.fail_calls(Errc::unavailable, n / 2, 1'000);
    (void)env_.run(stopped.allocator.open());
  }
  auto a = node();
  EXPECT_EQ(a->allocator.generation(), 0u);
  EXPECT_EQ(a->allocator.epoch(), Epoch(1));
  EXPECT_EQ(take(*a).first, Sequence(2));
}

// D: the horizon was lost although a barrier had passed.
TEST_F(SharedAllocationTest, DANumberAboveTheHorizonStopsTheDatabase) {
  auto a = node();
  take(*a);
  const auto refused = env_.run(a->allocator.allocate(1, Sequence(100'000)));
  EXPECT_EQ(refused.error().code, Errc::corrupted);
  EXPECT_EQ(env_.run(a->allocator.allocate(1, Sequence())).error().code, Errc::corrupted);
  EXPECT_TRUE(a->allocator.failure());
}

// F11: what an old master says of the horizon condemns nobody.
TEST_F(SharedAllocationTest, DIsNotBelievedWithoutABarrier) {
  auto a = node();
  take(*a);
  a->base.fail_calls(Errc::unavailable, 3);  // release, epochs, epochs again, barrier
  EXPECT_EQ(env_.run(a->allocator.allocate(1, Sequence(100'000))).error().code, Errc::unavailable);
  EXPECT_FALSE(a->allocator.failure());
  EXPECT_EQ(a->base.struck(), 1u);
  take(*a);
}

// A counter that fell back says nothing of the numbers that documents were given before.
TEST_F(SharedAllocationTest, TheHighestNumberIsNotBelowItsEpoch) {
  const auto a = node(10), b = node(10);
  for (int i = 0; i < 5; ++i) take(*a);
  fail_over_cache();
  EXPECT_GE(env_.run(b->allocator.read_highest()).value(), Sequence(11));
}

// F6 without a new history: the counter is behind a document it gave a number to.
TEST_F(SharedAllocationTest, ADocumentAboveTheCounterBeginsAnEpoch) {
  auto a = node();
  take(*a);
  EXPECT_GT(take(*a, 1, Sequence(50)).first, Sequence(101));
  EXPECT_EQ(a->allocator.epoch(), Epoch(2));
}

// R11: an audit begins an epoch; the other nodes learn it with their next number.
TEST_F(SharedAllocationTest, ABegunEpochIsListedWithItsFloor) {
  auto a = node();
  auto b = node();
  take(*b);
  ASSERT_TRUE(env_.run(a->allocator.begin_epoch(Sequence(1))));
  EXPECT_EQ(a->allocator.epoch(), Epoch(2));
  EXPECT_EQ(a->allocator.epochs().resume(Sequence(2)), Sequence(1));
  EXPECT_EQ(take(*b).epoch, Epoch(2));
  EXPECT_EQ(b->allocator.epochs(), a->allocator.epochs());
  EXPECT_EQ(env_.run(a->allocator.read_highest()).value(), *taken_.rbegin());
}

// R4b: the histories of an allocation are at least as old as its number.
TEST_F(SharedAllocationTest, AnAllocationNamesTheHistoriesBeforeIt) {
  auto a = node();
  const Allocation before = take(*a);
  fail_over_cache();
  const Allocation after = take(*a);
  for (std::uint32_t i = 0; i < cache_store_.partition_count(); ++i)
    EXPECT_NE(before.cache_histories->at(i), cache_store_.history(PartitionNumber(i)));
  const auto partition = cache_store_.partition_of(horizon_key(kDatabase, 0)).value();
  EXPECT_EQ(after.cache_histories->at(partition), cache_store_.history(PartitionNumber(partition)));
}

}  // namespace
}  // namespace headgate
