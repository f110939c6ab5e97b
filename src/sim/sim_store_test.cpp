// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_store.hpp"

#include "sim/sim_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

constexpr WriteOptions kDisk{.durability = Durability::disk};
constexpr WriteOptions kReplicated{.durability = Durability::replicated};

TEST_F(SimStoreTest, AFailoverLosesASuffixUnderANewHistory) {
  const Reply a = insert("a");
  const Reply b = insert("b");
  EXPECT_EQ(store_.fail_over(kOnly, {.lose = 1}), 1u);
  EXPECT_TRUE(is_there("a"));
  EXPECT_FALSE(is_there("b"));
  const Reply again = insert("b");
  EXPECT_NE(again.history, a.history);
  EXPECT_EQ(again.history, store_.history(kOnly));
  EXPECT_GT(again.cas, b.cas);
  EXPECT_EQ(faults("failover with loss"), 1u);
}

TEST_F(SimStoreTest, TheJournalMarksWhatIsLost) {
  std::vector<std::string> observed;
  store_.set_observer([&](const SimMutation& m) { observed.push_back(m.key.name); });
  insert("a");
  append("b", "1");
  store_.fail_over(kOnly, {.lose = 1});
  append("b", "2");
  EXPECT_THAT(observed, ElementsAre("a", "b", "b"));
  const auto& all = store_.mutations();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].kind, SimMutation::Kind::insert);
  EXPECT_EQ(all[0].bytes, "x");
  EXPECT_EQ(all[0].node, kFirst);
  EXPECT_FALSE(all[0].is_lost);
  EXPECT_TRUE(all[1].is_lost);
  EXPECT_FALSE(all[2].is_lost);
  EXPECT_EQ(all[2].bytes, "2");
  EXPECT_EQ(all[2].history, store_.history(kOnly));
  EXPECT_EQ(store_.read(key("b")).bytes, "2");
}

TEST_F(SimStoreTest, WhatABarrierCoveredIsNotLost) {
  insert("a");
  EXPECT_TRUE(on_a(of_a_.barrier(in(seconds(1)))));
  insert("b");
  EXPECT_EQ(store_.covered_count(kOnly), 1u);
  EXPECT_EQ(store_.fail_over(kOnly, {.lose = 99}), 1u);
  EXPECT_TRUE(is_there("a"));
}

TEST_F(SimStoreTest, WhatNoReplicaHasIsLost) {
  insert("a");
  store_.faults().replication_lag = {seconds(1), seconds(1)};
  insert("b", kDisk);
  world_.run_for(milliseconds(1'500));
  insert("c");
  EXPECT_EQ(store_.fail_over(kOnly, {}), 1u);
  EXPECT_TRUE(is_there("b"));
  EXPECT_FALSE(is_there("c"));
}

TEST_F(SimStoreTest, BarriersAndReplicatedWritesWaitForAReplica) {
  store_.faults().replication_lag = {seconds(1), seconds(1)};
  TimePoint begin = world_.now();
  EXPECT_TRUE(insert("a", kReplicated).ok());
  EXPECT_EQ(world_.now() - begin, seconds(1));
  EXPECT_EQ(store_.fail_over(kOnly, {.lose = 1}), 0u);
  world_.run_for(seconds(2));
  insert("b");
  begin = world_.now();
  EXPECT_TRUE(on_a(of_a_.barrier(in(seconds(5)))));
  EXPECT_EQ(world_.now() - begin, seconds(1));
  insert("c");
  EXPECT_EQ(on_a(of_a_.barrier(in(milliseconds(500)))).error().code, Errc::timeout_unknown_outcome);
}

TEST_F(SimStoreTest, AFailoverLeavesWaitingWritesWithoutAnAnswer) {
  store_.faults().replication_lag = {seconds(1), seconds(1)};
  world_.after(milliseconds(500), {.label = "failover"}, [&] { store_.fail_over(kOnly, {}); });
  EXPECT_EQ(insert("a", kReplicated).status, Errc::timeout_unknown_outcome);
  EXPECT_FALSE(is_there("a"));
}

class SimStoreWithoutReplicas : public SimStoreTest {
 protected:
  SimStoreWithoutReplicas() : SimStoreTest(1, 0) {}
};

TEST_F(SimStoreWithoutReplicas, ARestartLosesOnlyWhatWasNotSynced) {
  insert("memory");
  insert("disk", kDisk);
  insert("after");
  EXPECT_EQ(store_.fail_over(kOnly, {.lose = 99}), 1u);
  EXPECT_TRUE(is_there("memory"));
  EXPECT_TRUE(is_there("disk"));
  insert("replicated", kReplicated);
  insert("last");
  EXPECT_TRUE(on_a(of_a_.barrier(in(seconds(1)))));
  EXPECT_EQ(store_.fail_over(kOnly, {.lose = 99}), 0u);
}

TEST_F(SimStoreTest, AnOldMasterAnswersAsOfTheMomentInWhichItWasLeftBehind) {
  const TimePoint before = world_.now();
  world_.run_for(seconds(1));
  const TimePoint left = world_.now();
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  world_.run_for(seconds(1));
  const TimePoint during = world_.now();
  EXPECT_EQ(store_.answers_as_of(kFirst, kOnly, before), before);
  EXPECT_EQ(store_.answers_as_of(kFirst, kOnly, during), left);
  EXPECT_EQ(store_.answers_as_of(kSecond, kOnly, during), during);
  store_.heal(kOnly);
  world_.run_for(seconds(1));
  EXPECT_EQ(store_.answers_as_of(kFirst, kOnly, during), left);
  EXPECT_EQ(store_.answers_as_of(kFirst, kOnly, world_.now()), world_.now());
}

TEST_F(SimStoreTest, TwoMastersServeTheirNodesUntilTheOldOneGivesUp) {
  insert("common");
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  EXPECT_TRUE(store_.has_two_masters(kOnly));
  const Reply old = insert("x");
  const Reply now = on_b(of_b_.insert(key("x"), "new", {}, in(kTimeout)));
  EXPECT_TRUE(old.ok());
  EXPECT_TRUE(now.ok());
  EXPECT_NE(old.history, now.history);
  EXPECT_NE(old.cas, now.cas);
  EXPECT_EQ(store_.history(kOnly), now.history);
  EXPECT_EQ(on_a(of_a_.get(key("x"), in(kTimeout))).bytes, "x");
  EXPECT_EQ(on_b(of_b_.get(key("x"), in(kTimeout))).bytes, "new");
  store_.heal(kOnly);
  EXPECT_EQ(on_a(of_a_.get(key("x"), in(kTimeout))).bytes, "new");
  EXPECT_EQ(store_.mutations()[1].history, old.history);
  EXPECT_TRUE(store_.mutations()[1].is_lost);
}

TEST_F(SimStoreTest, AnOldMasterCoversNothing) {
  insert("common");
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  EXPECT_TRUE(insert("memory").ok());
  EXPECT_EQ(insert("replicated", kReplicated).status, Errc::timeout_unknown_outcome);
  EXPECT_FALSE(on_a(of_a_.barrier(in(seconds(1)))));
  // The new master has no replica yet either: the old one becomes it.
  EXPECT_FALSE(on_b(of_b_.barrier(in(seconds(1)))));
  store_.heal(kOnly);
  EXPECT_TRUE(on_b(of_b_.barrier(in(seconds(1)))));
  EXPECT_TRUE(on_a(of_a_.barrier(in(seconds(1)))));
}

class SimStoreWithTwoReplicas : public SimStoreTest {
 protected:
  SimStoreWithTwoReplicas() : SimStoreTest(1, 2) {}
};

TEST_F(SimStoreWithTwoReplicas, AnOldMasterIsNotFollowedByTheReplicasOfTheNewOne) {
  insert("common");
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  for (const char* name : {"b", "c", "d"})
    EXPECT_TRUE(on_b(of_b_.insert(key(name), "x", kReplicated, in(kTimeout))).ok());
  EXPECT_EQ(insert("a", kReplicated).status, Errc::timeout_unknown_outcome);
  EXPECT_FALSE(on_a(of_a_.barrier(in(seconds(1)))));
}

TEST_F(SimStoreWithTwoReplicas, ReplicationUnderwayAtAFailoverDoesNotArrive) {
  for (const char* name : {"a", "b", "c"}) insert(name);
  store_.faults().replication_lag = {seconds(1), seconds(1)};
  for (const char* name : {"d", "e", "f"}) insert(name);
  world_.run_for(milliseconds(500));
  EXPECT_EQ(store_.fail_over(kOnly, {}), 3u);
  store_.faults().replication_lag = {seconds(9), seconds(9)};
  insert("g");
  EXPECT_EQ(on_a(of_a_.barrier(in(seconds(2)))).error().code, Errc::timeout_unknown_outcome);
  EXPECT_EQ(store_.covered_count(kOnly), 0u);
}

TEST_F(SimStoreTest, AReaderOfAnOldMasterMissesNothingAfterwards) {
  const Reply a1 = insert("a", with_entry("a1"));
  insert("b", with_entry("b"));
  const auto feed = feed_of(of_a_);
  EXPECT_THAT(next_bytes(*feed, 1), ElementsAre("a1"));
  store_.faults().feed.skip_superseded = 1;
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  on_a(of_a_.replace(key("a"), "y", a1.cas, with_entry("a2"), in(kTimeout)));
  // A fresh reader is shown a1 besides a2, which is going to be lost.
  const auto fresh = feed_of(of_a_);
  EXPECT_THAT(next_bytes(*fresh), ElementsAre("a1", "b", "a2"));
  EXPECT_THAT(next_bytes(*feed), ElementsAre("b", "a2"));
  store_.heal(kOnly);
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_EQ(feed->positions()[0], (FeedPosition{store_.history(kOnly), PartitionPosition(2)}));
}

TEST_F(SimStoreTest, ASecondFailoverEndsTheOldMaster) {
  insert("a");
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  on_b(of_b_.insert(key("b"), "x", {}, in(kTimeout)));
  store_.fail_over(kOnly, {});
  EXPECT_FALSE(store_.has_two_masters(kOnly));
  EXPECT_TRUE(is_there("a"));
  EXPECT_TRUE(is_there("b"));
}

TEST_F(SimStoreTest, AFailoverShowsAgainWhatALostWriteHadSuperseded) {
  store_.faults().feed.skip_superseded = 1;
  const Reply a1 = insert("a", with_entry("a1"));
  insert("b", with_entry("b"));
  on_a(of_a_.replace(key("a"), "y", a1.cas, with_entry("a2"), in(kTimeout)));
  const auto feed = feed_of(of_a_);
  EXPECT_THAT(next_bytes(*feed, 1), ElementsAre("b"));
  store_.fail_over(kOnly, {.lose = 1});
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_THAT(next_bytes(*feed), ElementsAre("a1", "b"));
}

TEST_F(SimStoreTest, AFlushLosesEverythingAlsoWhatIsCovered) {
  insert("a", with_entry("a"));
  const auto feed = feed_of(of_a_);
  EXPECT_EQ(next(*feed)->size(), 1u);
  EXPECT_TRUE(on_a(of_a_.barrier(in(seconds(1)))));
  const HistoryId before = store_.history(kOnly);
  store_.flush();
  EXPECT_FALSE(is_there("a"));
  EXPECT_NE(store_.history(kOnly), before);
  EXPECT_TRUE(store_.mutations()[0].is_lost);
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_TRUE(next(*feed)->empty());
}

TEST_F(SimStoreTest, ARestoredSnapshotHasAHistoryOfItsOwn) {
  insert("kept", with_entry("kept"));
  const auto snapshot = store_.take_snapshot();
  insert("later", with_entry("later"));
  const auto feed = feed_of(of_a_);
  EXPECT_EQ(next(*feed)->size(), 2u);
  store_.restore(snapshot);
  EXPECT_TRUE(is_there("kept"));
  EXPECT_FALSE(is_there("later"));
  EXPECT_FALSE(store_.mutations()[0].is_lost);
  EXPECT_TRUE(store_.mutations()[1].is_lost);
  EXPECT_EQ(next(*feed).error().code, Errc::rolled_back);
  EXPECT_THAT(next_bytes(*feed), ElementsAre("kept"));
  EXPECT_GT(insert("later").cas, store_.mutations()[1].cas);
}

TEST_F(SimStoreTest, AFailoverMayUndoTheDroppingOfADatabase) {
  insert("a", with_entry("a"));
  EXPECT_TRUE(on_a(of_a_.drop_database(kDatabase, in(seconds(1)))));
  EXPECT_FALSE(is_there("a"));
  EXPECT_TRUE(store_.feed(kOnly, kDatabase).empty());
  EXPECT_EQ(store_.mutations().back().kind, SimMutation::Kind::drop_database);
  store_.fail_over(kOnly, {.lose = 1});
  EXPECT_TRUE(is_there("a"));
  EXPECT_EQ(store_.feed(kOnly, kDatabase).size(), 1u);
}

TEST_F(SimStoreTest, SeesTheSurvivingFeedAndRange) {
  const Reply a1 = insert("a", with_entry("a1"));
  on_a(of_a_.replace(key("a"), "y", a1.cas, with_entry("a2"), in(kTimeout)));
  const auto feed = store_.feed(kOnly, kDatabase);
  ASSERT_EQ(feed.size(), 2u);
  EXPECT_TRUE(feed[0].is_superseded);
  EXPECT_FALSE(feed[1].is_superseded);
  const auto items = store_.scan({.database = kDatabase, .kind = KeyKind::document, .tag = "t"});
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].bytes, "y");
  EXPECT_EQ(store_.histories(kOnly).size(), 1u);
  EXPECT_EQ(store_.write_count(kOnly), 2u);
}

}  // namespace
}  // namespace headgate
