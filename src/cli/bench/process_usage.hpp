// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace headgate::bench {

/// What a process of this machine has used up to now, as /proc shows it.
struct ProcessUsage {
  std::chrono::nanoseconds processor{};  ///< in clock ticks: 10 ms
  std::uint64_t resident_bytes = 0;
};

/// None: there is no such process, or it is not for us to look at.
std::optional<ProcessUsage> usage_of(int process);
/// Processor time of the calling thread.
std::chrono::nanoseconds own_processor_time();
/// Raises the number of files that this process may have open to what it is allowed; how many.
std::uint64_t raise_open_files();

}  // namespace headgate::bench
