// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "base/manual_environment.hpp"
#include "base/signal.hpp"
#include "base/task_scope.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

Result<int> half(int n) {
  if (n % 2 != 0) return Error{Errc::invalid_argument, "odd"};
  return n / 2;
}

Result<int> quarter(int n) {
  HG_TRY(const int h, half(n));
  return half(h);
}

TEST(Result, TryReturnsTheErrorOfTheInnerCall) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().code, Errc::invalid_argument);
}

TEST(Bytes, WhatIsWrittenIsRead) {
  ByteWriter w;
  w.u8(7).be32(1).be64(2).le64(3).varint(300).varint(~0ull).text("abc");
  const std::string bytes = w.bytes();
  ByteReader r(bytes);
  EXPECT_EQ(r.u8(), 7);
  EXPECT_EQ(r.be32(), 1u);
  EXPECT_EQ(r.be64(), 2u);
  EXPECT_EQ(r.le64(), 3u);
  EXPECT_EQ(r.varint(), 300u);
  EXPECT_EQ(r.varint(), ~0ull);
  EXPECT_EQ(r.text(), "abc");
  EXPECT_TRUE(r.finish("test"));
}

TEST(Bytes, CutOffBytesFailAndYieldNothing) {
  ByteReader r(
      std::string_view("\x05"
                       "ab",
                       3));
  EXPECT_EQ(r.text(), "");
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.finish("test").error().code, Errc::corrupted);
  ByteReader overlong(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
  EXPECT_EQ(overlong.varint(), 0u);
  EXPECT_FALSE(overlong.ok());
}

Task<int> add(Environment& env, int a, int b) {
  co_await env.sleep_for(milliseconds(10));
  co_return a + b;
}

Task<int> add_many(Environment& env, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum = co_await add(env, sum, 1);
  co_return sum;
}

TEST(Task, AwaitsInOrderAndMovesVirtualTime) {
  ManualEnvironment env;
  const TimePoint before = env.now();
  EXPECT_EQ(env.run(add_many(env, 100)), 100);
  EXPECT_EQ(env.now() - before, milliseconds(1000));
}

Task<int> ready(int n) {
  co_return n;
}

Task<std::int64_t> deep(int n) {
  std::int64_t sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await ready(1);
  co_return sum;
}

TEST(Task, AMillionTransfersDoNotGrowTheStack) {
  ManualEnvironment env;
  EXPECT_EQ(env.run(deep(1'000'000)), 1'000'000);
}

Task<void> wait_on(Signal& signal, Deadline deadline, std::vector<bool>& raised) {
  raised.push_back(co_await signal.wait_past(signal.count(), deadline));
}

TEST(Signal, WakesAllWaitersOrTimesOut) {
  ManualEnvironment env;
  Signal signal(env);
  std::vector<bool> raised;
  TaskScope scope(env);
  scope.spawn(wait_on(signal, kNoDeadline, raised));
  scope.spawn(wait_on(signal, env.now() + milliseconds(5), raised));
  env.advance(milliseconds(6));
  EXPECT_THAT(raised, testing::ElementsAre(false));
  signal.raise();
  env.run_ready();
  EXPECT_THAT(raised, testing::ElementsAre(false, true));
}

TEST(Signal, ARaiseBetweenLookingAndWaitingIsNotLost) {
  ManualEnvironment env;
  Signal signal(env);
  const auto seen = signal.count();
  signal.raise();
  EXPECT_TRUE(signal.wait_past(seen).await_ready());
}

struct Flag {
  bool& destroyed;
  explicit Flag(bool& d) : destroyed(d) {}
  ~Flag() { destroyed = true; }
};

Task<void> hold(Signal& signal, bool& destroyed) {
  const Flag flag(destroyed);
  co_await signal.wait_past(signal.count());
}

Task<void> hold_deeper(Signal& signal, bool& destroyed) {
  co_await hold(signal, destroyed);
}

TEST(TaskScope, DestroysSuspendedFrames) {
  ManualEnvironment env;
  Signal signal(env);
  bool destroyed = false;
  {
    TaskScope scope(env);
    scope.spawn(hold_deeper(signal, destroyed));
    env.run_ready();
    EXPECT_EQ(scope.size(), 1u);
  }
  EXPECT_TRUE(destroyed);
  signal.raise();  // finds no waiter
  env.run_ready();
}

Task<void> finish_after(Environment& env, milliseconds delay) {
  co_await env.sleep_for(delay);
}

TEST(TaskScope, JoinWaitsForAll) {
  ManualEnvironment env;
  TaskScope scope(env);
  scope.spawn(finish_after(env, milliseconds(5)));
  scope.spawn(finish_after(env, milliseconds(50)));
  const TimePoint before = env.now();
  env.run(scope.join());
  EXPECT_EQ(env.now() - before, milliseconds(50));
  EXPECT_EQ(scope.size(), 0u);
}

TEST(TaskScope, WhenAllRunsAtOnceAndKeepsTheOrder) {
  ManualEnvironment env;
  const TimePoint before = env.now();
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(add(env, i, 1));
  EXPECT_THAT(env.run(when_all(env, std::move(tasks))),
              testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_EQ(env.now() - before, milliseconds(10));
}

Task<int> on_worker(Environment& env) {
  co_return co_await env.run_blocking([] { return 42; });
}

TEST(Environment, RunBlockingReturnsTheValue) {
  ManualEnvironment env;
  EXPECT_EQ(env.run(on_worker(env)), 42);
}

Task<bool> wait_raised(Signal& signal) {
  co_return co_await signal.wait_past(0);
}

TEST(Environment, OtherThreadsHandTurnsBack) {
  ManualEnvironment env;
  Signal signal(env);
  std::thread other([&] { env.post_from_thread([&] { signal.raise(); }); });
  EXPECT_TRUE(env.run(wait_raised(signal)));
  other.join();
}

}  // namespace
}  // namespace headgate
