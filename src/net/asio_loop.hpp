// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "net/asio_environment.hpp"

namespace headgate {

namespace asio = boost::asio;
/// Concrete executor types everywhere: the type-erased one costs half a microsecond a request.
using AsioExecutor = asio::io_context::executor_type;

/// The event loop inside an AsioEnvironment. Whatever Asio completes ends with turn_ended(), so
/// that timers started meanwhile are armed.
struct AsioEnvironment::Loop {
 public:
  explicit Loop(TimerQueue& timers);

  void post(std::coroutine_handle<> coroutine);
  void post_from_thread(std::function<void()> turn);
  void turn_ended();

  asio::io_context context;

 private:
  // So long turns run one after the other before sockets are looked at again. One write may wake
  // thousands of feeds: were the requests with which their clients come back heard in between, the
  // last of them would have it twice as late.
  static constexpr std::chrono::milliseconds kDrain{10};
  static constexpr int kTurnsBetweenLooksAtTheClock = 16;
  using SteadyTimer =
      asio::basic_waitable_timer<std::chrono::steady_clock,
                                 asio::wait_traits<std::chrono::steady_clock>, AsioExecutor>;

  void drain_local();
  void drain_external();
  void timer_fired();

  asio::executor_work_guard<AsioExecutor> work_guard_;
  TimerQueue& timers_;
  SteadyTimer timer_;
  TimePoint armed_ = TimePoint::max();
  std::deque<std::coroutine_handle<>> local_;
  bool is_drain_posted_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> external_;
};

}  // namespace headgate
