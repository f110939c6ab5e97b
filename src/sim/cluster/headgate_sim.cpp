// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdlib>

#include "base/log.hpp"
#include "sim/cluster/sim_run.hpp"
#include "sim/cluster/swarm.hpp"

int main(int argc, char** argv) {
  using namespace headgate;
  set_log_level(LogLevel::critical);
  const std::uint64_t first = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t last = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : first;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const Script script = draw_script(seed, {.is_cluster = argc > 3});
    const auto result = run_script(script, {.is_verbose = argc > 4});
    fmt::print("seed {} steps {} hash {:016x}\n", seed, result.steps, result.log_hash);
    for (const auto& [kind, count] : result.operations) fmt::print("  {} {}\n", count, kind);
    for (const auto& [kind, count] : result.faults) fmt::print("  {} {}\n", count, kind);
    if (result.violation)
      fmt::print("VIOLATION {} at {}: {}\n{}", result.violation->invariant,
                 result.violation->when.time_since_epoch().count() / 1'000, result.violation->what,
                 result.story);
  }
}
