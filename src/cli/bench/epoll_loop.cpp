// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/epoll_loop.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/task_scope.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kReadBufferBytes = 256 * 1024;

timespec timespec_of(std::chrono::nanoseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {seconds.count(), (duration - seconds).count()};
}

}  // namespace

EpollLoop::EpollLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), read_buffer_(kReadBufferBytes, 0) {
  HG_ASSERT(epoll_ >= 0);
}

EpollLoop::~EpollLoop() {
  close(epoll_);
}

WallTime EpollLoop::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::uint64_t EpollLoop::random() {
  std::uint64_t number = 0;
  HG_ASSERT(getentropy(&number, sizeof number) == 0);
  return number;
}

void EpollLoop::run_on_worker(std::function<void()> work, std::function<void()> done) {
  work();
  done();
}

void EpollLoop::watch(int socket, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  HG_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0);
}

void EpollLoop::unwatch(int socket, Watcher& watcher) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  // What was told in the same breath must not reach a watcher that is gone.
  for (std::size_t i = 0; i < event_count_; ++i)
    if (events_[i].data.ptr == &watcher) events_[i].data.ptr = nullptr;
}

bool EpollLoop::run(Task<void> task, TimePoint deadline) {
  TaskScope scope(*this);
  scope.spawn(std::move(task));
  while (scope.size() > 0) {
    run_posted();
    timers().run_due(now());
    if (scope.size() == 0) break;
    if (now() >= deadline) {
      posted_.clear();
      return false;
    }
    wait(deadline);
  }
  return true;
}

void EpollLoop::run_posted() {
  running_.swap(posted_);
  for (const auto coroutine : running_) coroutine.resume();
  running_.clear();
}

void EpollLoop::wait(TimePoint deadline) {
  const TimePoint until = std::min(deadline, timers().next().value_or(deadline));
  const auto patience = posted_.empty() ? std::max(until - now(), std::chrono::nanoseconds(0))
                                        : std::chrono::nanoseconds(0);
  const timespec timeout = timespec_of(patience);
  // Nanoseconds: a write that is due in 0.2 ms would else be sent a millisecond late.
  const int count =
      epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()), &timeout, nullptr);
  event_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  for (std::size_t i = 0; i < event_count_; ++i)
    if (events_[i].data.ptr != nullptr)
      static_cast<Watcher*>(events_[i].data.ptr)->ready(events_[i].events);
  event_count_ = 0;
}

}  // namespace headgate::bench
