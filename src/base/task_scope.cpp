// SPDX-License-Identifier: Apache-2.0
#include "base/task_scope.hpp"

#include <exception>

#include "base/log.hpp"

namespace headgate {

namespace {

void destroy_all(std::list<std::coroutine_handle<>>& frames) {
  for (auto frame : std::exchange(frames, {})) frame.destroy();
}

}  // namespace

// The outermost frame of a spawned task. It parks itself when done: it cannot destroy itself.
struct TaskScope::Root {
  struct promise_type {
    Root get_return_object() {
      return Root{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> frame;
};

TaskScope::Root TaskScope::run(TaskScope& scope, Task<void> task, Frames::iterator self) {
  try {
    co_await task;
  } catch (const std::exception& e) {
    log(LogLevel::critical, "task.failed", {{"what", e.what()}});
    std::abort();
  }
  task = {};
  scope.finished_.splice(scope.finished_.end(), scope.running_, self);
  scope.changed_.raise();
}

TaskScope::~TaskScope() {
  destroy_all(running_);
  destroy_all(finished_);
}

void TaskScope::spawn(Task<void> task) {
  destroy_all(finished_);
  const auto self = running_.emplace(running_.end());
  *self = run(*this, std::move(task), self).frame;
  environment_.post(*self);
}

Task<void> TaskScope::join() {
  while (!running_.empty()) co_await changed_.wait_past(changed_.count());
  destroy_all(finished_);
}

}  // namespace headgate
