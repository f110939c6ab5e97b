// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/environment.hpp"
#include "base/task_scope.hpp"
#include "sim/sim_world.hpp"

namespace headgate {

/// How a node's clocks differ from the world's (F10).
struct SimClock {
  std::chrono::nanoseconds offset{};      ///< of now()
  std::int64_t drift_ppm = 0;             ///< now() runs so many millionths faster; > -1'000'000
  std::chrono::milliseconds wall_skew{};  ///< of wall_now()
};

/// Whether one incarnation of a node still lives; outlives its SimEnvironment.
struct SimLife {
  NodeNumber node;
  std::uint64_t incarnation = 0;
  bool is_over = false;
};

/// The Environment of one incarnation of a simulated node: from its start to its crash. Turns come
/// one at a time in the order of posting; the world may let other nodes run, and time pass, between
/// any two. The world must outlive it.
///
/// A restarted node gets a new SimEnvironment (same NodeNumber) and new objects.
class SimEnvironment final : public Environment {
 public:
  SimEnvironment(SimWorld& world, NodeNumber node, SimClock clock = {});
  /// An environment that is destroyed has crashed.
  ~SimEnvironment() override;

  TimePoint now() const override;
  WallTime wall_now() const override;
  std::uint64_t random() override;
  void post(std::coroutine_handle<> coroutine) override;
  void post_from_thread(std::function<void()> turn) override;
  void run_on_worker(std::function<void()> work, std::function<void()> done) override;

  /// Nothing of this node runs for so long; then everything that came due meanwhile does (F2).
  /// Pauses do not add up: the later end counts.
  void pause(std::chrono::nanoseconds duration);
  /// Nothing of this node ever runs again; of the requests it has sent some are still carried out
  /// (F1). Then its owner destroys the node's objects; their destructors must not call a bucket.
  /// REQUIRES: not called in a turn of this node.
  void crash();
  /// F10; either direction.
  void jump_wall_clock(std::chrono::milliseconds by) { clock_.wall_skew += by; }
  /// Does `action`, outside of the node's turns, when `turns` more turns have been run, before the
  /// next: a crash at any suspension point. A second call replaces the first.
  void after_turns(std::uint64_t turns, std::function<void()> action);

  bool is_crashed() const { return life_->is_over; }
  bool is_paused() const;
  NodeNumber node() const { return life_->node; }
  std::uint64_t turns() const { return turns_; }
  SimWorld& world() { return world_; }
  std::shared_ptr<const SimLife> life() const { return life_; }

 private:
  void push(std::function<void()> turn);
  void schedule_turn();
  void run_turn();
  void schedule_timer();
  void run_timers();
  /// An event of this node: none once it has crashed, later while it pauses.
  void wake(TimePoint when, std::string_view label, std::function<void()> action);
  TimePoint world_time(TimePoint of_node) const;
  ChoiceScope scope() const { return ChoiceScope(life_->incarnation); }

  SimWorld& world_;
  std::shared_ptr<SimLife> life_;
  SimClock clock_;
  TimePoint paused_until_;
  std::deque<std::function<void()>> ready_;
  bool is_turn_scheduled_ = false;
  std::optional<TimePoint> timer_scheduled_;
  std::uint64_t timer_number_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t action_turn_ = 0;
  std::function<void()> action_;
};

namespace detail {

template <class T>
Task<void> keep_result(Task<T> task, std::optional<T>& into) {
  into.emplace(co_await task);
}

inline Task<void> keep_end(Task<void> task, bool& into) {
  co_await task;
  into = true;
}

}  // namespace detail

/// Runs `task` on `node` while the whole world goes on; its value, or absent if it had none after
/// `limit`: then the node is crashed, since the task's frame is destroyed where it stands. Absent,
/// too, if the node crashed meanwhile.
template <class T>
std::optional<T> run_on(SimEnvironment& node, Task<T> task, std::chrono::nanoseconds limit) {
  std::optional<T> value;
  TaskScope scope(node);
  scope.spawn(detail::keep_result(std::move(task), value));
  node.world().run_until([&] { return value.has_value() || node.is_crashed(); },
                         node.world().now() + limit);
  if (!value) node.crash();
  return value;
}

/// The same for a task without a value: true if it ended.
inline bool run_on(SimEnvironment& node, Task<void> task, std::chrono::nanoseconds limit) {
  bool is_done = false;
  TaskScope scope(node);
  scope.spawn(detail::keep_end(std::move(task), is_done));
  node.world().run_until([&] { return is_done || node.is_crashed(); }, node.world().now() + limit);
  if (!is_done) node.crash();
  return is_done;
}

}  // namespace headgate
