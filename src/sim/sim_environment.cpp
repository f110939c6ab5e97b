// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_environment.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace headgate {

SimEnvironment::SimEnvironment(SimWorld& world, NodeNumber node, SimClock clock)
    : world_(world),
      life_(std::make_shared<SimLife>(SimLife{.node = node, .incarnation = ++world.incarnations_})),
      clock_(clock) {
  HG_ASSERT(node != NodeNumber() && clock.drift_ppm > -1'000'000);
}

SimEnvironment::~SimEnvironment() {
  life_->is_over = true;
}

TimePoint SimEnvironment::now() const {
  const std::int64_t since = world_.now().time_since_epoch().count();
  // In two steps: microseconds of years times millionths would not fit.
  const std::int64_t drift =
      since / 1'000'000 * clock_.drift_ppm + since % 1'000'000 * clock_.drift_ppm / 1'000'000;
  return world_.now() + std::chrono::nanoseconds(drift) + clock_.offset;
}

TimePoint SimEnvironment::world_time(TimePoint of_node) const {
  const std::int64_t left = (of_node - now()).count();
  if (left <= 0) return world_.now();
  if (clock_.drift_ppm == 0) return world_.now() + std::chrono::nanoseconds(left);
  // Perhaps a nanosecond off: run_timers() looks again.
  const std::int64_t rate = 1'000'000 + clock_.drift_ppm;
  const auto wait =
      static_cast<std::int64_t>(static_cast<double>(left) * 1e6 / static_cast<double>(rate));
  return world_.now() + std::chrono::nanoseconds(wait + 1);
}

WallTime SimEnvironment::wall_now() const {
  return world_.wall_now() + clock_.wall_skew;
}

std::uint64_t SimEnvironment::random() {
  return world_.choices().draw("random", scope());
}

void SimEnvironment::post(std::coroutine_handle<> coroutine) {
  push([coroutine] { coroutine.resume(); });
}

void SimEnvironment::post_from_thread(std::function<void()> turn) {
  push(std::move(turn));
}

void SimEnvironment::run_on_worker(std::function<void()> work, std::function<void()> done) {
  if (is_crashed()) return;
  const auto delay =
      world_.choices().duration("worker delay", world_.scheduling().worker_delay, scope());
  wake(world_.now() + delay, "worker",
       [this, work = std::move(work), done = std::move(done)]() mutable {
         work();
         push(std::move(done));
       });
}

bool SimEnvironment::is_paused() const {
  return paused_until_ > world_.now();
}

void SimEnvironment::pause(std::chrono::nanoseconds duration) {
  paused_until_ = std::max(paused_until_, world_.now() + duration);
}

void SimEnvironment::crash() {
  HG_ASSERT(world_.current_node() != node());
  life_->is_over = true;
  ready_.clear();
}

void SimEnvironment::after_turns(std::uint64_t turns, std::function<void()> action) {
  action_turn_ = turns_ + turns;
  action_ = std::move(action);
}

void SimEnvironment::wake(TimePoint when, std::string_view label, std::function<void()> action) {
  world_.at(when, {.label = label, .node = node()},
            [this, life = life_, label, action = std::move(action)]() mutable {
              if (life->is_over) return;
              if (is_paused()) return wake(paused_until_, label, std::move(action));
              action();
            });
}

void SimEnvironment::push(std::function<void()> turn) {
  if (is_crashed()) return;
  ready_.push_back(std::move(turn));
  schedule_turn();
}

void SimEnvironment::schedule_turn() {
  if (is_turn_scheduled_ || ready_.empty()) return;
  is_turn_scheduled_ = true;
  const SimScheduling& how = world_.scheduling();
  std::chrono::nanoseconds delay{};
  if (world_.choices().chance("late turn", how.late_turn, scope()))
    delay = world_.choices().duration("turn delay", how.turn_delay, scope());
  wake(world_.now() + delay, "turn", [this] { run_turn(); });
}

void SimEnvironment::run_turn() {
  is_turn_scheduled_ = false;
  if (action_ && turns_ >= action_turn_) {
    std::exchange(action_, nullptr)();
    if (is_crashed()) return;
    return schedule_turn();
  }
  const auto turn = std::move(ready_.front());
  ready_.pop_front();
  ++turns_;
  world_.current_node_ = node();
  turn();
  world_.current_node_ = NodeNumber();
  schedule_turn();
  schedule_timer();
}

void SimEnvironment::schedule_timer() {
  const auto next = timers().next();
  if (!next || (timer_scheduled_ && *timer_scheduled_ <= *next)) return;
  timer_scheduled_ = next;
  // An earlier timer may take this one's place: then its event finds a higher number.
  wake(world_time(*next), "timer", [this, number = ++timer_number_] {
    if (number == timer_number_) run_timers();
  });
}

void SimEnvironment::run_timers() {
  timer_scheduled_.reset();
  const auto next = timers().next();
  if (!next) return;
  if (*next <= now()) timers().run_due(now());
  schedule_timer();
}

}  // namespace headgate
