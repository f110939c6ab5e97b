// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "cli/bench/bench_case.hpp"
#include "cli/bench/closed_load.hpp"
#include "cli/bench/latencies.hpp"

namespace headgate::bench {

/// Answers a second, of `what` ("documents"), and percentiles of their times.
Figures load_figures(LoadResult& result, std::string_view what);
/// "p50", "p99" and "p999" of `latencies`, each with `prefix` before it.
void add_percentiles(Figures& figures, Latencies& latencies, std::string_view prefix);

}  // namespace headgate::bench
