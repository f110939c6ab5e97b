// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/bench/bench_report.hpp"

namespace headgate::bench {

namespace {

constexpr double kGeneratorShareMax = 0.7;

std::string number_text(std::optional<double> value) {
  if (!value) return "-";
  if (*value >= 1000) return fmt::format("{:.0f}", *value);
  return fmt::format("{:.3g}", *value);
}

class Table {
 public:
  explicit Table(const BenchReport& report) : report_(report) {}

  std::string text() {
    head();
    for (const CaseReport& one : report_.cases) add(one);
    foot();
    return std::move(out_);
  }

 private:
  bool is_comparison() const { return report_.servers.size() > 1; }

  void head() {
    for (std::size_t i = 0; i < report_.servers.size(); ++i) {
      const auto& server = report_.servers[i];
      out_ += fmt::format("{}: {} at {}, answered writes survive: {}{}\n", "AB"[i], server.name,
                          server.url, survived(server.durability),
                          server.config.empty() ? "" : ", databases " + server.config);
    }
    out_ += fmt::format("{} rounds, medians\n\n{:<15} {:<20} {:<13}", report_.rounds, "CASE",
                        "FIGURE", "UNIT");
    out_ += is_comparison() ? fmt::format(" {:>12} {:>12} {:>9}\n", "A", "B", "A/B")
                            : fmt::format(" {:>12}\n", "A");
  }

  static std::string_view survived(Durability durability) {
    switch (durability) {
      case Durability::memory:
        return "nothing (memory)";
      case Durability::process:
        return "a kill of the process (process)";
      case Durability::disk:
        return "a power failure (disk)";
      case Durability::replicated:
        return "the loss of a machine (replicated)";
      default:
        return "unknown";
    }
  }

  void line(std::string_view name, std::string_view figure, std::string_view unit,
            std::optional<double> a, std::optional<double> b, std::optional<double> ratio) {
    out_ += fmt::format("{:<15} {:<20} {:<13} {:>12}", name, figure, unit, number_text(a));
    if (is_comparison())
      out_ += fmt::format(" {:>12} {:>9}{}", number_text(b), number_text(ratio),
                          ratio && !report_.is_durability_equal() ? " unequal durability" : "");
    out_ += "\n";
  }

  void add(const CaseReport& one) {
    const ServerReport& first = one.servers.front();
    const ServerReport* const second = is_comparison() ? &one.servers.back() : nullptr;
    const ServerReport& named = first.rounds.empty() && second ? *second : first;
    std::string_view name = one.kind->name;
    if (!named.rounds.empty())
      for (const Figure& figure : named.rounds.front().figures) {
        line(name, figure.name, figure.unit, median_of(first, figure.name),
             second ? median_of(*second, figure.name) : std::nullopt,
             second ? ratio_of(first, *second, figure.name) : std::nullopt);
        name = "";
      }
    if (!named.rounds.empty()) add_costs(first, second);
    for (std::size_t i = 0; i < one.servers.size(); ++i) add_trouble(one, i);
  }

  void add_costs(const ServerReport& first, const ServerReport* second) {
    const auto a = server_us_per_operation(first);
    const auto b = second ? server_us_per_operation(*second) : std::nullopt;
    if (a || b) {
      const auto ratio = a && b && *b > 0 ? std::optional(*a / *b) : std::nullopt;
      line("", "server cpu", "us/operation", a, b, ratio);
    }
    line("", "generator cpu", "share", generator_share(first),
         second ? std::optional(generator_share(*second)) : std::nullopt, std::nullopt);
  }

  void add_trouble(const CaseReport& one, std::size_t i) {
    const ServerReport& server = one.servers[i];
    const auto say = [&](std::string_view what) {
      out_ += fmt::format("{:<15} {} {}\n", one.kind->name, "AB"[i], what);
    };
    if (!server.skipped.empty()) say("not measured: " + server.skipped);
    if (!server.failed.empty()) say("failed: " + server.failed);
    if (server.counts.errors > 0)
      say(fmt::format("{} errors in {} requests: {}", server.counts.errors, server.counts.requests,
                      server.counts.first_error));
    if (generator_share(server) > kGeneratorShareMax)
      say("the generator may be what limits: see its share");
  }

  void foot() {
    if (is_comparison() && !report_.is_durability_equal())
      out_ += fmt::format(
          "\nDurability is unequal ({} against {}): figures of writes compare only roughly.\n",
          to_string(report_.servers.front().durability),
          to_string(report_.servers.back().durability));
  }

  const BenchReport& report_;
  std::string out_;
};

}  // namespace

std::string report_table(const BenchReport& report) {
  return Table(report).text();
}

}  // namespace headgate::bench
