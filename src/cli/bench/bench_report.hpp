// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/bench/bench_case.hpp"
#include "cli/bench/bench_run.hpp"

namespace headgate::bench {

struct RoundReport {
  Figures figures;
  Usage usage;
};

/// What came of a case at one server.
struct ServerReport {
  std::string skipped;  ///< why it was not measured; empty: it was
  std::string failed;   ///< why there are not all rounds; empty: there are
  Counts counts;
  std::vector<RoundReport> rounds;
};

struct CaseReport {
  const CaseKind* kind = nullptr;
  std::vector<ServerReport> servers;  ///< in the order of the command line
};

/// All that a run has found.
struct BenchReport {
  struct Server {
    std::string name;
    std::string url;
    std::string config;  ///< as the command line has it
    Durability durability = Durability::unknown;
  };
  std::vector<Server> servers;  ///< one, or the two that are compared
  Sizes sizes;
  std::size_t rounds = 0;
  std::vector<CaseReport> cases;

  /// Both sides promise the same for a write that was answered.
  bool is_durability_equal() const;
  /// No request failed, and every round has its figures.
  bool is_whole() const;
};

/// The middle of a figure's values over all rounds; absent if there are none.
std::optional<double> median_of(const ServerReport& server, std::string_view figure);
/// The middle of the quotients of both servers' values in the same round: what slows the machine
/// down for a while slows both. Absent if there is no round with both, or something is 0.
std::optional<double> ratio_of(const ServerReport& first, const ServerReport& second,
                               std::string_view figure);
/// Processor time of the generator for each second of a round, at most 1; the middle of all rounds.
double generator_share(const ServerReport& server);
/// The same of the server, at most the number of processors; absent if its process is not known.
std::optional<double> server_share(const ServerReport& server);
/// Processor time of the server for each operation.
std::optional<double> server_us_per_operation(const ServerReport& server);

/// For people: a line for each figure.
std::string report_table(const BenchReport& report);
/// For programs: docs/performance.md has the members.
std::string report_json(const BenchReport& report);

}  // namespace headgate::bench
