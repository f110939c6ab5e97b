// SPDX-License-Identifier: Apache-2.0
#include "access/script_watchdog.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace headgate {
namespace {

// Going to sleep makes the next run pay for a wake-up, so it is not done between two writes.
constexpr int kIdleTicksBeforeSleep = 20;

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

ScriptTime ScriptTime::now() {
  return {read_clock(CLOCK_THREAD_CPUTIME_ID), read_clock(CLOCK_MONOTONIC)};
}

ScriptWatchdog::ScriptWatchdog() : thread_([this] { watch(); }) {}

ScriptWatchdog::~ScriptWatchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ScriptWatchdog::add(Watched& watched) {
  HG_ASSERT(pthread_getcpuclockid(pthread_self(), &watched.cpu_clock_) == 0);
  const std::lock_guard lock(mutex_);
  watched_.push_back(&watched);
}

void ScriptWatchdog::remove(Watched& watched) {
  const std::lock_guard lock(mutex_);
  std::erase(watched_, &watched);
}

void ScriptWatchdog::begin(Watched& watched) {
  watched.runs_.fetch_add(1);
  if (!is_asleep_.load()) return;
  {
    const std::lock_guard lock(mutex_);
    is_asleep_ = false;
  }
  changed_.notify_all();
}

void ScriptWatchdog::end(Watched& watched) {
  watched.runs_.fetch_add(1);
}

/// Notes where the run stands; true if it is to be poked now.
bool ScriptWatchdog::Watched::is_due() {
  const std::uint64_t runs = runs_.load();
  const bool is_running = runs % 2 == 1;
  const bool is_known = std::exchange(seen_, runs) == runs;
  if (!is_running) return false;
  const std::chrono::nanoseconds cpu = read_clock(cpu_clock_);
  const bool is_due = is_known && (cpu - cpu_at_poke_ >= kCpuPerPoke || ++ticks_ >= kTicksPerPoke);
  if (is_known && !is_due) return false;
  cpu_at_poke_ = cpu;
  ticks_ = 0;
  return is_due;
}

/// True if anything ran since the last tick.
bool ScriptWatchdog::tick() {
  bool is_busy = false;
  for (Watched* watched : watched_) {
    const std::uint64_t seen = watched->seen_;
    if (watched->is_due()) watched->poke();
    is_busy = is_busy || watched->seen_ != seen || watched->seen_ % 2 == 1;
  }
  return is_busy;
}

void ScriptWatchdog::watch() {
  std::unique_lock lock(mutex_);
  int idle_ticks = 0;
  while (!is_stopping_) {
    idle_ticks = tick() ? 0 : idle_ticks + 1;
    if (idle_ticks < kIdleTicksBeforeSleep) {
      changed_.wait_for(lock, kTick, [this] { return is_stopping_; });
      continue;
    }
    // A run that begins from here on sees the flag; one that began before is seen by the tick.
    is_asleep_ = true;
    if (!tick()) changed_.wait(lock, [this] { return is_stopping_ || !is_asleep_; });
    is_asleep_ = false;
    idle_ticks = 0;
  }
}

}  // namespace headgate
