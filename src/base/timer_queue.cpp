// SPDX-License-Identifier: Apache-2.0
#include "base/timer_queue.hpp"

namespace headgate {

TimerQueue::Timer::~Timer() {
  if (queue_) queue_->stop(*this);
}

void TimerQueue::start(Timer& timer, TimePoint when) {
  stop(timer);
  if (when == kNoDeadline) return;
  timer.queue_ = this;
  timer.when_ = when;
  timer.order_ = ++started_;
  timers_.insert(&timer);
}

void TimerQueue::stop(Timer& timer) {
  if (timer.queue_ == nullptr) return;
  timers_.erase(&timer);
  timer.queue_ = nullptr;
}

std::optional<TimePoint> TimerQueue::next() const {
  if (timers_.empty()) return std::nullopt;
  return (*timers_.begin())->when_;
}

void TimerQueue::run_due(TimePoint now) {
  const std::uint64_t last = started_;
  while (!timers_.empty()) {
    Timer* timer = *timers_.begin();
    if (timer->when_ > now || timer->order_ > last) return;
    stop(*timer);
    timer->fire();
  }
}

}  // namespace headgate
