// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "sim/choices.hpp"

namespace headgate {

/// Number of a simulated node, from 1; it keeps it over restarts. 0 is the world itself.
using NodeNumber = StrongNumber<struct NodeNumberTag, std::uint32_t>;

/// How the nodes' turns are spread over time. May be changed during the run.
struct SimScheduling {
  double late_turn = 0;       ///< chance that a node's next turn waits for `turn_delay`
  DelayRange turn_delay{};    ///< else it follows at once
  DelayRange worker_delay{};  ///< of run_on_worker
};

/// Virtual time and the one queue of a simulation: one thread, events in the order of (time,
/// random priority, number), so that what happens at one time happens in an order of chance.
/// Must outlive everything that is simulated in it.
///
///   SimWorld world({.seed = 7});
///   world.after(seconds(3), "crash", [&] { ... });
///   EXPECT_EQ(world.run_until(is_done, world.now() + minutes(1)), SimWorld::End::condition);
class SimWorld {
 public:
  struct Options {
    std::uint64_t seed = 1;
    /// run_until() gives up after so many events in all.
    std::uint64_t steps_max = 50'000'000;
  };
  enum class End : std::uint8_t {
    condition,       ///< the condition holds
    deadline,        ///< nothing is left to do before the deadline; now() is the deadline
    too_many_steps,  ///< a livelock: recent_events() shows who was turning
  };
  /// What an event is, for the log.
  struct What {
    std::string_view label;  ///< a string literal
    NodeNumber node = {};
    /// Events of one lane (not 0) at one time keep the order of their scheduling.
    std::uint64_t lane = 0;
  };
  /// One line of the event log.
  struct Event {
    TimePoint when;
    NodeNumber node;
    std::string_view label;
    std::uint64_t payload = 0;  ///< digest of what it carried
  };

  explicit SimWorld(Options options);
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  TimePoint now() const { return now_; }
  /// The true calendar; nodes have their own (F10).
  WallTime wall_now() const;
  Choices& choices() { return choices_; }
  SimScheduling& scheduling() { return scheduling_; }

  /// Does `action` at `when`, or now if that is past; always in a later step.
  void at(TimePoint when, What what, std::function<void()> action);
  void after(std::chrono::nanoseconds delay, What what, std::function<void()> action) {
    at(now_ + delay, what, std::move(action));
  }

  /// Runs events until `condition`, asked after each, holds, or none is left up to `deadline`.
  End run_until(const std::function<bool()>& condition, TimePoint deadline);
  /// The same without a condition.
  End run_until(TimePoint deadline);
  End run_for(std::chrono::nanoseconds duration) { return run_until(now_ + duration); }

  /// Enters something in the event log. Two runs of one script must have equal logs.
  void record(std::string_view label, NodeNumber node, std::uint64_t payload);
  /// Digest of the event log so far.
  std::uint64_t log_hash() const { return log_hash_; }
  /// Sees every line of the event log: to print it, or to find where two runs part.
  void set_log_observer(std::function<void(const Event&)> observer) {
    log_observer_ = std::move(observer);
  }
  /// The last lines of the event log, for the message of a failure.
  std::string recent_events() const;
  /// Asked after every event; checkers go here. It must not change anything.
  void set_step_observer(std::function<void()> observer) { step_observer_ = std::move(observer); }
  std::uint64_t steps() const { return steps_; }

  /// Counts a fault that struck, by kind (a string literal).
  void count_fault(std::string_view kind) { ++faults_[kind]; }
  const std::map<std::string_view, std::uint64_t>& faults() const { return faults_; }

  /// The node whose turn it is; 0 outside of turns.
  NodeNumber current_node() const { return current_node_; }

 private:
  friend class SimEnvironment;
  struct Scheduled {
    TimePoint when;
    std::uint64_t priority;
    std::uint64_t number;
    What what;
    std::function<void()> action;
  };
  static bool is_later(const Scheduled& a, const Scheduled& b);
  static constexpr std::size_t kRecent = 64;

  void step();

  Choices choices_;
  const std::uint64_t steps_max_;
  SimScheduling scheduling_;
  TimePoint now_{std::chrono::seconds(1'000)};
  std::vector<Scheduled> queue_;  // a heap
  std::uint64_t scheduled_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t incarnations_ = 0;
  NodeNumber current_node_;
  std::uint64_t log_hash_ = 0xcbf29ce484222325;
  std::uint64_t logged_ = 0;
  std::array<Event, kRecent> recent_;
  std::function<void(const Event&)> log_observer_;
  std::function<void()> step_observer_;
  std::map<std::string_view, std::uint64_t> faults_;
};

}  // namespace headgate
