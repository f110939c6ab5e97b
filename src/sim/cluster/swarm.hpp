// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "sim/cluster/script.hpp"

namespace headgate {

/// What a campaign holds fixed; the rest is drawn for each seed.
struct SwarmOptions {
  std::optional<BlockFormat> format = {};
  std::optional<ReadMode> mode = {};
  std::optional<CacheWrites> cache_writes = {};
  std::optional<bool> is_cluster = {};
  std::optional<std::uint32_t> rounds = {};  ///< of single writes once the faults are over
  bool is_aimed = false;  ///< in every seed, not only in some, faults strike where it hurts
  std::optional<AimPlan> plan = {};  ///< of them

  /// Not every case of recovery can come up.
  bool is_narrow() const { return format || mode || cache_writes || is_cluster; }
};

/// The script of a seed: first which faults exist at all and how strong, then the workload, then
/// when each fault strikes.
Script draw_script(std::uint64_t seed, const SwarmOptions& options);

}  // namespace headgate
