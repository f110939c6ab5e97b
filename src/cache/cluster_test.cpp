// SPDX-License-Identifier: Apache-2.0
// A cluster without losses, and with those of the base bucket: cases A and B of
// docs/fault-model.md, one story each.
#include <gmock/gmock.h>

#include "cache/cluster_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Outcome = FrontEndCacheWriter::Outcome;

class ClusterTest : public ClusterFixture {};

TEST_F(ClusterTest, WritesOfAllNodesAreSeenOnAll) {
  start(*a_);
  const Sequence first = put(*a_, "a", {"news"});
  const Sequence second = put(*b_, "b", {"news"});
  EXPECT_THAT(names(*a_, "news"), ElementsAre(at("a", first), at("b", second)));
  EXPECT_THAT(names(*b_, "news"), ElementsAre(at("a", first), at("b", second)));
  ASSERT_TRUE(stable_reaches(*b_, second));
  EXPECT_EQ(a_->cache_writer.statistics().repairs, 0u);
  EXPECT_EQ(a_->allocator.epoch(), Epoch(1));
}

// A1, R8: the gap of another node's front end, known by the counter alone.
TEST_F(ClusterTest, A1AGapOfAnotherNodeIsClosedAfterItsTime) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, Sequence(1)));
  const Sequence gap = allocate(*b_).first;
  run_for(milliseconds(700));
  EXPECT_LT(stable(*a_), gap);
  EXPECT_TRUE(stable_reaches(*a_, gap));
}

// A2: nobody may be at work after the repair delay; before it somebody may.
TEST_F(ClusterTest, A2AnotherNodesUnfinishedWriteIsRepairedInTime) {
  const auto written = base_write(*b_, "a", {"news"});
  start(*a_);
  run_for(milliseconds(100));
  EXPECT_EQ(a_->cache_writer.statistics().repairs, 0u);
  EXPECT_TRUE(stable_reaches(*a_, written.allocation.first));
  EXPECT_EQ(a_->cache_writer.statistics().repairs, 1u);
  EXPECT_EQ(cache_write(*b_, written), Outcome::complete);
}

// A6, F11: the successor raises the token; the one it replaced ends, and can be started again.
TEST_F(ClusterTest, A6TheSuccessorIsInCharge) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*a_, "a", {"news"})));
  start(*b_);
  const Sequence next = put(*a_, "b", {"news"});
  EXPECT_TRUE(stable_reaches(*a_, next));
  EXPECT_TRUE(b_->cache_writer.statistics().is_in_charge);
  run_for(seconds(1));
  EXPECT_FALSE(a_->cache_writer.statistics().is_in_charge);
  start(*a_);
  EXPECT_TRUE(stable_reaches(*b_, put(*b_, "c", {"news"})));
  run_for(seconds(1));
  EXPECT_TRUE(a_->cache_writer.statistics().is_in_charge);
  EXPECT_FALSE(b_->cache_writer.statistics().is_in_charge);
  EXPECT_EQ(a_->cache_writer.statistics().audits + b_->cache_writer.statistics().audits, 1u);
}

// stable_durability: what cannot be made durable is not published.
TEST_F(ClusterTest, StableIsPublishedOnlyAfterABarrier) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*a_, "a", {"news"})));
  settings_.poll = seconds(10);
  const Sequence next = put(*b_, "b", {"news"});
  lose_uncovered(base_store_);  // and the write with it
  lose_uncovered(cache_store_);
  EXPECT_TRUE(all_is_stable(*b_));
  EXPECT_GT(stable(*b_), next);
  EXPECT_EQ(names(*b_, "news").size(), 1u);
}

// B1: what the feed had shown is lost. Stable stays; the survivor is told again.
TEST_F(ClusterTest, B1TheFeedHadShownWhatIsLost) {
  start(*a_);
  const Sequence first = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, first));
  const auto seen = a_->cache_writer.statistics().entries;
  // Shown and settled, but never under a barrier.
  a_->base.inject({.matches = writes_of_kind(KeyKind::stable_copy), .times = 1'000});
  const Sequence lost = put(*b_, "a", {"sport"});
  run_for(milliseconds(20));
  ASSERT_GT(a_->cache_writer.statistics().entries, seen);
  a_->base.clear();
  fail_over(base_store_, partition_of_doc("a"), 1);
  ASSERT_TRUE(all_is_stable(*b_));
  const auto news = names(*b_, "news", first);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_GT(news[0], at("a", lost));
  EXPECT_THAT(names(*b_, "sport"), IsEmpty());
  EXPECT_GT(a_->allocator.epoch(), Epoch(1));
}

// B2, the new case: acknowledged and in the cache, never on the feed; the feed goes on without any
// sign. The history tells.
TEST_F(ClusterTest, B2TheFeedHadNotShownWhatIsLost) {
  start(*a_);
  const Sequence first = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, first));
  a_->base.hold_feeds();
  const Sequence lost = put(*b_, "a", {"sport"});
  EXPECT_THAT(names(*b_, "sport"), ElementsAre(at("a", lost)));  // a ghost (I6)
  fail_over(base_store_, partition_of_doc("a"), 1);
  a_->base.release();
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_THAT(names(*b_, "sport"), IsEmpty());
  EXPECT_EQ(names(*b_, "news", lost).size(), 1u);
}

// B3 through the whole cache: no number is used twice.
TEST_F(ClusterTest, B3TheCounterGoesBack) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*b_, "a", {"news"})));
  const Sequence last = put(*b_, "b", {"news"});
  const auto partition = cache_store_.partition_of(a_->allocator.counter_key().value());
  fail_over(cache_store_, partition, 1);
  EXPECT_GT(put(*b_, "c", {"news"}), last);
  EXPECT_TRUE(all_is_stable(*b_));
  EXPECT_EQ(names(*b_, "news", Sequence(), ReadMode::stable).size(), 3u);
}

// B4: the document was made in the lost part. It is no removal: that would take it from its author.
TEST_F(ClusterTest, B4TheDocumentIsNoMore) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*b_, "other", {"news"})));
  a_->base.hold_feeds();
  put(*b_, "a", {"news"});
  fail_over(base_store_, partition_of_doc("a"), 1);
  a_->base.release();
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_THAT(names(*b_, "news"), ElementsAre("other@2"));
  EXPECT_EQ(a_->resequences, 0);
}

// B5: a removal is lost; the members of the channel get the document back. Rights are built anew.
TEST_F(ClusterTest, B5ALostRemovalIsTakenBack) {
  start(*a_);
  const Sequence in = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, in));
  const auto rights = env_.run(b_->reader.start_pass())->access_counter;
  a_->base.hold_feeds();
  const Sequence out = put(*b_, "a", {});
  EXPECT_THAT(names(*b_, "news", in), ElementsAre(at("-a", out)));
  fail_over(base_store_, partition_of_doc("a"), 1);
  a_->base.release();
  ASSERT_TRUE(all_is_stable(*b_));
  const auto told = names(*b_, "news", out);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].substr(0, 2), "a@");
  EXPECT_GT(env_.run(b_->reader.start_pass())->access_counter, rights);
}

// R17: a token from before continues from the floor; one from after it where it is.
TEST_F(ClusterTest, ATokenOfAnOlderEpochContinuesFromTheFloor) {
  start(*a_);
  const Sequence first = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, first));
  a_->base.hold_feeds();
  const Sequence lost = put(*b_, "b", {"news"});
  fail_over(base_store_, partition_of_doc("b"), 1);
  a_->base.release();
  ASSERT_TRUE(all_is_stable(*b_));
  const auto pass = env_.run(b_->reader.start_pass());
  EXPECT_EQ(pass->record->epochs.resume(lost), first);
  EXPECT_EQ(pass->record->epochs.resume(pass->stable), pass->stable);
}

// R11: nobody writes, nobody reads: the cache writer asks by itself, and readers go on.
TEST_F(ClusterTest, AnIdleDatabaseIsAuditedToo) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*b_, "a", {"news"})));
  base_store_.fail_over_all();
  cache_store_.fail_over_all();
  run_for(seconds(3));
  EXPECT_THAT(names(*b_, "news"), ElementsAre("a@2"));
}

// A failover in the middle of an audit begins it again.
TEST_F(ClusterTest, AFailoverDuringAnAuditBeginsItAgain) {
  start(*a_);
  for (int i = 0; i < 30; ++i) put(*b_, "d" + std::to_string(i), {"news"});
  for (int i = 0; i < 40; ++i) {
    (i % 2 ? base_store_ : cache_store_)
        .fail_over(PartitionNumber(static_cast<std::uint32_t>(i) % 4),
                   (i % 2 ? base_store_ : cache_store_)
                       .covered_count(PartitionNumber(static_cast<std::uint32_t>(i) % 4)));
    run_for(milliseconds(5 * (i % 7)));
    (void)env_.run(b_->put("e" + std::to_string(i), {"news"}));
  }
  EXPECT_TRUE(all_is_stable(*b_));
}

}  // namespace
}  // namespace headgate
