// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace headgate {

/// Real time, and the processor time of the calling thread.
struct ScriptTime {
  std::chrono::nanoseconds cpu{};
  std::chrono::nanoseconds wall{};

  static ScriptTime now();
};

/// Pokes whatever has been running for longer than a tick, again and again, so that it can look at
/// its own limits. One thread for all; it sleeps while nothing runs. Safe from any thread.
class ScriptWatchdog {
 public:
  static constexpr std::chrono::milliseconds kTick{50};
  /// A poke is due when the run has used this much processor time since the last one, or after
  /// kTicksPerPoke. Not more often: the engine starts a regular expression anew at every poke and
  /// gives it up after a few, so that pokes by the clock would fail it on a loaded machine.
  static constexpr std::chrono::milliseconds kCpuPerPoke{40};
  static constexpr int kTicksPerPoke = 10;

  /// Something that can be poked. begin() and end() bracket a run and come from one thread.
  /// poke() comes from the watchdog's thread, possibly just after end(), never after remove().
  class Watched {
   public:
    Watched() = default;
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

   protected:
    virtual ~Watched() = default;

   private:
    friend class ScriptWatchdog;
    virtual void poke() = 0;

    bool is_due();

    std::atomic<std::uint64_t> runs_{0};  // odd while running
    clockid_t cpu_clock_{};
    // The watchdog's.
    std::uint64_t seen_ = 0;
    std::chrono::nanoseconds cpu_at_poke_{};
    int ticks_ = 0;
  };

  ScriptWatchdog();
  ~ScriptWatchdog();

  /// From the thread whose runs are watched.
  void add(Watched& watched);
  void remove(Watched& watched);
  void begin(Watched& watched);
  void end(Watched& watched);

 private:
  void watch();
  bool tick();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Watched*> watched_;
  std::atomic<bool> is_asleep_{false};
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace headgate
