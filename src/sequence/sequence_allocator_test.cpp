// SPDX-License-Identifier: Apache-2.0
#include "sequence/sequence_allocator.hpp"

#include <gtest/gtest.h>

#include <set>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/memory/memory_bucket.hpp"

namespace headgate {
namespace {

class SequenceAllocatorTest : public testing::Test {
 protected:
  std::unique_ptr<SequenceAllocator> opened(std::uint64_t chunk = 100) {
    SequenceAllocator::Options options;
    options.chunk = chunk;
    auto allocator =
        std::make_unique<SequenceAllocator>(env_, bucket_, bucket_, DatabaseId(1), options);
    EXPECT_TRUE(env_.run(allocator->open()));
    return allocator;
  }
  Allocation take(SequenceAllocator& allocator, std::uint64_t count = 1,
                  Sequence above = Sequence()) {
    return env_.run(allocator.allocate(count, above)).value();
  }
  std::vector<FeedEntry> feed() {
    auto reader = bucket_.open_feed(DatabaseId(1), {}).value();
    return env_.run(reader->next(100, env_.now())).value();
  }

  static constexpr PartitionNumber kOnly{0};
  ManualEnvironment env_;
  MemoryStore store_;
  MemoryBucket bucket_{env_, store_};
};

// R6b: number 1 is the creation of the database.
TEST_F(SequenceAllocatorTest, ANewDatabaseBeginsAtTwo) {
  auto allocator = opened();
  EXPECT_EQ(allocator->highest(), Sequence(1));
  EXPECT_EQ(take(*allocator).first, Sequence(2));
  EXPECT_EQ(take(*allocator, 3).last(), Sequence(5));
}

TEST_F(SequenceAllocatorTest, ACleanCloseLeavesNoGap) {
  auto first = opened();
  take(*first, 5);
  env_.run(first->close());
  auto second = opened();
  EXPECT_EQ(second->epoch(), first->epoch());
  EXPECT_EQ(take(*second).first, Sequence(7));
}

Task<void> take_into(SequenceAllocator& allocator, std::multiset<std::uint64_t>& taken) {
  const auto allocation = co_await allocator.allocate(1, Sequence());
  taken.insert(allocation.value().first.value());
}

TEST_F(SequenceAllocatorTest, ANumberTakenDuringACloseIsNotRepeated) {
  auto first = opened();
  std::multiset<std::uint64_t> taken;
  TaskScope scope(env_);
  scope.spawn(first->close());
  scope.spawn(take_into(*first, taken));
  env_.run(scope.join());
  auto second = opened();
  EXPECT_GT(take(*second).first.value(), *taken.begin());
}

TEST_F(SequenceAllocatorTest, AnOpenWithoutCloseNeverRepeatsANumber) {
  auto first = opened();
  take(*first, 5);
  auto second = opened();
  EXPECT_EQ(second->base(), Sequence(101));
  EXPECT_EQ(take(*second).first, Sequence(102));
}

// R6; found by the simulator: a power failure took the raised horizon with the unsynced tail.
TEST_F(SequenceAllocatorTest, APowerFailureRepeatsNoNumber) {
  auto first = opened(3);
  const Sequence taken = take(*first, 5).last();
  store_.fail_over(kOnly, store_.covered_count(kOnly));
  auto second = opened(3);
  EXPECT_GT(take(*second).first, taken);
}

TEST_F(SequenceAllocatorTest, ANewHistoryBeginsANewEpoch) {
  auto first = opened();
  store_.fail_over_all();
  auto second = opened();
  EXPECT_EQ(second->epoch().value(), first->epoch().value() + 1);
  EXPECT_EQ(take(*second).first, Sequence(102));
}

TEST_F(SequenceAllocatorTest, TheHorizonIsRaisedBeforeANumberAboveItIsUsed) {
  auto allocator = opened(3);
  for (int i = 0; i < 50; ++i) {
    const Allocation taken = take(*allocator, 2);
    const Reply stored =
        env_.run(bucket_.get(Key{DatabaseId(1), KeyKind::horizon, "horizon", ""}, kNoDeadline));
    EXPECT_LE(taken.last(), Horizon::decode(stored.bytes).value().limit);
  }
}

TEST_F(SequenceAllocatorTest, ConcurrentWritersGetDifferentNumbers) {
  auto allocator = opened(4);
  std::multiset<std::uint64_t> taken;
  TaskScope scope(env_);
  for (int i = 0; i < 64; ++i) scope.spawn(take_into(*allocator, taken));
  env_.run(scope.join());
  EXPECT_EQ(taken.size(), 64u);
  EXPECT_EQ(std::set<std::uint64_t>(taken.begin(), taken.end()).size(), 64u);
  EXPECT_EQ(*taken.rbegin(), 65u);
}

// sync_gateway#1090 and PR 6547 (CBG-3516): a document above the counter lifts it, and the numbers
// between are released as one range.
TEST_F(SequenceAllocatorTest, ADocumentAboveTheCounterLiftsIt) {
  auto allocator = opened();
  EXPECT_EQ(take(*allocator, 1, Sequence(5'001)).first, Sequence(5'002));
  const auto entries = feed();
  ASSERT_EQ(entries.size(), 1u);
  const ReleasedRange range = ReleasedRange::decode(entries[0].bytes).value();
  EXPECT_EQ(range.first, Sequence(2));
  EXPECT_EQ(range.last, Sequence(5'001));
}

Task<void> lift_into(SequenceAllocator& allocator, Sequence above,
                     std::multiset<std::uint64_t>& taken) {
  const auto allocation = co_await allocator.allocate(1, above);
  EXPECT_GT(allocation.value().first, above);
  taken.insert(allocation.value().first.value());
}

// sync_gateway PR 6937 (CBG-4015): what others draw meanwhile is in no released range.
TEST_F(SequenceAllocatorTest, LiftsAtOnceReleaseNothingThatWasHandedOut) {
  auto allocator = opened(3);  // each of them has to wait for the horizon
  std::multiset<std::uint64_t> accounted;
  TaskScope scope(env_);
  for (const std::uint64_t above : {40u, 20u, 90u}) {
    scope.spawn(lift_into(*allocator, Sequence(above), accounted));
    scope.spawn(take_into(*allocator, accounted));
  }
  env_.run(scope.join());
  for (const FeedEntry& entry : feed()) {
    const ReleasedRange range = ReleasedRange::decode(entry.bytes).value();
    for (Sequence s = range.first; s <= range.last; s = s.next()) accounted.insert(s.value());
  }
  std::multiset<std::uint64_t> each;
  for (std::uint64_t n = 2; n <= allocator->highest().value(); ++n) each.insert(n);
  EXPECT_EQ(accounted, each) << "each number once";
}

// sync_gateway PR 7436 (CBG-4578).
TEST_F(SequenceAllocatorTest, AnAbsurdSequenceIsRefusedWithoutARelease) {
  auto allocator = opened();
  const auto refused = env_.run(allocator->allocate(1, Sequence(1'000'000'000'000)));
  EXPECT_EQ(refused.error().code, Errc::corrupted);
  EXPECT_TRUE(feed().empty());
  EXPECT_EQ(take(*allocator).first, Sequence(2));
}

TEST_F(SequenceAllocatorTest, AHorizonOfAnUnknownFormatIsRefused) {
  env_.run(
      bucket_.insert(Key{DatabaseId(1), KeyKind::horizon, "horizon", ""}, "\x63", {}, kNoDeadline));
  SequenceAllocator allocator(env_, bucket_, bucket_, DatabaseId(1));
  EXPECT_EQ(env_.run(allocator.open()).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace headgate
