// SPDX-License-Identifier: Apache-2.0
#include "net/asio_environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/signal.hpp"
#include "base/task_scope.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

class AsioEnvironmentTest : public testing::Test {
 protected:
  WorkerPool workers_{2};
  AsioEnvironment environment_{workers_};
  TaskScope scope_{environment_};
};

Task<void> sleep_and_note(AsioEnvironment& environment, int ms, std::vector<int>& order) {
  co_await environment.sleep_for(milliseconds(ms));
  order.push_back(ms);
  if (order.size() == 3) environment.stop();
}

TEST_F(AsioEnvironmentTest, TimersFireInTheirOrder) {
  std::vector<int> order;
  const TimePoint before = environment_.now();
  for (const int ms : {30, 10, 20}) scope_.spawn(sleep_and_note(environment_, ms, order));
  environment_.run();
  EXPECT_THAT(order, testing::ElementsAre(10, 20, 30));
  EXPECT_GE(environment_.now() - before, milliseconds(30));
}

Task<void> sleep_earlier(AsioEnvironment& environment) {
  co_await environment.sleep_for(milliseconds(1));
  co_await environment.sleep_for(milliseconds(1));
  environment.stop();
}

TEST_F(AsioEnvironmentTest, AnEarlierTimerOvertakesAnArmedOne) {
  std::vector<int> order;
  const TimePoint before = environment_.now();
  scope_.spawn(sleep_and_note(environment_, 3'600'000, order));
  scope_.spawn(sleep_earlier(environment_));
  environment_.run();
  EXPECT_LT(environment_.now() - before, std::chrono::minutes(1));
}

Task<void> spin(AsioEnvironment& environment, const bool& is_over) {
  while (!is_over) co_await environment.yield();
}

Task<void> end_after(AsioEnvironment& environment, bool& is_over) {
  co_await environment.sleep_for(milliseconds(5));
  is_over = true;
  environment.stop();
}

TEST_F(AsioEnvironmentTest, BusyTurnsStarveNoTimer) {
  bool is_over = false;
  scope_.spawn(spin(environment_, is_over));
  scope_.spawn(spin(environment_, is_over));
  scope_.spawn(end_after(environment_, is_over));
  environment_.run();
  EXPECT_TRUE(is_over);
}

TEST_F(AsioEnvironmentTest, TurnsOfManyThreadsAllRunHere) {
  constexpr int kThreads = 8;
  constexpr int kTurns = 5'000;
  int turns = 0;  // no atomic: confined to the loop
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kTurns; ++j) {
        environment_.post_from_thread([&] {
          if (++turns == kThreads * kTurns) environment_.stop();
        });
      }
    });
  }
  environment_.run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turns, kThreads * kTurns);
}

struct WorkerCounts {
  std::atomic<int> on_workers = 0;
  int returned = 0;
};

Task<void> work(AsioEnvironment& environment, WorkerCounts& counts, int wanted) {
  const auto here = std::this_thread::get_id();
  const int value = co_await environment.run_blocking([&counts, here] {
    if (std::this_thread::get_id() != here) ++counts.on_workers;
    return 42;
  });
  EXPECT_EQ(value, 42);
  EXPECT_EQ(std::this_thread::get_id(), here);
  if (++counts.returned == wanted) environment.stop();
}

TEST_F(AsioEnvironmentTest, BlockingWorkRunsOnWorkersAndReturnsHere) {
  WorkerCounts counts;
  for (int i = 0; i < 1000; ++i) scope_.spawn(work(environment_, counts, 1000));
  environment_.run();
  EXPECT_EQ(counts.on_workers, 1000);
}

TEST_F(AsioEnvironmentTest, RandomNumbersDoNotRepeat) {
  std::set<std::uint64_t> numbers;
  std::set<std::uint64_t> others;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) others.insert(environment_.random());
  });
  for (int i = 0; i < 1000; ++i) numbers.insert(environment_.random());
  other.join();
  numbers.merge(others);
  EXPECT_EQ(numbers.size(), 2000u);
}

TEST_F(AsioEnvironmentTest, WallTimeIsTheCalendars) {
  EXPECT_GT(environment_.wall_now().time_since_epoch(), std::chrono::hours(24 * 365 * 50));
}

TEST_F(AsioEnvironmentTest, StopBeforeRunIsKept) {
  environment_.stop();
  environment_.run();
}

TEST(WorkerPool, StopDropsWhatWaits) {
  std::atomic<bool> may_end = false;
  std::atomic<bool> has_begun = false;
  std::atomic<int> ran = 0;
  WorkerPool workers(1);
  workers.submit([&] {
    has_begun = true;
    has_begun.notify_all();
    may_end.wait(false);
    ++ran;
  });
  has_begun.wait(false);
  workers.submit([&] { ++ran; });
  EXPECT_EQ(workers.queued(), 1u);
  std::thread stopper([&] { workers.stop(); });
  while (workers.queued() > 0) std::this_thread::yield();
  may_end = true;
  may_end.notify_all();
  stopper.join();
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace headgate
