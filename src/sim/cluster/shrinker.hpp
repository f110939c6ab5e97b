// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim/cluster/sim_run.hpp"

namespace headgate {

struct Shrunk {
  Script script;
  SimRunResult result;
  std::uint64_t events = 0;
};

/// Shortens a script that breaks `invariant` while it still does: faults go first, then operations,
/// then nodes and noise; then delays become shorter. Ends when all its runs together had
/// `events_max` events.
Shrunk shrink(Script script, const std::string& invariant, const SimRunOptions& options,
              std::uint64_t events_max);

}  // namespace headgate
