// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace headgate {

SimWorld::SimWorld(Options options) : choices_(options.seed), steps_max_(options.steps_max) {}

WallTime SimWorld::wall_now() const {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()));
}

bool SimWorld::is_later(const Scheduled& a, const Scheduled& b) {
  if (a.when != b.when) return a.when > b.when;
  if (a.priority != b.priority) return a.priority > b.priority;
  return a.number > b.number;
}

void SimWorld::at(TimePoint when, What what, std::function<void()> action) {
  when = std::max(when, now_);
  const auto time = static_cast<std::uint64_t>(when.time_since_epoch().count());
  const std::uint64_t priority = what.lane == 0
                                     ? choices_.draw(what.label, ChoiceScope(what.node.value()))
                                     : mix_bits(choices_.seed() ^ mix_bits(what.lane) ^ time);
  queue_.push_back({when, priority, ++scheduled_, what, std::move(action)});
  std::push_heap(queue_.begin(), queue_.end(), is_later);
}

SimWorld::End SimWorld::run_until(const std::function<bool()>& condition, TimePoint deadline) {
  HG_ASSERT(deadline != kNoDeadline);
  if (condition()) return End::condition;
  while (!queue_.empty() && queue_.front().when <= deadline) {
    if (steps_ >= steps_max_) return End::too_many_steps;
    step();
    if (condition()) return End::condition;
  }
  now_ = std::max(now_, deadline);
  return End::deadline;
}

SimWorld::End SimWorld::run_until(TimePoint deadline) {
  return run_until([] { return false; }, deadline);
}

void SimWorld::step() {
  std::pop_heap(queue_.begin(), queue_.end(), is_later);
  const Scheduled next = std::move(queue_.back());
  queue_.pop_back();
  now_ = next.when;
  ++steps_;
  record(next.what.label, next.what.node, 0);
  next.action();
  if (step_observer_) step_observer_();
}

void SimWorld::record(std::string_view label, NodeNumber node, std::uint64_t payload) {
  const Event event{now_, node, label, payload};
  const auto mix = [&](std::uint64_t value) { log_hash_ = mix_bits(log_hash_ ^ value); };
  mix(fnv1a(label));
  mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  mix(payload + 0x9e3779b97f4a7c15 * node.value());
  recent_[logged_++ % kRecent] = event;
  if (log_observer_) log_observer_(event);
}

std::string SimWorld::recent_events() const {
  std::string text;
  const std::uint64_t begin = logged_ > kRecent ? logged_ - kRecent : 0;
  for (std::uint64_t i = begin; i < logged_; ++i) {
    const Event& event = recent_[i % kRecent];
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(
        event.when.time_since_epoch() - std::chrono::seconds(1'000));
    text += fmt::format("{:>12} us node {} {} {:016x}\n", us.count(), event.node.value(),
                        event.label, event.payload);
  }
  return text;
}

}  // namespace headgate
