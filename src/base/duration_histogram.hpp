// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace headgate {

/// How long things took, in steps of a factor of about two and a half. For metrics. Confined to its
/// owner's executor.
struct DurationHistogram {
  static constexpr std::array<double, 14> kBoundsSeconds = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
  std::array<std::uint64_t, kBoundsSeconds.size() + 1> counts{};  ///< the last: beyond the bounds
  double sum_seconds = 0;

  void add(std::chrono::nanoseconds duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    const auto bound = std::ranges::lower_bound(kBoundsSeconds, seconds);
    ++counts[static_cast<std::size_t>(bound - kBoundsSeconds.begin())];
    sum_seconds += seconds;
  }
};

}  // namespace headgate
