// SPDX-License-Identifier: Apache-2.0
#include "server/signal_watch.hpp"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "base/log.hpp"

namespace headgate {

namespace {

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void SignalWatch::block_signals() {
  const sigset_t signals = watched_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

SignalWatch::SignalWatch(std::function<void()> on_signal, std::chrono::seconds patience)
    : on_signal_(std::move(on_signal)), patience_(patience), thread_([this] { watch(); }) {}

SignalWatch::~SignalWatch() {
  is_over_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void SignalWatch::watch() {
  const sigset_t signals = watched_signals();
  int number = 0;
  sigwait(&signals, &number);
  if (is_over_) return;
  log(LogLevel::info, "server.stopping", {{"signal", std::to_string(number)}});
  on_signal_();
  timespec patience{};
  patience.tv_sec = static_cast<std::time_t>(patience_.count());
  sigtimedwait(&signals, nullptr, &patience);
  if (is_over_) return;
  log(LogLevel::error, "server.stop_given_up");
  _exit(1);
}

}  // namespace headgate
