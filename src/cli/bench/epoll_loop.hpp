// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/environment.hpp"

namespace headgate::bench {

/// Event loop of the load generator: the Environment of one thread over epoll, with as little
/// between a socket and a coroutine as can be, so that the generator is not what is measured.
/// Must outlive its watchers.
class EpollLoop final : public Environment {
 public:
  /// Whatever waits for a socket. Told of edges: what is not read now is not told of again.
  class Watcher {
   public:
    virtual void ready(std::uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  EpollLoop();
  ~EpollLoop() override;

  TimePoint now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const override;
  std::uint64_t random() override;
  void post(std::coroutine_handle<> coroutine) override { posted_.push_back(coroutine); }
  /// Nothing here has other threads: called from any other one, it is a bug.
  void post_from_thread(std::function<void()> turn) override { turn(); }
  /// Blocks the loop.
  void run_on_worker(std::function<void()> work, std::function<void()> done) override;

  /// Tells `watcher` of reading and writing until unwatch(); both before the socket is closed.
  void watch(int socket, Watcher& watcher);
  void unwatch(int socket, Watcher& watcher);

  /// Runs `task` until it has ended, or until `deadline`: then it is destroyed where it is
  /// suspended, and the answer is false.
  bool run(Task<void> task, TimePoint deadline);

  /// Where a watcher may read to: what is in it is gone when ready() returns.
  std::string& read_buffer() { return read_buffer_; }

 private:
  static constexpr std::size_t kEventsMax = 256;

  void run_posted();
  void wait(TimePoint deadline);

  int epoll_;
  std::vector<std::coroutine_handle<>> posted_;
  std::vector<std::coroutine_handle<>> running_;
  std::array<epoll_event, kEventsMax> events_;
  std::size_t event_count_ = 0;
  std::string read_buffer_;
};

}  // namespace headgate::bench
