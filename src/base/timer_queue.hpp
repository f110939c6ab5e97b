// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>

namespace headgate {

/// Monotonic time of an Environment; its zero means nothing.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
/// Points in time, not durations, are passed down: a call gives up at its deadline.
using Deadline = TimePoint;
inline constexpr Deadline kNoDeadline = TimePoint::max();

/// The timers of one executor, in order of time, then of starting. Confined to its executor.
class TimerQueue {
 public:
  /// Something that fires once. Stops itself when destroyed; must not outlive the queue while
  /// started.
  class Timer {
   public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   protected:
    virtual ~Timer();

   private:
    friend class TimerQueue;
    virtual void fire() = 0;

    TimerQueue* queue_ = nullptr;
    TimePoint when_;
    std::uint64_t order_ = 0;
  };

  /// Fires `timer` at the first run_due() at or after `when`; kNoDeadline never fires. A timer
  /// that is started already moves.
  void start(Timer& timer, TimePoint when);
  void stop(Timer& timer);

  /// The earliest timer's time; absent when there is none.
  std::optional<TimePoint> next() const;
  /// Fires what is due at `now`; a timer that starts meanwhile waits for the next call.
  void run_due(TimePoint now);

 private:
  struct Earlier {
    bool operator()(const Timer* a, const Timer* b) const {
      return a->when_ != b->when_ ? a->when_ < b->when_ : a->order_ < b->order_;
    }
  };
  std::set<Timer*, Earlier> timers_;
  std::uint64_t started_ = 0;
};

}  // namespace headgate
