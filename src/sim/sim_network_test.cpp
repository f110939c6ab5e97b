// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "sim/sim_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class SimNetworkTest : public SimStoreTest {
 protected:
  SimNetwork& network() { return store_.faults().network; }
  SimFeedFaults& feed_faults() { return store_.faults().feed; }
};

TEST_F(SimNetworkTest, MessagesTakeTheirTime) {
  network().delay = {milliseconds(10), milliseconds(10)};
  const TimePoint begin = world_.now();
  EXPECT_TRUE(insert("a").ok());
  EXPECT_EQ(world_.now() - begin, milliseconds(20));
}

TEST_F(SimNetworkTest, ALostRequestIsNotDone) {
  network().lost_request = 1;
  const TimePoint begin = world_.now();
  EXPECT_EQ(insert("a").status, Errc::timeout_unknown_outcome);
  EXPECT_EQ(world_.now() - begin, kTimeout);
  EXPECT_FALSE(is_there("a"));
  EXPECT_EQ(faults("lost request"), 1u);
}

TEST_F(SimNetworkTest, ALostReplyLeavesTheOutcomeUnknown) {
  network().lost_reply = 1;
  EXPECT_EQ(insert("a").status, Errc::timeout_unknown_outcome);
  EXPECT_TRUE(is_there("a"));
  EXPECT_EQ(faults("lost reply"), 1u);
}

TEST_F(SimNetworkTest, ABrokenConnectionTellsAtOnceThatTheOutcomeIsUnknown) {
  network().delay = {milliseconds(10), milliseconds(10)};
  network().broken_connection = 1;
  network().lost_reply = 1;
  const TimePoint begin = world_.now();
  EXPECT_EQ(insert("a").status, Errc::timeout_unknown_outcome);
  EXPECT_EQ(world_.now() - begin, milliseconds(20));
  EXPECT_TRUE(is_there("a"));
  network().lost_reply = 0;
  network().lost_request = 1;
  std::size_t done_late = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "b" + std::to_string(i);
    EXPECT_EQ(insert(name).status, Errc::timeout_unknown_outcome);
    EXPECT_FALSE(is_there(name));
    world_.run_for(milliseconds(20));
    done_late += is_there(name) ? 1 : 0;
  }
  EXPECT_GT(done_late, 5u);
  EXPECT_LT(done_late, 35u);
}

TEST_F(SimNetworkTest, ALateRequestIsCarriedOutWhenItsCallerGaveUp) {
  network().late = 1;
  network().late_delay = {seconds(20), seconds(20)};
  EXPECT_EQ(insert("a").status, Errc::timeout_unknown_outcome);
  EXPECT_FALSE(is_there("a"));
  world_.run_for(seconds(16));
  EXPECT_TRUE(is_there("a"));
}

TEST_F(SimNetworkTest, ACallWithoutADeadlineGivesItsConnectionUp) {
  network().lost_request = 1;
  network().connection_timeout = seconds(3);
  const TimePoint begin = world_.now();
  EXPECT_EQ(on_a(of_a_.get(key("a"), kNoDeadline)).status, Errc::timeout_unknown_outcome);
  EXPECT_EQ(world_.now() - begin, seconds(3));
}

TEST_F(SimNetworkTest, APartitionRefusesSingleRequests) {
  network().refused_request = 1;
  EXPECT_EQ(insert("a").status, Errc::unavailable);
  EXPECT_FALSE(is_there("a"));
  EXPECT_EQ(faults("one request refused"), 1u);
}

TEST_F(SimNetworkTest, ADuplicatedRequestIsCarriedOutTwice) {
  network().duplicated_request = 1;
  EXPECT_EQ(append("a", "x").number, 1u);
  world_.run_for(seconds(1));
  EXPECT_EQ(store_.read(key("a")).bytes, "xx");
  EXPECT_EQ(faults("duplicated request"), 1u);
}

Task<void> append_by(Bucket& bucket, Key key) {
  co_await bucket.append(std::move(key), "z", {}, kNoDeadline);
}

std::vector<Operation> two_appends(const Key& key) {
  return {operation::Append{key, "x", {}}, operation::Append{key, "y", {}}};
}

TEST_F(SimNetworkTest, OthersComeBetweenTheOperationsOfOneRequest) {
  network().interleaved = 1;
  std::set<std::string> orders;
  for (int i = 0; i < 20; ++i) {
    const Key key = this->key("a" + std::to_string(i));
    TaskScope tasks(b_);
    world_.after(std::chrono::microseconds(50), {.label = "append"},
                 [&] { tasks.spawn(append_by(of_b_, key)); });
    for (const Reply& reply : on_a(of_a_.pipeline(two_appends(key), in(kTimeout))))
      EXPECT_TRUE(reply.ok());
    world_.run_for(milliseconds(1));
    orders.insert(store_.read(key).bytes);
  }
  EXPECT_THAT(orders, ElementsAre("xyz", "xzy"));
}

TEST_F(SimNetworkTest, AFailoverEndsARequestBetweenItsOperations) {
  network().interleaved = 1;
  std::size_t ended = 0;
  for (int i = 0; i < 20; ++i) {
    const Key key = this->key("a" + std::to_string(i));
    world_.after(std::chrono::microseconds(50), {.label = "failover"},
                 [&] { store_.fail_over(PartitionNumber(0), {}); });
    const auto replies = on_a(of_a_.pipeline(two_appends(key), in(kTimeout)));
    EXPECT_TRUE(replies[0].ok());
    ended += replies[1].status == Errc::timeout_unknown_outcome ? 1 : 0;
    EXPECT_EQ(store_.read(key).bytes, replies[1].ok() ? "xy" : "x");
    world_.run_for(milliseconds(1));
  }
  EXPECT_GT(ended, 5u);
}

Task<void> remove_by(Bucket& bucket, Key key, Cas cas) {
  co_await bucket.remove(std::move(key), cas, {}, kNoDeadline);
}

TEST_F(SimNetworkTest, WhatWasRefusedStaysRefusedWhenItsRequestComesTwice) {
  const Cas cas = insert("a").cas;
  network() = {.delay = {milliseconds(10), milliseconds(10)}, .duplicated_request = 1};
  // Between the two the key becomes free.
  TaskScope tasks(b_);
  world_.after(milliseconds(15), {.label = "remove"}, [&] {
    network() = {};
    tasks.spawn(remove_by(of_b_, key("a"), cas));
  });
  EXPECT_EQ(insert("a").status, Errc::exists);
  world_.run_for(seconds(1));
  EXPECT_EQ(faults("duplicated request"), 1u);
  EXPECT_FALSE(is_there("a"));
}

TEST_F(SimNetworkTest, WhatAStoreRefusedIsNotDoneBySecondRequests) {
  network() = {.delay = {milliseconds(10), milliseconds(10)}, .duplicated_request = 1};
  store_.faults().refusal = Errc::overloaded;
  world_.after(milliseconds(15), {.label = "calm"}, [&] { store_.faults().refusal.reset(); });
  EXPECT_EQ(insert("a").status, Errc::overloaded);
  world_.run_for(seconds(1));
  EXPECT_FALSE(is_there("a"));
}

Task<void> append_to(Bucket& bucket, Key key, std::string bytes) {
  co_await bucket.append(std::move(key), std::move(bytes), {}, kNoDeadline);
}

std::string appended(std::uint64_t seed, DelayRange delay) {
  SimWorld world({.seed = seed});
  SimStore store(world, {});
  SimEnvironment node(world, NodeNumber(1));
  SimBucket bucket(node, store);
  store.faults().network.delay = delay;
  const Key key{DatabaseId(1), KeyKind::block, "t", "a"};
  TaskScope tasks(node);
  for (const char* bytes : {"a", "b", "c", "d"}) tasks.spawn(append_to(bucket, key, bytes));
  world.run_for(seconds(1));
  return store.read(key).bytes;
}

TEST_F(SimNetworkTest, CallsOvertakeEachOtherOnlyWhenDelaysDiffer) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    EXPECT_EQ(appended(seed, {}), "abcd");
    EXPECT_EQ(appended(seed, {milliseconds(5), milliseconds(5)}), "abcd");
    orders.insert(appended(seed, {milliseconds(1), milliseconds(5)}));
  }
  EXPECT_GT(orders.size(), 5u);
}

TEST_F(SimNetworkTest, ACutNodeGetsNoAnswerUntilItIsConnected) {
  store_.cut(kFirst, kOnly);
  std::set<Errc> codes;
  for (int i = 0; i < 20; ++i) codes.insert(insert("a" + std::to_string(i)).status);
  EXPECT_THAT(codes, ElementsAre(Errc::unavailable, Errc::timeout_unknown_outcome));
  EXPECT_TRUE(on_b(of_b_.insert(key("b"), "x", {}, in(kTimeout))).ok());
  EXPECT_EQ(store_.write_count(kOnly), 1u);
  store_.connect(kFirst, kOnly);
  EXPECT_TRUE(insert("a").ok());
  // Some of the requests that seemed to be lost pass now.
  world_.run_for(seconds(30));
  EXPECT_GT(store_.write_count(kOnly), 2u);
}

TEST_F(SimNetworkTest, ACutInTheMiddleOfACallLeavesItsOutcomeUnknown) {
  network().delay = {milliseconds(10), milliseconds(10)};
  world_.after(milliseconds(15), {.label = "cut"}, [&] { store_.cut(kFirst, kOnly); });
  EXPECT_EQ(insert("a").status, Errc::timeout_unknown_outcome);
  EXPECT_TRUE(is_there("a"));
}

TEST_F(SimNetworkTest, RefusesWhatItIsToldToRefuse) {
  insert("a");
  for (const Errc code : {Errc::unavailable, Errc::overloaded}) {
    store_.faults().refusal = code;
    EXPECT_EQ(insert("b").status, code);
    EXPECT_EQ(on_a(of_a_.get(key("a"), in(kTimeout))).status, code);
    EXPECT_EQ(on_a(of_a_.barrier(in(kTimeout))).error().code, code);
  }
  store_.faults().refusal = Errc::no_space;
  EXPECT_EQ(insert("b").status, Errc::no_space);
  EXPECT_EQ(on_a(of_a_.barrier(in(kTimeout))).error().code, Errc::no_space);
  EXPECT_TRUE(on_a(of_a_.get(key("a"), in(kTimeout))).ok());
  store_.heal_all();
  EXPECT_TRUE(insert("b").ok());
}

TEST_F(SimNetworkTest, APartitionThatIsDownIsUnavailable) {
  store_.set_down(kOnly, true);
  EXPECT_EQ(insert("a").status, Errc::unavailable);
  store_.set_down(kOnly, false);
  EXPECT_TRUE(insert("a").ok());
}

/// Whether the request of a node that died while it was underway was carried out.
bool is_done_after_crash(std::uint64_t seed) {
  SimWorld world({.seed = seed});
  SimStore store(world, {});
  store.faults().network.delay = {milliseconds(10), milliseconds(10)};
  const Key key{DatabaseId(1), KeyKind::block, "t", "a"};
  {
    SimEnvironment node(world, NodeNumber(1));
    SimBucket bucket(node, store);
    TaskScope tasks(node);
    tasks.spawn(append_to(bucket, key, "x"));
    world.run_for(milliseconds(5));
    node.crash();
  }
  world.run_for(seconds(1));
  return store.read(key).ok();
}

TEST_F(SimNetworkTest, RequestsOfADeadNodeAreCarriedOutOrNot) {
  std::set<bool> outcomes;
  for (std::uint64_t seed = 1; seed < 20; ++seed) outcomes.insert(is_done_after_crash(seed));
  EXPECT_EQ(outcomes.size(), 2u);
}

TEST_F(SimNetworkTest, CallsOfACrashedNodeAreBugs) {
  a_.crash();
  EXPECT_DEATH((void)of_a_.get_many({key("a")}, kNoDeadline), "is_crashed");
  EXPECT_DEATH((void)of_a_.open_feed(kDatabase, {}), "is_crashed");
}

TEST_F(SimNetworkTest, APausedNodeFindsTheAnswerAfterItsDeadline) {
  network().delay = {milliseconds(10), milliseconds(10)};
  world_.after(milliseconds(15), {.label = "pause"}, [&] { a_.pause(seconds(60)); });
  const TimePoint begin = world_.now();
  insert("a");
  EXPECT_EQ(world_.now() - begin, milliseconds(15) + seconds(60));
}

TEST_F(SimNetworkTest, AFeedMayBeDisconnected) {
  feed_faults().disconnect = 1;
  const auto feed = feed_of(of_a_);
  EXPECT_EQ(next(*feed).error().code, Errc::unavailable);
  EXPECT_EQ(on_a(feed->heads(in(kTimeout))).error().code, Errc::unavailable);
  feed_faults().disconnect = 0;
  insert("a", with_entry("a"));
  EXPECT_THAT(next_bytes(*feed), ElementsAre("a"));
}

TEST_F(SimNetworkTest, AFeedMayStall) {
  insert("a", with_entry("a"));
  feed_faults().stall = 1;
  feed_faults().stall_delay = {seconds(3), seconds(3)};
  const auto feed = feed_of(of_a_);
  const TimePoint begin = world_.now();
  world_.after(seconds(2), {.label = "calm"}, [&] { feed_faults().stall = 0; });
  EXPECT_THAT(next_bytes(*feed), ElementsAre("a"));
  EXPECT_EQ(world_.now() - begin, seconds(3));
}

TEST_F(SimNetworkTest, HeldFeedsShowNothing) {
  insert("a", with_entry("a"));
  const auto feed = feed_of(of_a_);
  store_.hold_feeds(kFirst, in(seconds(7)));
  EXPECT_TRUE(next(*feed)->empty());
  const auto of_other = feed_of(of_b_);
  EXPECT_EQ(on_b(of_other->next(9, in(kTimeout)))->size(), 1u);
  EXPECT_THAT(next_bytes(*feed), ElementsAre("a"));
}

TEST_F(SimNetworkTest, AFeedMayRepeatEntriesBeforeNewOnes) {
  feed_faults().repeat = 1;
  const auto feed = feed_of(of_a_);
  std::size_t shown = 0;
  for (int i = 0; i < 20; ++i) {
    insert("a" + std::to_string(i), with_entry(std::to_string(i)));
    const auto entries = next(*feed);
    ASSERT_TRUE(entries);
    shown += entries->size();
    EXPECT_EQ(entries->back().bytes, std::to_string(i));
  }
  EXPECT_GT(shown, 40u);
}

TEST_F(SimNetworkTest, AFeedShowsSupersededEntriesOrNot) {
  Cas cas = insert("a", with_entry("a1")).cas;
  on_a(of_a_.replace(key("a"), "y", cas, with_entry("a2"), in(kTimeout)));
  EXPECT_THAT(next_bytes(*feed_of(of_a_)), ElementsAre("a1", "a2"));
  feed_faults().skip_superseded = 1;
  EXPECT_THAT(next_bytes(*feed_of(of_a_)), ElementsAre("a2"));
}

TEST_F(SimNetworkTest, AFeedMayShowLessThanThereIs) {
  for (int i = 0; i < 50; ++i) insert("a" + std::to_string(i), with_entry("entry"));
  feed_faults().short_batch = 1;
  const auto feed = feed_of(of_a_);
  std::size_t batches = 0;
  std::size_t shown = 0;
  for (; shown < 50; ++batches) shown += next(*feed)->size();
  EXPECT_EQ(shown, 50u);
  EXPECT_GT(batches, 1u);
}

TEST_F(SimNetworkTest, HealingEndsEveryFault) {
  store_.faults() = {.network = {.lost_request = 1}, .feed = {.disconnect = 1}};
  store_.cut(kFirst, kOnly);
  store_.set_down(kOnly, true);
  store_.hold_feeds(kFirst, in(hours(1)));
  store_.fail_over(kOnly, {.stay_with_old = {kFirst}});
  store_.heal_all();
  EXPECT_TRUE(insert("a", with_entry("a")).ok());
  EXPECT_THAT(next_bytes(*feed_of(of_a_)), ElementsAre("a"));
  EXPECT_TRUE(on_a(of_a_.barrier(in(kTimeout))));
}

}  // namespace
}  // namespace headgate
