// SPDX-License-Identifier: Apache-2.0
#include "net/asio_environment.hpp"

#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "net/asio_loop.hpp"

namespace headgate {
namespace {

// Asking the kernel costs a system call, so each thread fetches 32 numbers at a time.
struct RandomReserve {
  std::array<std::uint64_t, 32> numbers;
  std::size_t left = 0;

  std::uint64_t next() {
    if (left == 0) {
      HG_ASSERT(getentropy(numbers.data(), sizeof numbers) == 0);
      left = numbers.size();
    }
    return std::exchange(numbers[--left], 0);
  }
};

}  // namespace

AsioEnvironment::Loop::Loop(TimerQueue& timers)
    : context(1), work_guard_(context.get_executor()), timers_(timers), timer_(context) {}

void AsioEnvironment::Loop::post(std::coroutine_handle<> coroutine) {
  local_.push_back(coroutine);
  if (is_drain_posted_) return;
  is_drain_posted_ = true;
  asio::post(context, [this] { drain_local(); });
}

void AsioEnvironment::Loop::drain_local() {
  const auto until = std::chrono::steady_clock::now() + kDrain;
  do {
    for (int i = 0; i < kTurnsBetweenLooksAtTheClock && !local_.empty(); ++i) {
      const auto coroutine = local_.front();
      local_.pop_front();
      coroutine.resume();
    }
  } while (!local_.empty() && std::chrono::steady_clock::now() < until);
  is_drain_posted_ = !local_.empty();
  if (is_drain_posted_) asio::post(context, [this] { drain_local(); });
  turn_ended();
}

void AsioEnvironment::Loop::post_from_thread(std::function<void()> turn) {
  bool is_first;
  {
    const std::lock_guard lock(mutex_);
    is_first = external_.empty();
    external_.push_back(std::move(turn));
  }
  if (is_first) asio::post(context, [this] { drain_external(); });
}

void AsioEnvironment::Loop::drain_external() {
  std::vector<std::function<void()>> turns;
  {
    const std::lock_guard lock(mutex_);
    turns.swap(external_);
  }
  for (auto& turn : turns) turn();
  turn_ended();
}

void AsioEnvironment::Loop::turn_ended() {
  // A timer that was stopped leaves the armed time too early: it fires, finds nothing and arms
  // anew. That is cheaper than a system call for each deadline that is started and stopped.
  const auto next = timers_.next();
  if (!next || *next >= armed_) return;
  armed_ = *next;
  timer_.expires_at(armed_);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (!ec) timer_fired();
  });
}

void AsioEnvironment::Loop::timer_fired() {
  armed_ = TimePoint::max();
  timers_.run_due(std::chrono::steady_clock::now());
  turn_ended();
}

AsioEnvironment::AsioEnvironment(WorkerPool& workers)
    : workers_(workers), loop_(std::make_unique<Loop>(timers())) {}

AsioEnvironment::~AsioEnvironment() = default;

TimePoint AsioEnvironment::now() const {
  return std::chrono::steady_clock::now();
}

WallTime AsioEnvironment::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::uint64_t AsioEnvironment::random() {
  thread_local RandomReserve reserve;
  return reserve.next();
}

void AsioEnvironment::post(std::coroutine_handle<> coroutine) {
  loop_->post(coroutine);
}

void AsioEnvironment::post_from_thread(std::function<void()> turn) {
  loop_->post_from_thread(std::move(turn));
}

void AsioEnvironment::run_on_worker(std::function<void()> work, std::function<void()> done) {
  workers_.submit([this, work = std::move(work), done = std::move(done)]() mutable {
    work();
    post_from_thread(std::move(done));
  });
}

void AsioEnvironment::run() {
  loop_->turn_ended();  // timers started before
  loop_->context.run();
}

void AsioEnvironment::stop() {
  loop_->context.stop();
}

}  // namespace headgate
