// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/bench_report.hpp"

#include <algorithm>

#include "cli/bench/latencies.hpp"

namespace headgate::bench {

namespace {

const Figure* find_figure(const RoundReport& round, std::string_view name) {
  const auto found = std::ranges::find(round.figures, name, &Figure::name);
  return found == round.figures.end() ? nullptr : &*found;
}

}  // namespace

bool BenchReport::is_durability_equal() const {
  return std::ranges::all_of(servers, [this](const Server& server) {
    return server.durability == servers.front().durability &&
           server.durability != Durability::unknown;
  });
}

bool BenchReport::is_whole() const {
  for (const CaseReport& one : cases)
    for (const ServerReport& server : one.servers)
      if (!server.failed.empty() || server.counts.errors > 0) return false;
  return true;
}

std::optional<double> median_of(const ServerReport& server, std::string_view figure) {
  std::vector<double> values;
  for (const RoundReport& round : server.rounds)
    if (const Figure* found = find_figure(round, figure)) values.push_back(found->value);
  if (values.empty()) return std::nullopt;
  return median(std::move(values));
}

std::optional<double> ratio_of(const ServerReport& first, const ServerReport& second,
                               std::string_view figure) {
  std::vector<double> quotients;
  for (std::size_t i = 0; i < std::min(first.rounds.size(), second.rounds.size()); ++i) {
    const Figure* const a = find_figure(first.rounds[i], figure);
    const Figure* const b = find_figure(second.rounds[i], figure);
    if (a && b && b->value != 0) quotients.push_back(a->value / b->value);
  }
  if (quotients.empty()) return std::nullopt;
  return median(std::move(quotients));
}

double generator_share(const ServerReport& server) {
  std::vector<double> shares;
  for (const auto& [figures, usage] : server.rounds)
    if (usage.seconds > 0) shares.push_back(usage.own_processor_seconds / usage.seconds);
  return median(std::move(shares));
}

std::optional<double> server_share(const ServerReport& server) {
  std::vector<double> shares;
  for (const auto& [figures, usage] : server.rounds)
    if (usage.server_processor_seconds && usage.seconds > 0)
      shares.push_back(*usage.server_processor_seconds / usage.seconds);
  if (shares.empty()) return std::nullopt;
  return median(std::move(shares));
}

std::optional<double> server_us_per_operation(const ServerReport& server) {
  std::vector<double> costs;
  for (const auto& [figures, usage] : server.rounds)
    if (usage.server_processor_seconds && usage.operations > 0)
      costs.push_back(*usage.server_processor_seconds * 1e6 /
                      static_cast<double>(usage.operations));
  if (costs.empty()) return std::nullopt;
  return median(std::move(costs));
}

}  // namespace headgate::bench
