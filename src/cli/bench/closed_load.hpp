// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>

#include "cli/bench/bench_run.hpp"
#include "cli/bench/latencies.hpp"

namespace headgate::bench {

/// Requests on some connections, each sent when the one before it on its connection was answered.
struct ClosedLoad {
  std::size_t connections = 1;
  std::uint64_t count_max = std::numeric_limits<std::uint64_t>::max();
  std::chrono::nanoseconds time{};  ///< no request begins later
  int status = 201;                 ///< that every answer should have
  int refusal = 0;                  ///< that an answer may have, too, and is then no error
};

struct LoadResult {
  Latencies latencies;
  std::uint64_t done = 0;  ///< answers as expected
  std::uint64_t refused = 0;
  double seconds = 0;

  double per_second() const { return seconds > 0 ? static_cast<double>(done) / seconds : 0; }
};

/// Sends what `request_of` gives for the indexes 0, 1, ...; what it returns must live until it is
/// called again. A connection that gets no answer at all sends no more.
Task<LoadResult> run_closed_load(BenchRun& run, ClosedLoad load,
                                 std::function<std::string_view(std::uint64_t)> request_of);

}  // namespace headgate::bench
