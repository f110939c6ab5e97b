// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/environment.hpp"
#include "net/worker_pool.hpp"

namespace headgate {

/// The Environment of a real node: one event loop, run by the one thread that calls run(). All is
/// confined to that thread, except now(), wall_now(), random(), post_from_thread() and stop().
/// Before run(), one thread may set things up. `workers` must outlive it or be stopped before it.
/// Must outlive every socket, HttpServer and Task made on it.
class AsioEnvironment : public Environment {
 public:
  struct Loop;

  explicit AsioEnvironment(WorkerPool& workers);
  ~AsioEnvironment() override;

  TimePoint now() const override;
  WallTime wall_now() const override;
  /// From the kernel's generator.
  std::uint64_t random() override;
  void post(std::coroutine_handle<> coroutine) override;
  void post_from_thread(std::function<void()> turn) override;
  void run_on_worker(std::function<void()> work, std::function<void()> done) override;

  /// Runs turns, timers and sockets until stop().
  void run();
  /// Ends run() after the current turn; what is suspended stays so. Safe from any thread.
  void stop();

  /// For the room's own sockets.
  Loop& loop() { return *loop_; }

 private:
  WorkerPool& workers_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace headgate
