// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headgate {

/// A fixed number of threads for what blocks, shared by several environments. Safe from any thread.
/// Must outlive the turns that submit work, and be stopped before the environments that wait for
/// it are destroyed.
///
/// submit() never refuses: whoever awaits the work is itself limited (connections, open feeds).
/// Where work is costly, admission looks at queued() first and answers `overloaded`.
class WorkerPool {
 public:
  explicit WorkerPool(unsigned threads);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool() { stop(); }

  /// Runs `work` on one of the threads, in the order of submitting. After stop() it is dropped.
  void submit(std::function<void()> work);
  /// Finishes what runs, drops what waits, joins the threads. Idempotent; not from a worker.
  void stop();
  /// Work that no thread has begun.
  std::size_t queued() const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> queue_;
  bool is_stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace headgate
