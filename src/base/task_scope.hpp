// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstddef>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "base/signal.hpp"
#include "base/task.hpp"

namespace headgate {

/// Owner of background tasks. Keep it as the last member: it is destroyed first. A component's
/// stop() tells its tasks to end, then awaits join(). Destroying a scope with tasks in it destroys
/// their frames where they are suspended: only for a crash (F1) or when the executor has stopped.
/// Confined to its executor.
class TaskScope {
 public:
  explicit TaskScope(Environment& environment) : environment_(environment), changed_(environment) {}
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

  /// Starts `task` in a later turn. An exception that leaves it is a bug: logged, then abort.
  void spawn(Task<void> task);
  /// Suspends until no task is left.
  Task<void> join();
  std::size_t size() const { return running_.size(); }

 private:
  struct Root;
  using Frames = std::list<std::coroutine_handle<>>;
  static Root run(TaskScope& scope, Task<void> task, Frames::iterator self);

  Environment& environment_;
  Signal changed_;
  Frames running_;
  Frames finished_;  // parked at their end; destroyed at the next spawn or join
};

namespace detail {

template <class T>
Task<void> store_result(Task<T> task, std::optional<T>& into) {
  into.emplace(co_await task);
}

}  // namespace detail

/// Runs all tasks at once, each beginning in a later turn; their values in their order.
template <class T>
Task<std::vector<T>> when_all(Environment& environment, std::vector<Task<T>> tasks) {
  std::vector<std::optional<T>> results(tasks.size());
  TaskScope scope(environment);
  for (std::size_t i = 0; i < tasks.size(); ++i)
    scope.spawn(detail::store_result(std::move(tasks[i]), results[i]));
  co_await scope.join();
  std::vector<T> values;
  values.reserve(results.size());
  for (auto& result : results) values.push_back(std::move(*result));
  co_return values;
}

}  // namespace headgate
