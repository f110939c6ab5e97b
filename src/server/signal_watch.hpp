// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace headgate {

/// Turns SIGTERM and SIGINT into one call, in a thread of its own. After the call the process has
/// `patience` to end; then, or at a second signal, it is ended with status 1.
class SignalWatch {
 public:
  /// Call first, before any other thread is made: threads inherit what is blocked. Signals that
  /// come before there is a watch wait for it. Writing to a closed pipe is an error from then on,
  /// no signal.
  static void block_signals();

  SignalWatch(std::function<void()> on_signal, std::chrono::seconds patience);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

 private:
  void watch();

  std::function<void()> on_signal_;
  std::chrono::seconds patience_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

}  // namespace headgate
