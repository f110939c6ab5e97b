// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/latencies.hpp"

#include <algorithm>
#include <cmath>

namespace headgate::bench {

double Latencies::percentile_ms(double share) {
  if (durations_.empty()) return 0;
  const auto size = static_cast<double>(durations_.size());
  const auto rank = static_cast<std::size_t>(std::clamp(std::ceil(share * size), 1.0, size)) - 1;
  const auto at = durations_.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(durations_.begin(), at, durations_.end());
  return std::chrono::duration<double, std::milli>(*at).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace headgate::bench
