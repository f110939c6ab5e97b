// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <memory>
#include <utility>

#include "base/environment.hpp"

namespace headgate {

/// Something another thread works at and one coroutine waits for. Confined to the executor of the
/// coroutine; shared by both, because the coroutine may give up at its deadline.
class Completion {
 public:
  /// In a turn of the executor: resumes who waits.
  void finish() {
    is_finished_ = true;
    if (waiting_) std::exchange(waiting_, {}).resume();
  }
  bool is_finished() const { return is_finished_; }

 private:
  friend class CompletionWait;

  bool is_finished_ = false;
  std::coroutine_handle<> waiting_;
};

/// Awaitable: true when finished, false at the deadline.
class CompletionWait final : private TimerQueue::Timer {
 public:
  CompletionWait(Environment& environment, std::shared_ptr<Completion> completion,
                 Deadline deadline)
      : environment_(environment), completion_(std::move(completion)), deadline_(deadline) {}
  ~CompletionWait() override { completion_->waiting_ = {}; }

  bool await_ready() const noexcept { return completion_->is_finished_; }
  void await_suspend(std::coroutine_handle<> self) {
    completion_->waiting_ = self;
    environment_.timers().start(*this, deadline_);
  }
  bool await_resume() const noexcept { return completion_->is_finished_; }

 private:
  void fire() override {
    if (completion_->waiting_) environment_.post(std::exchange(completion_->waiting_, {}));
  }

  Environment& environment_;
  std::shared_ptr<Completion> completion_;
  Deadline deadline_;
};

}  // namespace headgate
