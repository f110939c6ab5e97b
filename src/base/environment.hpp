// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/task.hpp"
#include "base/timer_queue.hpp"

namespace headgate {

/// The calendar's time: shown to people and compared with expiry dates, never used to order events
/// (F10).
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// The only source of time, chance, turns and worker threads for one executor; the simulator has
/// its own, so nothing else may supply them. Confined to its executor except where a function
/// says otherwise. Must outlive every Task spawned on it.
class Environment {
 public:
  Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  virtual ~Environment() = default;

  virtual TimePoint now() const = 0;
  virtual WallTime wall_now() const = 0;
  /// 64 random bits; good enough for identities and session ids.
  virtual std::uint64_t random() = 0;

  /// Resumes `coroutine` in a later turn of this executor, in the order of posting.
  virtual void post(std::coroutine_handle<> coroutine) = 0;
  /// Runs `turn` on this executor. Safe from any thread: how other threads hand results back, one
  /// call for a whole batch.
  virtual void post_from_thread(std::function<void()> turn) = 0;
  /// Runs `work` on a worker thread, then `done` on this executor.
  virtual void run_on_worker(std::function<void()> work, std::function<void()> done) = 0;

  TimerQueue& timers() { return timers_; }

  /// Suspends until `when`; kNoDeadline never returns.
  Task<void> sleep_until(TimePoint when);
  Task<void> sleep_for(std::chrono::nanoseconds duration) { return sleep_until(now() + duration); }
  /// Lets what is ready run first.
  auto yield();

  /// Runs `work` on a worker thread and returns what it returns. For whatever blocks: bcrypt, cold
  /// reads, JavaScript. `work` must own what it uses: it may outlive the awaiting coroutine.
  template <class Work>
  Task<std::invoke_result_t<Work>> run_blocking(Work work);

 private:
  TimerQueue timers_;
};

namespace detail {

struct YieldAwaiter {
  Environment& environment;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) const { environment.post(self); }
  void await_resume() const noexcept {}
};

template <class Work>
struct BlockingCall {
  using Value = std::invoke_result_t<Work>;
  using Stored = std::conditional_t<std::is_void_v<Value>, bool, Value>;
  Work work;
  std::optional<Stored> value;
  std::exception_ptr exception;
  std::coroutine_handle<> waiting;  // null once its frame is gone

  void run() {
    try {
      if constexpr (std::is_void_v<Value>) {
        work();
        value = true;
      } else {
        value.emplace(work());
      }
    } catch (...) {
      exception = std::current_exception();
    }
  }
};

template <class Work>
struct BlockingAwaiter {
  Environment& environment;
  std::shared_ptr<BlockingCall<Work>> call;

  BlockingAwaiter(Environment& e, std::shared_ptr<BlockingCall<Work>> c)
      : environment(e), call(std::move(c)) {}
  BlockingAwaiter(const BlockingAwaiter&) = delete;
  BlockingAwaiter& operator=(const BlockingAwaiter&) = delete;
  ~BlockingAwaiter() { call->waiting = {}; }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    call->waiting = self;
    environment.run_on_worker([c = call] { c->run(); },
                              [c = call] {
                                if (c->waiting) c->waiting.resume();
                              });
  }
  typename BlockingCall<Work>::Value await_resume() {
    if (call->exception) std::rethrow_exception(call->exception);
    if constexpr (!std::is_void_v<typename BlockingCall<Work>::Value>)
      return std::move(*call->value);
  }
};

}  // namespace detail

inline auto Environment::yield() {
  return detail::YieldAwaiter{*this};
}

template <class Work>
Task<std::invoke_result_t<Work>> Environment::run_blocking(Work work) {
  auto call = std::make_shared<detail::BlockingCall<Work>>(
      detail::BlockingCall<Work>{std::move(work), std::nullopt, nullptr, {}});
  co_return co_await detail::BlockingAwaiter<Work>(*this, std::move(call));
}

}  // namespace headgate
