// SPDX-License-Identifier: Apache-2.0
#include "base/environment.hpp"

namespace headgate {
namespace {

class SleepAwaiter final : public TimerQueue::Timer {
 public:
  SleepAwaiter(Environment& environment, TimePoint when) : environment_(environment), when_(when) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    self_ = self;
    environment_.timers().start(*this, when_);
  }
  void await_resume() const noexcept {}

 private:
  void fire() override { environment_.post(self_); }

  Environment& environment_;
  TimePoint when_;
  std::coroutine_handle<> self_;
};

}  // namespace

Task<void> Environment::sleep_until(TimePoint when) {
  co_await SleepAwaiter(*this, when);
}

}  // namespace headgate
