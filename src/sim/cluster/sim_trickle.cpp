// SPDX-License-Identifier: Apache-2.0
// Writes that come when nothing is wrong: nothing hides what is not told of one of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/cluster/sim_cluster.hpp"

namespace headgate {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t kFirstNumber = 5'000;  // above those of a script's steps
constexpr std::uint32_t kMostAtOnce = 3;
constexpr DelayRange kApart{milliseconds(0), milliseconds(3)};
// Of promise I5, with waits of clients and nodes' looks at their own records.
constexpr seconds kToldWithin{40};  // a client may be in the middle of a backfill, row by row
constexpr milliseconds kLook{10};

}  // namespace

ScriptStep SimCluster::draw_trickle(std::uint32_t number) {
  Choices& choices = world_.choices();
  const auto below = [&](std::string_view label, std::uint64_t bound) {
    return static_cast<std::uint32_t>(choices.below(label, bound));
  };
  const auto channels = [&] {
    std::set<std::string> names;
    for (const char* name : {"a", "b", "c", "d"})
      if (choices.chance("trickle's channel", 0.4)) names.insert(name);
    return names;
  };
  const std::uint32_t kind = below("trickle", 10);
  ScriptStep step{.kind = kind < 3   ? StepKind::user
                          : kind < 4 ? StepKind::remove
                                     : StepKind::write,
                  .number = kFirstNumber + number,
                  .node = 1 + below("trickle's node", nodes_.size())};
  const bool is_user = step.kind == StepKind::user;
  step.subject = is_user ? 3 + below("trickle's user", 2)
                         : 1 + below("trickle's document", script_.settings.documents);
  if (step.kind != StepKind::remove) step.channels = channels();
  if (is_user) step.amount = below("trickle's role", 2);
  if (step.kind != StepKind::write || !choices.chance("trickle grants", 0.3)) return step;
  step.grantee = 4;
  step.granted = channels();
  return step;
}

void SimCluster::trickle() {
  if (has_failed() || script_.settings.rounds == 0) return;
  hooks_.calm(false);
  for (SimStore* store : {&base_, &cache()}) {
    store->faults().network.delay = {microseconds(0), microseconds(script_.settings.delay_us)};
    store->faults().replication_lag = {microseconds(0), microseconds(script_.settings.lag_us)};
  }
  std::uint32_t number = 0;
  for (std::uint32_t round = 0; round < script_.settings.rounds && !has_failed(); ++round) {
    TaskScope writes(environment_);
    for (auto left = 1 + world_.choices().below("trickle at once", kMostAtOnce); left > 0; --left) {
      const ScriptStep step = draw_trickle(++number);
      world_.after(world_.choices().duration("trickle apart", kApart), {.label = "trickle"},
                   [this, &writes, step] { writes.spawn(carry_out(*clients_, step)); });
    }
    const TimePoint limit = world_.now() + kToldWithin;
    run_until([] { return false; }, kApart.max);
    const auto is_told = [&] { return writes.size() == 0 && !unfinished(); };
    while (!has_failed() && !is_told() && world_.now() < limit)
      run_until([] { return false; }, kLook);
    if (has_failed() || is_told()) continue;
    oracle_->fail("I1", "a write among few: " + unfinished().value_or("it is not answered"));
  }
  hooks_.calm(true);
}

}  // namespace headgate
