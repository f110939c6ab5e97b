// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace headgate::bench {

/// Durations of one kind, all of them kept: a round has at most some millions.
class Latencies {
 public:
  void add(std::chrono::nanoseconds duration) { durations_.push_back(duration); }

  /// The duration, in milliseconds, that `share` (0 to 1) of all do not exceed; of few it is the
  /// longest. 0 if there are none.
  double percentile_ms(double share);

 private:
  std::vector<std::chrono::nanoseconds> durations_;
};

/// The middle of `values`; of an even number the mean of the middle two. 0 if there are none.
double median(std::vector<double> values);

}  // namespace headgate::bench
