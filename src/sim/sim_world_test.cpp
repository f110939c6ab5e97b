// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_world.hpp"

#include <gmock/gmock.h>

#include <set>

#include "base/signal.hpp"
#include "sim/sim_environment.hpp"
#include "sim/sim_hooks.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Choices, AreAFunctionOfSeedLabelScopeAndCount) {
  Choices a(7);
  Choices b(7);
  Choices other(8);
  b.draw("another label");
  b.draw("label", ChoiceScope(3));
  const std::uint64_t first = a.draw("label");
  EXPECT_EQ(b.draw("label"), first);
  EXPECT_NE(a.draw("label"), first);
  EXPECT_NE(other.draw("label"), first);
  EXPECT_EQ(a.draw("label", ChoiceScope(3)), Choices(7).draw("label", ChoiceScope(3)));
}

TEST(Choices, KeepToTheirBounds) {
  Choices choices(1);
  int yes = 0;
  std::set<std::int64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    yes += choices.chance("some", 0.25) ? 1 : 0;
    EXPECT_FALSE(choices.chance("never", 0));
    EXPECT_TRUE(choices.chance("always", 1));
    EXPECT_LT(choices.below("below", 3), 3u);
    seen.insert(choices.duration("duration", {milliseconds(1), milliseconds(3)}).count());
  }
  EXPECT_GT(yes, 150);
  EXPECT_LT(yes, 350);
  EXPECT_GE(*seen.begin(), 1'000'000);
  EXPECT_LE(*seen.rbegin(), 3'000'000);
  EXPECT_GT(seen.size(), 900u);
  EXPECT_EQ(choices.duration("fixed", {seconds(1), seconds(1)}), seconds(1));
  EXPECT_EQ(choices.is_set("swarm", 0.5), choices.is_set("swarm", 0.5));
}

TEST(SimWorld, DoesThingsInTheOrderOfTime) {
  SimWorld world({.seed = 1});
  std::vector<int> done;
  const TimePoint begin = world.now();
  world.after(seconds(2), {.label = "b"}, [&] { done.push_back(2); });
  world.after(seconds(1), {.label = "a"}, [&] {
    done.push_back(1);
    world.at(begin, {.label = "past"}, [&] { done.push_back(0); });
  });
  EXPECT_EQ(world.run_until([&] { return done.size() == 2; }, begin + seconds(9)),
            SimWorld::End::condition);
  EXPECT_THAT(done, ElementsAre(1, 0));
  EXPECT_EQ(world.now(), begin + seconds(1));
  EXPECT_EQ(world.run_until(begin + seconds(9)), SimWorld::End::deadline);
  EXPECT_THAT(done, ElementsAre(1, 0, 2));
  EXPECT_EQ(world.now(), begin + seconds(9));
}

std::string order_at_one_time(std::uint64_t seed, std::uint64_t lane) {
  SimWorld world({.seed = seed});
  std::string order;
  for (const char c : {'a', 'b', 'c', 'd'})
    world.after({}, {.label = "event", .lane = lane}, [&order, c] { order += c; });
  world.run_for(seconds(1));
  return order;
}

TEST(SimWorld, WhatHappensAtOneTimeIsInAnOrderOfChanceExceptInALane) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    orders.insert(order_at_one_time(seed, 0));
    EXPECT_EQ(order_at_one_time(seed, 5), "abcd");
  }
  EXPECT_GT(orders.size(), 5u);
}

Task<void> turn_for_ever(Environment& environment) {
  while (true) co_await environment.yield();
}

TEST(SimWorld, ALivelockEndsTheRunAndIsNamed) {
  SimWorld world({.seed = 1, .steps_max = 1'000});
  SimEnvironment node(world, NodeNumber(3));
  TaskScope tasks(node);
  tasks.spawn(turn_for_ever(node));
  EXPECT_EQ(world.run_for(seconds(1)), SimWorld::End::too_many_steps);
  EXPECT_EQ(world.steps(), 1'000u);
  EXPECT_THAT(world.recent_events(), HasSubstr("node 3 turn"));
}

Task<void> note(Environment& environment, std::string& order, char name, int times) {
  for (int i = 0; i < times; ++i) {
    order += name;
    co_await environment.yield();
  }
}

TEST(SimEnvironment, TurnsKeepTheOrderOfPostingEvenWhenTheyAreLate) {
  SimWorld world({.seed = 3});
  world.scheduling() = {.late_turn = 0.5, .turn_delay = {milliseconds(1), milliseconds(9)}};
  SimEnvironment node(world, NodeNumber(1));
  std::string order;
  TaskScope tasks(node);
  tasks.spawn(note(node, order, 'a', 3));
  tasks.spawn(note(node, order, 'b', 3));
  world.run_for(seconds(1));
  EXPECT_EQ(order, "ababab");
}

std::string two_nodes(std::uint64_t seed) {
  SimWorld world({.seed = seed});
  SimEnvironment a(world, NodeNumber(1));
  SimEnvironment b(world, NodeNumber(2));
  std::string order;
  TaskScope of_a(a);
  TaskScope of_b(b);
  of_a.spawn(note(a, order, 'a', 4));
  of_b.spawn(note(b, order, 'b', 4));
  world.run_for(seconds(1));
  return order;
}

TEST(SimEnvironment, TurnsOfDifferentNodesMixByChance) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed < 20; ++seed) orders.insert(two_nodes(seed));
  EXPECT_GT(orders.size(), 5u);
  EXPECT_EQ(two_nodes(5), two_nodes(5));
}

Task<void> sleep_and_note(Environment& environment, std::chrono::nanoseconds duration,
                          bool& is_done) {
  co_await environment.sleep_for(duration);
  is_done = true;
}

TEST(SimEnvironment, ClocksDifferAndDrift) {
  SimWorld world({.seed = 1});
  SimEnvironment fast(world, NodeNumber(1),
                      {.offset = seconds(77), .drift_ppm = 250'000, .wall_skew = seconds(-5)});
  const TimePoint begin = fast.now();
  bool is_done = false;
  TaskScope tasks(fast);
  tasks.spawn(sleep_and_note(fast, seconds(10), is_done));
  world.run_for(seconds(8) - milliseconds(1));
  EXPECT_FALSE(is_done);
  world.run_for(milliseconds(2));
  EXPECT_TRUE(is_done);
  EXPECT_GE(fast.now() - begin, seconds(10));
  EXPECT_EQ(fast.wall_now(), world.wall_now() - seconds(5));
  fast.jump_wall_clock(seconds(-100));
  EXPECT_EQ(fast.wall_now(), world.wall_now() - seconds(105));
}

TEST(SimEnvironment, APausedNodeDoesEverythingAfterwards) {
  SimWorld world({.seed = 1});
  SimEnvironment node(world, NodeNumber(1));
  bool is_awake = false;
  bool is_noted = false;
  std::string order;
  TaskScope tasks(node);
  tasks.spawn(sleep_and_note(node, seconds(1), is_awake));
  world.run_for(milliseconds(1));
  node.pause(seconds(60));
  tasks.spawn(note(node, order, 'a', 1));
  node.run_on_worker([&] { is_noted = true; }, [] {});
  world.run_for(seconds(59));
  EXPECT_TRUE(node.is_paused());
  EXPECT_FALSE(is_awake);
  EXPECT_FALSE(is_noted);
  EXPECT_EQ(order, "");
  world.run_for(seconds(2));
  EXPECT_TRUE(is_awake);
  EXPECT_TRUE(is_noted);
  EXPECT_EQ(order, "a");
}

TEST(SimEnvironment, NothingOfACrashedNodeRunsAgain) {
  SimWorld world({.seed = 1});
  auto node = std::make_unique<SimEnvironment>(world, NodeNumber(1));
  auto tasks = std::make_unique<TaskScope>(*node);
  std::string order;
  tasks->spawn(note(*node, order, 'a', 1'000'000));
  world.scheduling().worker_delay = {seconds(1), seconds(1)};
  node->run_on_worker([&] { order += "worker"; }, [] {});
  node->after_turns(5, [&] { node->crash(); });
  world.run_for(milliseconds(1));
  EXPECT_EQ(order, "aaaaa");
  EXPECT_TRUE(node->is_crashed());
  tasks.reset();
  node.reset();
  world.run_for(seconds(2));
  EXPECT_EQ(order, "aaaaa");
  const SimEnvironment again(world, NodeNumber(1));
  EXPECT_FALSE(again.is_crashed());
}

TEST(SimEnvironment, EveryIncarnationHasRandomNumbersOfItsOwn) {
  SimWorld world({.seed = 1});
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < 3; ++i) {
    SimEnvironment node(world, NodeNumber(1));
    numbers.insert(node.random());
    numbers.insert(node.random());
  }
  EXPECT_EQ(numbers.size(), 6u);
}

TEST(SimEnvironment, RunOnEndsWithTheTaskTheNodeOrTheTime) {
  SimWorld world({.seed = 1});
  SimEnvironment node(world, NodeNumber(1));
  EXPECT_TRUE(run_on(node, node.sleep_for(seconds(1)), seconds(2)));
  EXPECT_EQ(run_on(node, node.run_blocking([] { return 5; }), seconds(2)), 5);
  world.after(seconds(1), {.label = "crash"}, [&] { node.crash(); });
  const TimePoint begin = world.now();
  EXPECT_FALSE(run_on(node, node.sleep_for(seconds(3)), seconds(9)));
  EXPECT_EQ(world.now(), begin + seconds(1));
  SimEnvironment again(world, NodeNumber(1));
  EXPECT_FALSE(run_on(again, again.sleep_for(seconds(3)), seconds(2)));
  EXPECT_EQ(world.now(), begin + seconds(3));
  EXPECT_TRUE(again.is_crashed());
}

TEST(SimHooks, AnswerTheMacrosOfTheRealCode) {
  if (!kHasSimulationHooks) GTEST_SKIP() << "a build without the hooks";
  SimWorld world({.seed = 1});
  {
    SimHooks hooks(world, {.active_names = 1, .yes = 0.5, .broken_rules = {"R3"}});
    int yes = 0;
    for (int i = 0; i < 100; ++i) yes += HG_BUGGIFY("small batch") ? 1 : 0;
    EXPECT_GT(yes, 20);
    EXPECT_LT(yes, 80);
    HG_PROBE("A1 gap");
    HG_PROBE("A1 gap");
    EXPECT_FALSE(HG_RULE("R3"));
    EXPECT_TRUE(HG_RULE("R4"));
    EXPECT_EQ(hooks.reached().at("A1 gap"), 2u);
    EXPECT_EQ(hooks.reached().at("buggify: small batch"), static_cast<std::uint64_t>(yes));
    EXPECT_THAT(hooks.rules_asked(), ElementsAre("R3", "R4"));
    hooks.calm(true);
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(HG_BUGGIFY("small batch"));
  }
  EXPECT_TRUE(HG_RULE("R3"));
}

TEST(SimHooks, TellWhereANodeHasCome) {
  if (!kHasSimulationHooks) GTEST_SKIP() << "a build without the hooks";
  SimWorld world({.seed = 1});
  SimHooks hooks(world, {});
  std::vector<std::string> places;
  hooks.watch_probes([&](std::string_view place, NodeNumber) { places.emplace_back(place); });
  HG_PROBE("A1 gap");
  hooks.watch_probes({});
  HG_PROBE("A2 repair");
  EXPECT_THAT(places, ElementsAre("A1 gap"));
}

TEST(SimHooks, ARunUsesOnlySomeOfTheNames) {
  if (!kHasSimulationHooks) GTEST_SKIP() << "a build without the hooks";
  int used = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SimWorld world({.seed = seed});
    SimHooks hooks(world, {.active_names = 0.25, .yes = 1});
    used += HG_BUGGIFY("small batch") ? 1 : 0;
  }
  EXPECT_GT(used, 10);
  EXPECT_LT(used, 45);
}

}  // namespace
}  // namespace headgate
