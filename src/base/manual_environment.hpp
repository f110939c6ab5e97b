// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "base/environment.hpp"

namespace headgate {

/// An Environment for unit tests: the test drives the turns. Time stands still except where the
/// test moves it, or where run() finds nothing else to do and jumps to the next timer. Workers run
/// inline, in a later turn, and take no time, or what the test says. post_from_thread is safe from
/// any thread.
class ManualEnvironment final : public Environment {
 public:
  TimePoint now() const override { return now_; }
  WallTime wall_now() const override;
  std::uint64_t random() override;
  void post(std::coroutine_handle<> coroutine) override;
  void post_from_thread(std::function<void()> turn) override;
  void run_on_worker(std::function<void()> work, std::function<void()> done) override;

  /// Runs what is ready, without moving time.
  void run_ready();
  void advance(std::chrono::nanoseconds by);
  /// Runs `task` to its end and returns its value; time jumps from timer to timer. Waits in real
  /// time for other threads only when neither a turn nor a timer is left.
  template <class T>
  T run(Task<T> task);

  /// While somebody holds time, run() waits for other threads, however long they take, instead of
  /// moving it.
  void hold_time() { ++time_holders_; }
  void release_time() { --time_holders_; }
  void set_time_of_workers(std::chrono::nanoseconds time) { time_of_workers_ = time; }

 private:
  bool step();
  void wait_for_threads();
  std::deque<std::function<void()>> take_external();
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& into);
  static Task<void> keep_void(Task<void> task, bool& done);
  void drive(Task<void> root, const std::function<bool()>& is_done);

  TimePoint now_{std::chrono::seconds(1'000)};
  int time_holders_ = 0;
  std::chrono::nanoseconds time_of_workers_{};
  std::uint64_t random_state_ = 0x9e3779b97f4a7c15;
  std::deque<std::function<void()>> turns_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::atomic<bool> has_threads_ = false;  // some have posted a turn
  std::deque<std::function<void()>> external_;
};

template <class T>
Task<void> ManualEnvironment::keep(Task<T> task, std::optional<T>& into) {
  into.emplace(co_await task);
}

template <class T>
T ManualEnvironment::run(Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    bool done = false;
    drive(keep_void(std::move(task), done), [&done] { return done; });
  } else {
    std::optional<T> value;
    drive(keep(std::move(task), value), [&value] { return value.has_value(); });
    return std::move(*value);
  }
}

}  // namespace headgate
