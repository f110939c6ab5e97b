// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "base/task_scope.hpp"
#include "net/asio_environment.hpp"
#include "net/worker_pool.hpp"

namespace headgate {

/// An event loop on a thread of its own, as a node has. What lives on it must be made before it or
/// on it, and be gone before it.
class EventLoop {
 public:
  ~EventLoop() { stop(); }

  AsioEnvironment& environment() { return environment_; }

  void start() {
    thread_ = std::thread([this] { environment_.run(); });
  }
  /// Ends the thread; then nothing runs any more. Idempotent.
  void stop() {
    if (!thread_.joinable()) return;
    environment_.stop();
    thread_.join();
    workers_.stop();
  }
  /// Runs `task` there and waits for it. REQUIRES: start().
  template <class T>
  T run(Task<T> task) {
    auto done = std::make_shared<std::promise<T>>();
    auto value = done->get_future();
    environment_.post_from_thread(
        [this, &task, done] { scope_.spawn(finish(std::move(task), done)); });
    return value.get();
  }

 private:
  template <class T>
  static Task<void> finish(Task<T> task, std::shared_ptr<std::promise<T>> done) {
    done->set_value(co_await task);
  }

  WorkerPool workers_{2};
  AsioEnvironment environment_{workers_};
  TaskScope scope_{environment_};
  std::thread thread_;
};

}  // namespace headgate
