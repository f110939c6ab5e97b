// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "cli/bench/bench_run.hpp"

namespace headgate::bench {

/// Steps that begin at steady times, however long those before take, as long as a connection is
/// free: at most so many are under way at once.
struct SteadyLoad {
  std::size_t per_second = 1;
  std::size_t connections = 1;
  std::chrono::nanoseconds time{};
};

/// `step` gets a connection to the server's first port and the number of the connection.
using Step = std::function<Task<void>(LoadConnection&, std::size_t connection)>;

/// Returns when all steps have ended.
Task<void> run_steady_load(BenchRun& run, SteadyLoad load, Step step);

}  // namespace headgate::bench
