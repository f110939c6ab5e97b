// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_writer.hpp"

#include <gmock/gmock.h>

#include "cache/cache_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class CacheWriterTest : public CacheFixture {};

// R6b: number 1 is the creation of the database.
TEST_F(CacheWriterTest, ANewDatabaseIsStableAtOne) {
  start_writer();
  EXPECT_EQ(stable(), Sequence(1));
}

// sync_gateway#2204: readers that start before the first cache writer get an error, then data.
TEST_F(CacheWriterTest, ReadersAreRefusedBeforeTheFirstPublishedRecord) {
  EXPECT_EQ(try_read("news").error().code, Errc::unavailable);
  start_writer();
  EXPECT_THAT(names(read("news")), IsEmpty());
}

TEST_F(CacheWriterTest, StableFollowsCompleteWrites) {
  start_writer();
  const Sequence first = put("a", {"news"});
  put("b", {"news"});
  EXPECT_TRUE(stable_reaches(Sequence(first.value() + 1)));
  EXPECT_THAT(names(read("news", Sequence(), ReadMode::stable)), ElementsAre("a@2", "b@3"));
  EXPECT_EQ(writer_->statistics().repairs, 0u);
}

// The idea: what a front end wrote is there although no cache writer runs.
TEST_F(CacheWriterTest, WhatAFrontEndWroteIsAvailableWithoutTheCacheWriter) {
  start_writer();
  stop_writer();
  put("a", {"news"});
  put("b", {"news"});
  EXPECT_THAT(names(read("news")), ElementsAre("a@2", "b@3"));
  EXPECT_THAT(names(read("news", Sequence(), ReadMode::stable)), IsEmpty());
  start_writer();
  EXPECT_TRUE(stable_reaches(Sequence(3)));
  EXPECT_THAT(names(read("news", Sequence(), ReadMode::stable)), ElementsAre("a@2", "b@3"));
}

// A2: the front end died after its base write.
TEST_F(CacheWriterTest, RepairsAWriteThatStoppedAfterTheBase) {
  start_writer();
  base_write("a", {"news"}, allocate());
  EXPECT_TRUE(stable_reaches(Sequence(2)));
  EXPECT_THAT(names(read("news")), ElementsAre("a@2"));
  EXPECT_EQ(writer_->statistics().repairs, 1u);
  EXPECT_EQ(wakes_[ChannelId::of_documents("news")], 1);
}

// A1: the front end died after it drew its number.
TEST_F(CacheWriterTest, ClosesAGapAfterTheTimeout) {
  start_writer();
  allocate();
  const Sequence second = put("b", {"news"});
  env_.advance(milliseconds(500));
  EXPECT_EQ(stable(), Sequence(1));
  EXPECT_TRUE(stable_reaches(second));
  EXPECT_EQ(writer_->statistics().buried, 1u);
}

TEST_F(CacheWriterTest, RepairsAreToldTheNewestFirst) {
  start_writer();
  base_write("a", {"news"}, allocate());
  EXPECT_TRUE(stable_reaches(Sequence(2)));
  put("b", {"news"});
  allocate();
  allocate();
  const Sequence last = put("c", {"news"});
  EXPECT_TRUE(stable_reaches(last));
  const auto repairs = writer_->recent_repairs();
  ASSERT_EQ(repairs.size(), 2u) << "nothing had to be done for b and c";
  EXPECT_EQ(repairs[0].kind, CacheRepair::Kind::bury);
  EXPECT_EQ(repairs[0].first, Sequence(4));
  EXPECT_EQ(repairs[0].last, Sequence(5));
  EXPECT_EQ(repairs[1].kind, CacheRepair::Kind::cache_work);
  EXPECT_EQ(repairs[1].first, Sequence(2));
  EXPECT_EQ(repairs[1].key, "a");
}

TEST(RepairLog, KeepsTheNewest) {
  RepairLog log;
  for (std::uint64_t i = 1; i <= RepairLog::kMost + 5; ++i)
    log.add({CacheRepair::Kind::bury, WallTime(), Sequence(i), Sequence(i)});
  const auto repairs = log.newest_first();
  ASSERT_EQ(repairs.size(), RepairLog::kMost);
  EXPECT_EQ(repairs.front().first, Sequence(RepairLog::kMost + 5));
  EXPECT_EQ(repairs.back().first, Sequence(6));
}

// A4, R9, sync_gateway#3787: a zombie's base write comes after its number was buried.
TEST_F(CacheWriterTest, ALateWriteGetsAFreshNumber) {
  start_writer();
  const Allocation late = allocate();
  put("b", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(3)));
  const CacheWrite write = base_write("a", {"news"}, late);
  EXPECT_TRUE(stable_reaches(Sequence(4)));
  EXPECT_THAT(names(read("news")), ElementsAre("b@3", "a@4"));
  // A5: then the zombie writes the cache, too.
  EXPECT_EQ(cache_write(write, late), FrontEndCacheWriter::Outcome::left_unfinished);
  EXPECT_THAT(names(read("news")), ElementsAre("b@3", "a@4"));
}

// sync_gateway#775, #2159: the feed shows the newest version alone.
TEST_F(CacheWriterTest, AHiddenVersionsRemovalIsToldAtAFreshNumber) {
  start_writer();
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  stop_writer();
  base_write("a", {"sport"}, allocate());  // leaves news at 3; its front end dies
  base_write("a", {"sport"}, allocate());  // hides the feed entry of 3
  start_writer();
  ASSERT_TRUE(stable_reaches(Sequence(5)));
  EXPECT_THAT(names(read("news", Sequence(2))), ElementsAre("-a@5"));
  EXPECT_THAT(names(read("sport")), ElementsAre("a@5"));
  EXPECT_EQ(resequences_, 1);
}

TEST_F(CacheWriterTest, AHiddenVersionWithoutRemovalsIsOnlyAccountedFor) {
  start_writer();
  base_write("a", {"news"}, allocate());
  base_write("a", {"news"}, allocate());
  EXPECT_TRUE(stable_reaches(Sequence(3)));
  EXPECT_THAT(names(read("news")), ElementsAre("a@3"));
  EXPECT_EQ(resequences_, 0);
}

// R5b: a grant survives the death of its front end by the same repair.
TEST_F(CacheWriterTest, AGrantSurvivesACrash) {
  start_writer();
  const auto hidden = ChannelId::of_principal("user:alice");
  const auto before = env_.run(reader_->start_pass())->access_counter;
  base_write("a", {}, allocate(), {{hidden, "news"}});
  EXPECT_TRUE(stable_reaches(Sequence(2)));
  const auto page = env_.run(read_task(hidden, Sequence(), ReadMode::available, 100));
  ASSERT_EQ(page->entries.size(), 1u);
  EXPECT_EQ(page->entries[0].document->entry.grants[0].given, "news");
  EXPECT_GT(env_.run(reader_->start_pass())->access_counter, before);
}

// sync_gateway#707: a process ends without a word; the next one continues.
TEST_F(CacheWriterTest, ANewProcessFinishesWhatTheOldOneBegan) {
  start_writer();
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  stop_writer();
  put("b", {"news"});                     // complete
  base_write("c", {"news"}, allocate());  // only the base
  allocate();                             // only a number
  open_node();
  const TimePoint before = env_.now();
  start_writer();
  EXPECT_LT(env_.now() - before, milliseconds(50));  // no gap timeout is waited for
  EXPECT_EQ(stable(), allocator_->base());
  EXPECT_THAT(names(read("news")), ElementsAre("a@2", "b@3", "c@4"));
  const Sequence next = put("d", {"news"});
  EXPECT_TRUE(stable_reaches(next));
}

// The same after an unclean open: the store begins a new history, under which the feed shows what
// was complete under the old one.
TEST_F(CacheWriterTest, ANewHistoryFinishesWhatWasCompleteUnderTheOldOne) {
  start_writer();
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  stop_writer();
  put("b", {"news"});
  base_store_.fail_over_all();
  cache_store_.fail_over_all();
  open_node();
  start_writer();
  EXPECT_GE(stable(), Sequence(3));
  EXPECT_THAT(names(read("news")), ElementsAre("a@2", "b@3"));
}

// sync_gateway#3823, #2218, #3063, CBG-3854: memory and work go with the ranges.
TEST_F(CacheWriterTest, AGapOfAMillionIsOneRange) {
  start_writer();
  ASSERT_TRUE(env_.run(allocator_->allocate(1, Sequence(1'000'000))));
  const Sequence next = put("a", {"news"});
  EXPECT_TRUE(stable_reaches(next));
  EXPECT_EQ(writer_->statistics().gaps, 0u);
  EXPECT_LT(cache_store_.operation_count(PartitionNumber(0)), 100u);
  EXPECT_THAT(names(read("news")), ElementsAre("a@1000002"));
}

// I7: a late front end learns from the insert that its numbers were buried, however many.
TEST_F(CacheWriterTest, ALateFrontEndOfABulkIsTold) {
  start_writer();
  const Allocation late = env_.run(allocator_->allocate(100, Sequence())).value();
  const Sequence next = put("b", {"news"});
  ASSERT_TRUE(stable_reaches(next));
  const CacheWrite write =
      base_write_at("a", {}, late.at(50), {{ChannelId::of_principal("user:alice"), ""}});
  EXPECT_EQ(cache_write(write, late), FrontEndCacheWriter::Outcome::left_unfinished);
}

/// A bucket whose feeds show all that they ever showed again with every new entry (F9).
class RepeatingBucket final : public Bucket {
 public:
  explicit RepeatingBucket(Bucket& inner) : inner_(inner) {}

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override {
    return inner_.pipeline(std::move(operations), deadline);
  }
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override {
    return inner_.scan(std::move(scan), deadline);
  }
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override {
    return inner_.barrier(deadline);
  }
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override {
    HG_TRY(auto feed, inner_.open_feed(database, std::move(positions)));
    return std::unique_ptr<MutationFeed>(new Feed(std::move(feed)));
  }
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override {
    return inner_.drop_database(database, deadline);
  }
  PartitionNumber partition_of(const Key& key) const override { return inner_.partition_of(key); }
  std::size_t partition_count() const override { return inner_.partition_count(); }
  std::vector<HistoryId> histories() const override { return inner_.histories(); }

 private:
  class Feed final : public MutationFeed {
   public:
    explicit Feed(std::unique_ptr<MutationFeed> inner) : inner_(std::move(inner)) {}
    Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) override {
      HG_CO_TRY(const auto entries, co_await inner_->next(limit, deadline));
      if (entries.empty()) co_return entries;
      shown_.insert(shown_.end(), entries.begin(), entries.end());
      co_return shown_;
    }
    FeedPositions positions() const override { return inner_->positions(); }
    Task<Result<FeedPositions>> heads(Deadline deadline) override {
      return inner_->heads(deadline);
    }

   private:
    std::unique_ptr<MutationFeed> inner_;
    std::vector<FeedEntry> shown_;
  };

  Bucket& inner_;
};

class RepeatedFeedTest : public CacheFixture {
 protected:
  RepeatedFeedTest() {
    writer_ = std::make_unique<CacheWriter>(CacheWriter::Dependencies{
        *space_, repeating_, *allocator_, *front_end_, *reader_, *this, *this});
    EXPECT_TRUE(env_.run(writer_->start()));
  }
  ~RepeatedFeedTest() override { stop_writer(); }

  RepeatingBucket repeating_{base_};
};

// sync_gateway PR 7097 (CBG-4215), F9: the feed repeats entries, those that are settled and one
// that waits for its front end.
TEST_F(RepeatedFeedTest, RepeatedEntriesCountOnce) {
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  const Allocation slow = allocate();
  const CacheWrite write = base_write("slow", {"news"}, slow);
  for (int i = 0; i < 10; ++i) {
    put("b", {"news"});
    env_.advance(milliseconds(2));
    ASSERT_LE(writer_->statistics().awaited, 12u);
  }
  EXPECT_GT(writer_->statistics().entries, 60u) << "repeated indeed";
  cache_write(write, slow);
  EXPECT_TRUE(stable_reaches(Sequence(13)));
  EXPECT_EQ(writer_->statistics().awaited, 0u);
  EXPECT_EQ(writer_->statistics().repairs, 0u);
  EXPECT_THAT(names(read("news")), ElementsAre("a@2", "slow@3", "b@13"));
  EXPECT_EQ(resequences_, 0);
}

// The single-writer design as a mode: front ends write the base alone.
class FeedModeTest : public CacheFixture {
 protected:
  static CacheSettings settings() {
    CacheSettings settings = small_settings();
    settings.cache_writes = CacheWrites::feed;
    return settings;
  }
  FeedModeTest() : CacheFixture(settings()) {}
};

TEST_F(FeedModeTest, TheCacheWriterDoesAllCacheWork) {
  start_writer();
  for (int i = 0; i < 20; ++i) base_write("d" + std::to_string(i), {"news"}, allocate());
  EXPECT_TRUE(stable_reaches(Sequence(21)));
  EXPECT_EQ(read("news", Sequence(), ReadMode::stable).entries.size(), 20u);
  EXPECT_THAT(writer_->recent_repairs(), IsEmpty()) << "it is its ordinary work";
}

TEST_F(FeedModeTest, WithoutTheCacheWriterNothingIsVisible) {
  start_writer();
  stop_writer();
  base_write("a", {"news"}, allocate());
  EXPECT_THAT(names(read("news")), IsEmpty());
}

// Two cache writers: the one that took over last is in charge (R14).
TEST_F(CacheWriterTest, AReplacedCacheWriterPublishesNoMore) {
  start_writer();
  auto replaced = std::move(writer_);
  start_writer();
  const Sequence sequence = put("a", {"news"});
  EXPECT_TRUE(stable_reaches(sequence));
  env_.advance(milliseconds(1'000));
  EXPECT_LT(replaced->statistics().stable, sequence);
  env_.run(replaced->stop());
}

}  // namespace
}  // namespace headgate
