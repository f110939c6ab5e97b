// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/cluster/sim_run.hpp"
#include "sim/cluster/swarm.hpp"

namespace headgate {

/// Many runs in several processes of this machine. Real time is known here and nowhere below.
struct CampaignOptions {
  std::uint64_t first = 1;  ///< seed
  std::uint64_t last = UINT64_MAX;
  std::optional<double> minutes = {};  ///< no run begins later
  SwarmOptions swarm = {};
  SimRunOptions run = {};
  unsigned workers = 0;  ///< 0: one for each processor
  /// So many seeds apart a seed is run a second time, with an equal event log; 0: none.
  std::uint64_t repeat_each = 1;
  bool is_progress = true;          ///< a line every few seconds
  std::size_t violations_max = 10;  ///< the campaign ends with so many
  /// Events that shortening one script may take; 0: scripts are written as they are.
  std::uint64_t shrink_events = 30'000'000;
  std::string output = ".";  ///< folder for the scripts of violations
};

/// What a campaign came to, over all seeds.
struct CampaignSummary {
  std::uint64_t seeds = 0;
  std::uint64_t counted = 0;  ///< large enough: Script::counts()
  std::uint64_t operations = 0;
  std::uint64_t steps = 0;
  double seconds = 0;
  std::map<std::string, std::uint64_t, std::less<>> faults;
  std::map<std::string, std::uint64_t, std::less<>> outcomes;
  std::map<std::string, std::uint64_t, std::less<>> probes;
  std::set<std::string, std::less<>> rules_asked;
  struct Found {
    std::uint64_t seed = 0;
    std::string invariant;
    std::string what;
    std::string file;  ///< empty: not written
  };
  std::vector<Found> found;

  std::string print() const;
};

CampaignSummary run_campaign(const CampaignOptions& options);

/// Seeds that nobody has seen: beginning at the seconds since 1970, times a thousand.
std::uint64_t fresh_seed();

}  // namespace headgate
