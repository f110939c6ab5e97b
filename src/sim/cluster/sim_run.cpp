// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/sim_run.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "access/script_engine.hpp"
#include "sim/cluster/sim_cluster.hpp"

namespace headgate {
namespace {

constexpr std::uint64_t kStepsMost =
    4'000'000;  // a run takes 100,000; with tags of four, a million

void print_event(const SimWorld::Event& event) {
  const auto us = event.when.time_since_epoch().count() / 1'000 - 1'000'000'000;
  fmt::print("{:>10} us node {:>3} {} {:016x}\n", us, event.node.value(), event.label,
             event.payload);
}

}  // namespace

SimRunResult run_script(const Script& script, const SimRunOptions& options) {
  lift_script_time_limits();
  SimWorld world({.seed = script.settings.seed, .steps_max = kStepsMost});
  if (options.is_verbose) world.set_log_observer(print_event);
  SimHooks hooks(world, {.active_names = static_cast<double>(script.settings.buggify) / 1'000,
                         .broken_rules = options.broken_rules});
  SimRunResult result;
  {
    SimCluster cluster(world, hooks, script);
    cluster.start();
    cluster.strike();
    cluster.heal();
    cluster.converge();
    cluster.trickle();
    cluster.prove();
    result.violation = cluster.oracle().violation();
    result.story = cluster.story();
    for (const auto& [kind, count] : cluster.clients().outcomes) result.operations[kind] = count;
  }
  result.log_hash = world.log_hash();
  result.steps = world.steps();
  for (const auto& [kind, count] : world.faults()) result.faults[std::string(kind)] = count;
  result.probes = hooks.reached();
  result.rules_asked = {hooks.rules_asked().begin(), hooks.rules_asked().end()};
  return result;
}

}  // namespace headgate
