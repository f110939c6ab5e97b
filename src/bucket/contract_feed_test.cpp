// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/task_scope.hpp"
#include "bucket/contract_test.hpp"

namespace headgate {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::unique_ptr<MutationFeed> BucketContract::open_feed(FeedPositions from, DatabaseId of) {
  auto feed = bucket_->open_feed(of, std::move(from));
  EXPECT_TRUE(feed);
  return std::move(*feed);
}

bool BucketContract::is_drained(MutationFeed& feed) {
  const auto heads = run(feed.heads(kNoDeadline));
  EXPECT_TRUE(heads);
  const FeedPositions at = feed.positions();
  EXPECT_EQ(heads->size(), at.size());
  return std::equal(at.begin(), at.end(), heads->begin(),
                    [](const auto& a, const auto& head) { return a.position >= head.position; });
}

std::vector<FeedEntry> BucketContract::drain(MutationFeed& feed) {
  EXPECT_TRUE(run(bucket_->barrier(kNoDeadline)));
  std::vector<FeedEntry> all;
  while (!is_drained(feed)) {
    auto entries = run(feed.next(2, kNoDeadline));
    EXPECT_TRUE(entries);
    if (!entries) break;
    EXPECT_GE(entries->size(), 1u);
    EXPECT_LE(entries->size(), 2u);
    std::move(entries->begin(), entries->end(), std::back_inserter(all));
  }
  return all;
}

namespace {

std::vector<std::string> bytes_of(const std::vector<FeedEntry>& entries) {
  std::vector<std::string> bytes;
  for (const FeedEntry& entry : entries) bytes.push_back(entry.bytes);
  return bytes;
}

}  // namespace

TEST_P(BucketContract, TheFeedShowsWritesWithAnEntryInTheirOrder) {
  const Reply a = insert(key("a"), "1", with_entry("entry a"));
  const Reply unseen = insert(key("unseen"), "2");
  const Reply b = insert(key("b"), "3", with_entry("entry b"));
  EXPECT_EQ(unseen.position, PartitionPosition());
  EXPECT_NE(a.position, PartitionPosition());
  EXPECT_GT(b.position, a.position);
  const auto entries = drain(*open_feed());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].key, key("a"));
  EXPECT_EQ(entries[0].bytes, "entry a");
  EXPECT_FALSE(entries[0].is_removal);
  EXPECT_EQ(entries[0].cas, a.cas);
  EXPECT_EQ(entries[0].position, a.position);
  EXPECT_EQ(entries[0].partition, bucket_->partition_of(key("a")));
  EXPECT_EQ(entries[0].history, a.history);
  EXPECT_EQ(entries[1].position, b.position);
}

TEST_P(BucketContract, TheFeedIsResumedAtEveryPosition) {
  std::vector<std::string> written;
  for (int i = 0; i < 20; ++i) {
    written.push_back(std::to_string(i));
    insert(key(written.back(), KeyKind::document, "tag " + written.back()), "x",
           with_entry(written.back()));
  }
  std::vector<std::string> read;
  FeedPositions at;
  while (read.size() < written.size()) {
    auto feed = open_feed(at);
    const auto entries = run(feed->next(1, kNoDeadline));
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 1u);
    EXPECT_GT((*entries)[0].position,
              at.empty() ? PartitionPosition() : at[(*entries)[0].partition.value()].position);
    read.push_back((*entries)[0].bytes);
    at = feed->positions();
    auto again = open_feed(at);
    EXPECT_EQ(drain(*again).size(), written.size() - read.size());
  }
  EXPECT_THAT(read, testing::UnorderedElementsAreArray(written));
}

// However slowly the store answers: who asks again and again gets on.
TEST_P(BucketContract, AReaderThatNeverWaitsIsShownEverythingAtLast) {
  constexpr std::size_t kWrites = 20;
  for (std::size_t i = 0; i < kWrites; ++i) {
    const std::string name = std::to_string(i);
    insert(key(name, KeyKind::document, "tag " + name), "x", with_entry(name));
  }
  EXPECT_TRUE(run(bucket_->barrier(kNoDeadline)));
  auto feed = open_feed();
  std::size_t read = 0;
  const TimePoint give_up = environment_.now() + seconds(10);
  while (read < kWrites && environment_.now() < give_up) {
    const auto entries = run(feed->next(kWrites, environment_.now()));
    ASSERT_TRUE(entries);
    read += entries->size();
    if (entries->empty()) run(environment_.sleep_for(milliseconds(1)));
  }
  EXPECT_EQ(read, kWrites);
}

TEST_P(BucketContract, ASupersededEntryDisappearsOrComesBeforeItsSuccessor) {
  const Reply a1 = insert(key("a"), "1", with_entry("a1"));
  insert(key("b"), "1", with_entry("b1"));
  const Reply a2 = replace(key("a"), "2", a1.cas, with_entry("a2"));
  replace(key("a"), "3", a2.cas, with_entry("a3"));
  const auto bytes = bytes_of(drain(*open_feed()));
  ASSERT_GE(bytes.size(), 2u);
  EXPECT_EQ(bytes.back(), "a3");
  EXPECT_TRUE(std::is_permutation(bytes.begin(), bytes.end(),
                                  std::set<std::string>(bytes.begin(), bytes.end()).begin()));
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), "b1"), 1);
}

TEST_P(BucketContract, AWriteWithoutAnEntryLeavesTheFeedAsItIs) {
  Cas cas = insert(key("a"), "1", with_entry("a1")).cas;
  cas = replace(key("a"), "2", cas).cas;
  remove(key("a"), cas);
  insert(key("a"), "3");
  append(key("a"), "4");
  const auto entries = drain(*open_feed());
  EXPECT_THAT(bytes_of(entries), ElementsAre("a1"));
  replace(key("a"), "5", get(key("a")).cas, with_entry("a5"));
  EXPECT_EQ(bytes_of(drain(*open_feed())).back(), "a5");
}

TEST_P(BucketContract, EveryKindOfWriteMayHaveAnEntry) {
  const Cas cas = insert(key("a"), "1", with_entry("insert")).cas;
  EXPECT_NE(append(key("b"), "1", with_entry("append")).position, PartitionPosition());
  EXPECT_NE(increment(key("c"), 1, with_entry("increment")).position, PartitionPosition());
  EXPECT_NE(append(key("d", KeyKind::block), "1", with_entry("block")).position,
            PartitionPosition());
  EXPECT_NE(remove(key("a"), cas, with_entry("remove")).position, PartitionPosition());
  const auto entries = drain(*open_feed());
  EXPECT_EQ(entries.back().bytes, "remove");
  for (const FeedEntry& entry : entries) EXPECT_EQ(entry.is_removal, entry.bytes == "remove");
  EXPECT_EQ(get(key("a")).status, Errc::not_found);
  insert(key("a"), "2", with_entry("insert again"));
  EXPECT_EQ(drain(*open_feed()).back().bytes, "insert again");
}

TEST_P(BucketContract, RefusedWritesDoNotEnterTheFeed) {
  insert(key("a"), "1");
  insert(key("a"), "2", with_entry("exists"));
  replace(key("a"), "2", Cas(~0ull), with_entry("mismatch"));
  remove(key("b"), Cas(1), with_entry("not found"));
  append(key("a"), "2", {.if_history = HistoryId(~0ull), .feed_entry = "rolled back"});
  EXPECT_THAT(drain(*open_feed()), IsEmpty());
}

TEST_P(BucketContract, EveryDatabaseHasItsOwnFeed) {
  Key elsewhere = key("a");
  elsewhere.database = DatabaseId(8);
  insert(key("a"), "1", with_entry("here"));
  insert(elsewhere, "1", with_entry("there"));
  EXPECT_THAT(bytes_of(drain(*open_feed())), ElementsAre("here"));
  EXPECT_THAT(bytes_of(drain(*open_feed({}, DatabaseId(8)))), ElementsAre("there"));
  EXPECT_THAT(drain(*open_feed({}, DatabaseId(6))), IsEmpty());
}

TEST_P(BucketContract, AnEmptyFeedIsDrainedAndGivesNothingAtItsDeadline) {
  const auto feed = open_feed();
  EXPECT_TRUE(is_drained(*feed));
  const auto entries = run(feed->next(10, environment_.now() + seconds(1)));
  ASSERT_TRUE(entries);
  EXPECT_THAT(*entries, IsEmpty());
  EXPECT_EQ(feed->positions().size(), bucket_->partition_count());
}

TEST_P(BucketContract, TheFeedNeedsAPositionForEveryPartition) {
  FeedPositions wrong(bucket_->partition_count() + 1);
  EXPECT_EQ(bucket_->open_feed(kDatabase, wrong).error().code, Errc::invalid_argument);
}

namespace {

Task<void> read_one(MutationFeed& feed, std::vector<std::string>& into) {
  const auto entries = co_await feed.next(10, kNoDeadline);
  for (const FeedEntry& entry : *entries) into.push_back(entry.bytes);
}

Task<void> write_then_join(Bucket& bucket, Key key, Durability durability, TaskScope& readers) {
  const WriteOptions options{.durability = durability, .feed_entry = "entry"};
  co_await bucket.insert(std::move(key), "x", options, kNoDeadline);
  co_await readers.join();
}

}  // namespace

TEST_P(BucketContract, AWaitingFeedIsWokenByEveryWriteWithAnEntry) {
  const auto other = store_->open(environment_);
  for (const Durability durability :
       {Durability::memory, Durability::disk, Durability::replicated}) {
    const auto of_own = open_feed(run(open_feed()->heads(kNoDeadline)).value());
    const auto of_other = std::move(*other->open_feed(kDatabase, of_own->positions()));
    std::vector<std::string> read;
    TaskScope readers(environment_);
    readers.spawn(read_one(*of_own, read));
    readers.spawn(read_one(*of_other, read));
    driver_.run_ready();
    EXPECT_THAT(read, IsEmpty());
    const Key fresh = key(std::to_string(static_cast<int>(durability)));
    run(write_then_join(*bucket_, fresh, durability, readers));
    EXPECT_THAT(read, ElementsAre("entry", "entry"));
  }
}

TEST_P(BucketContract, TheHeadIsOfTheLastEntryOfThisDatabase) {
  const Reply mine = insert(key("a"), "1", with_entry("a1"));
  Key elsewhere = key("a");
  elsewhere.database = DatabaseId(8);
  insert(elsewhere, "1", with_entry("there"));
  ASSERT_TRUE(run(bucket_->barrier(kNoDeadline)));
  const auto feed = open_feed();
  const auto heads = run(feed->heads(kNoDeadline));
  const auto partition = bucket_->partition_of(key("a")).value();
  EXPECT_EQ(heads->at(partition).position, mine.position);
  EXPECT_EQ(heads->at(partition).history, mine.history);
  EXPECT_FALSE(is_drained(*feed));
  drain(*feed);
  EXPECT_EQ(feed->positions().at(partition).position, mine.position);
}

TEST_P(BucketContract, DropDatabaseRemovesItsValuesAndEntriesOnly) {
  const KeyKind kinds[] = {KeyKind::document, KeyKind::block, KeyKind::sequence_document};
  Key other = key("a");
  other.database = DatabaseId(8);
  for (const KeyKind kind : kinds) append(key("a", kind), "x", with_entry("entry"));
  increment(key("n", KeyKind::channel_counter), 3);
  insert(other, "stays", with_entry("stays"));
  Key neighbour = other;
  neighbour.database = DatabaseId(6);
  insert(neighbour, "stays");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(run(bucket_->drop_database(kDatabase, kNoDeadline)));
  for (int i = 0; i < 1000 && get(key("a")).status != Errc::not_found; ++i)
    ASSERT_TRUE(run(bucket_->barrier(kNoDeadline)));
  for (const KeyKind kind : kinds) EXPECT_EQ(get(key("a", kind)).status, Errc::not_found);
  EXPECT_EQ(get(key("n", KeyKind::channel_counter)).status, Errc::not_found);
  EXPECT_THAT(drain(*open_feed()), IsEmpty());
  EXPECT_EQ(get(other).bytes, "stays");
  EXPECT_EQ(get(neighbour).bytes, "stays");
  EXPECT_THAT(bytes_of(drain(*open_feed({}, DatabaseId(8)))), ElementsAre("stays"));
}

}  // namespace headgate
