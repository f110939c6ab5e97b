// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "cli/bench/bench_report.hpp"
#include "cli/bench/measured_server.hpp"

namespace headgate::bench {

/// What is to be measured.
struct BenchPlan {
  std::vector<MeasuredServer> servers;  ///< one, or two to be compared
  std::vector<const CaseKind*> cases;
  Sizes sizes;
  std::size_t rounds = 3;
  /// After which a case's preparation, or one of its rounds, is given up.
  std::chrono::seconds step_time_max{120};
};

/// Told of every step before it begins: "put: round 2 of 3 at http://...".
using Progress = std::function<void(std::string_view)>;

/// Measures: case by case, round by round, in each round one server after the other. Databases that
/// it makes, "bench-" and the case's name, are deleted afterwards. Blocks.
BenchReport run_plan(const BenchPlan& plan, const Progress& progress);

}  // namespace headgate::bench
