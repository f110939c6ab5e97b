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
  sockaddr_in address{};  ///< that they go to
};

/// `step` gets a connection that is free, and its number.
using Step = std::function<Task<void>(LoadConnection&, std::size_t connection)>;

/// Returns when all steps have ended.
Task<void> run_steady_load(BenchRun& run, SteadyLoad load, Step step);

}  // namespace headgate::bench
