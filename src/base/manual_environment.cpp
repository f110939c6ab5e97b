// SPDX-License-Identifier: Apache-2.0
#include "base/manual_environment.hpp"

#include "base/task_scope.hpp"

namespace headgate {

WallTime ManualEnvironment::wall_now() const {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()));
}

std::uint64_t ManualEnvironment::random() {
  // SplitMix64: the same numbers in every run of a test.
  std::uint64_t z = (random_state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void ManualEnvironment::post(std::coroutine_handle<> coroutine) {
  turns_.emplace_back([coroutine] { coroutine.resume(); });
}

void ManualEnvironment::post_from_thread(std::function<void()> turn) {
  const std::lock_guard lock(mutex_);
  external_.push_back(std::move(turn));
  has_threads_ = true;
  arrived_.notify_one();
}

void ManualEnvironment::run_on_worker(std::function<void()> work, std::function<void()> done) {
  turns_.emplace_back([this, work = std::move(work), done = std::move(done)] {
    work();
    now_ += time_of_workers_;
    done();
  });
}

std::deque<std::function<void()>> ManualEnvironment::take_external() {
  const std::lock_guard lock(mutex_);
  return std::exchange(external_, {});
}

bool ManualEnvironment::step() {
  for (auto& turn : take_external()) turns_.push_back(std::move(turn));
  if (turns_.empty()) return false;
  auto turn = std::move(turns_.front());
  turns_.pop_front();
  turn();
  return true;
}

void ManualEnvironment::run_ready() {
  while (step()) {
  }
}

void ManualEnvironment::advance(std::chrono::nanoseconds by) {
  const TimePoint until = now_ + by;
  run_ready();
  while (timers().next() && *timers().next() <= until) {
    now_ = std::max(now_, *timers().next());
    timers().run_due(now_);
    run_ready();
  }
  now_ = until;
}

void ManualEnvironment::wait_for_threads() {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, std::chrono::milliseconds(2), [this] { return !external_.empty(); });
}

Task<void> ManualEnvironment::keep_void(Task<void> task, bool& done) {
  co_await task;
  done = true;
}

void ManualEnvironment::drive(Task<void> root, const std::function<bool()>& is_done) {
  TaskScope scope(*this);
  scope.spawn(std::move(root));
  while (!is_done()) {
    if (step()) continue;
    // Another thread may be about to answer: give it a moment before time moves on.
    if (has_threads_ || time_holders_ > 0 || !timers().next()) wait_for_threads();
    if (step() || is_done() || time_holders_ > 0) continue;
    if (auto next = timers().next()) {
      now_ = std::max(now_, *next);
      timers().run_due(now_);
    }
  }
  run_ready();
}

}  // namespace headgate
