// SPDX-License-Identifier: Apache-2.0
#include "bucket/memory/memory_bucket.hpp"

#include <gmock/gmock.h>

#include "base/task_scope.hpp"
#include "bucket/contract_test.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;

class MemoryUnderTest final : public StoreUnderTest {
 public:
  explicit MemoryUnderTest(std::size_t partition_count) : store_(partition_count) {}
  std::unique_ptr<Bucket> open(Environment& environment) override {
    return std::make_unique<MemoryBucket>(environment, store_);
  }

 private:
  MemoryStore store_;
};

INSTANTIATE_TEST_SUITE_P(
    Memory, BucketContract,
    testing::Values(StoreKind{"one_partition", [] { return std::make_unique<MemoryUnderTest>(1); }},
                    StoreKind{"four_partitions",
                              [] { return std::make_unique<MemoryUnderTest>(4); }}),
    [](const auto& info) { return info.param.name; });

class MemoryFailover : public testing::Test {
 protected:
  static constexpr PartitionNumber kOnly{0};

  static Key key(std::string name) { return {DatabaseId(1), KeyKind::document, "t", name}; }
  Reply insert(std::string name, std::string entry) {
    return environment_.run(
        bucket_.insert(key(std::move(name)), "x", {.feed_entry = std::move(entry)}, kNoDeadline));
  }
  Result<std::vector<FeedEntry>> next(MutationFeed& feed) {
    return environment_.run(feed.next(100, environment_.now() + seconds(1)));
  }
  std::unique_ptr<MutationFeed> feed_at(FeedPosition position) {
    return std::move(*bucket_.open_feed(DatabaseId(1), {position}));
  }

  ManualEnvironment environment_;
  MemoryStore store_;
  MemoryBucket bucket_{environment_, store_};
};

TEST_F(MemoryFailover, LosesASuffixUnderANewHistory) {
  const Reply a = insert("a", "a");
  const Reply b = insert("b", "b");
  EXPECT_EQ(store_.operation_count(kOnly), 2u);
  store_.fail_over(kOnly, 1);
  const Reply reply = environment_.run(bucket_.get(key("b"), kNoDeadline));
  EXPECT_EQ(reply.status, Errc::not_found);
  EXPECT_NE(reply.history, a.history);
  EXPECT_EQ(store_.history(kOnly), reply.history);
  EXPECT_TRUE(environment_.run(bucket_.get(key("a"), kNoDeadline)).ok());
  // Positions are given again, under the new history; versions are not.
  const Reply c = insert("c", "c");
  EXPECT_EQ(c.position, b.position);
  EXPECT_GT(c.cas, b.cas);
}

TEST_F(MemoryFailover, MovesAReaderBackOnceForEachHistoryThatBeginsBeforeIt) {
  for (const char* name : {"a", "b", "c", "d"}) insert(name, name);
  const auto feed = feed_at({});
  ASSERT_EQ(next(*feed)->size(), 4u);
  store_.fail_over(kOnly, 3);
  store_.fail_over(kOnly, 3);
  store_.fail_over(kOnly, 1);
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_EQ(feed->positions()[0].position, PartitionPosition(3));
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_EQ(feed->positions()[0], (FeedPosition{store_.history(kOnly), PartitionPosition(1)}));
  insert("e", "e");
  const auto entries = next(*feed);
  ASSERT_TRUE(entries);
  EXPECT_EQ(entries->at(0).bytes, "e");
  EXPECT_EQ(entries->at(0).position, PartitionPosition(2));
}

TEST_F(MemoryFailover, WakesAWaitingReader) {
  insert("a", "a");
  const auto feed = feed_at({});
  ASSERT_EQ(next(*feed)->size(), 1u);
  std::optional<Errc> seen;
  const auto read = [](MutationFeed& f, std::optional<Errc>& into) -> Task<void> {
    const auto entries = co_await f.next(1, kNoDeadline);
    into = entries ? Errc::ok : entries.error().code;
  };
  TaskScope readers(environment_);
  readers.spawn(read(*feed, seen));
  environment_.run_ready();
  EXPECT_FALSE(seen);
  store_.fail_over(kOnly, 0);
  environment_.run_ready();
  EXPECT_EQ(seen, Errc::rolled_back);
}

TEST_F(MemoryFailover, WithoutALossOrBehindItTheReaderJustGoesOn) {
  const Reply a = insert("a", "a");
  insert("b", "b");
  const auto behind = feed_at({a.history, a.position});
  const auto at_the_end = feed_at({a.history, PartitionPosition(2)});
  store_.fail_over_all();
  EXPECT_EQ(next(*behind)->at(0).bytes, "b");
  EXPECT_TRUE(next(*at_the_end)->empty());
  EXPECT_EQ(at_the_end->positions()[0].history, store_.history(kOnly));
}

TEST_F(MemoryFailover, AnUnknownHistoryBeginsAgain) {
  insert("a", "a");
  const auto feed = feed_at({HistoryId(999), PartitionPosition(1)});
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_EQ(next(*feed)->at(0).bytes, "a");
}

TEST_F(MemoryFailover, ShowsAgainWhatALostWriteHadSuperseded) {
  const Reply a1 = insert("a", "a1");
  const Reply b = insert("b", "b");
  const auto late =
      environment_.run(bucket_.replace(key("a"), "y", a1.cas, {.feed_entry = "a2"}, kNoDeadline));
  ASSERT_TRUE(late.ok());
  // This reader passed a1 while a2 hid it, and has not come to a2.
  const auto feed = feed_at({b.history, b.position});
  store_.fail_over(kOnly, 2);
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  const auto entries = next(*feed);
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ(entries->at(0).bytes, "a1");
}

TEST_F(MemoryFailover, EveryCallReturnsInALaterTurn) {
  bool is_done = false;
  const auto call = [](Bucket& bucket, bool& done) -> Task<void> {
    co_await bucket.get(key("a"), kNoDeadline);
    done = true;
  };
  Task<void> task = call(bucket_, is_done);
  TaskScope scope(environment_);
  scope.spawn(std::move(task));
  EXPECT_FALSE(is_done);
  environment_.run_ready();
  EXPECT_TRUE(is_done);
}

}  // namespace
}  // namespace headgate
