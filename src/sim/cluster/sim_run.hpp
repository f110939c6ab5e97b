// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "sim/cluster/oracle.hpp"
#include "sim/cluster/script.hpp"

namespace headgate {

struct SimRunOptions {
  /// Rules that the run goes without: HG_RULE.
  std::set<std::string, std::less<>> broken_rules = {};
  /// Every line of the event log goes to standard output.
  bool is_verbose = false;
};

/// What one run came to.
struct SimRunResult {
  std::optional<Violation> violation;
  std::string story;  ///< of the violation, for people: what the client saw, what really happened
  std::uint64_t log_hash = 0;
  std::uint64_t steps = 0;
  std::map<std::string, std::uint64_t, std::less<>> faults;      ///< that struck, by kind
  std::map<std::string, std::uint64_t, std::less<>> operations;  ///< by kind and outcome
  std::map<std::string, std::uint64_t, std::less<>> probes;      ///< reached
  std::set<std::string, std::less<>> rules_asked;
};

/// Carries out a script: nodes with the real code on simulated stores, clients around them. Faults
/// strike during `settings.duration`; then all is healed, and everything must come right (I5).
SimRunResult run_script(const Script& script, const SimRunOptions& options);

}  // namespace headgate
