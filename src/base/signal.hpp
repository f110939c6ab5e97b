// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstdint>

#include "base/environment.hpp"

namespace headgate {

/// Something that can be waited for, without lost wake-ups: whoever waits names the count of
/// raises it has seen. Confined to the executor of its Environment, which must outlive it.
/// Must outlive its waiters, or be destroyed together with them.
///
///   const auto seen = signal.count();
///   ... look at the state ...
///   co_await signal.wait_past(seen, deadline);
class Signal {
 public:
  explicit Signal(Environment& environment) : environment_(environment) {}
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();

  /// Resumes all waiters, in their order, in a later turn.
  void raise();
  std::uint64_t count() const { return count_; }

  class Waiter;
  /// Awaitable: returns at once if count() != `seen`, else at the next raise() or at `deadline`.
  /// True if raised, false at the deadline.
  Waiter wait_past(std::uint64_t seen, Deadline deadline = kNoDeadline);

 private:
  Environment& environment_;
  std::uint64_t count_ = 0;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

class Signal::Waiter final : private TimerQueue::Timer {
 public:
  Waiter(Signal& signal, std::uint64_t seen, Deadline deadline)
      : signal_(&signal), seen_(seen), deadline_(deadline) {}
  ~Waiter() override { unlink(); }

  bool await_ready() const noexcept { return signal_->count_ != seen_; }
  void await_suspend(std::coroutine_handle<> self);
  bool await_resume() const noexcept { return was_raised_ || signal_->count_ != seen_; }

 private:
  friend class Signal;
  void fire() override;
  void unlink();

  Signal* signal_;
  std::uint64_t seen_;
  Deadline deadline_;
  std::coroutine_handle<> self_;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
  bool is_linked_ = false;
  bool was_raised_ = false;
};

inline Signal::Waiter Signal::wait_past(std::uint64_t seen, Deadline deadline) {
  return Waiter(*this, seen, deadline);
}

}  // namespace headgate
