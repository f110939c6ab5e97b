// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/bench_runner.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>

namespace headgate::bench {

namespace {

template <class T>
Task<void> keep(Task<T> task, std::optional<T>& into) {
  into.emplace(co_await task);
}

/// One case at one server.
class CaseAtServer {
 public:
  CaseAtServer(const BenchPlan& plan, const CaseKind& kind, const MeasuredServer& server,
               std::string database)
      : plan_(plan),
        server_(server),
        database_(std::move(database)),
        run_(loop_, server, plan.sizes, database_),
        case_(kind.make()) {}

  void prepare() {
    if (const auto made = server_.create_database(database_); !made) return fail(made.error());
    if (const auto ready = finish(case_->prepare(run_)); !ready) fail(ready.error());
  }

  void measure() {
    if (!report_.skipped.empty() || !report_.failed.empty()) return;
    auto figures = finish(case_->measure(run_));
    const Usage usage = run_.take_usage();
    if (!figures) return fail(figures.error());
    report_.rounds.push_back({*std::move(figures), usage});
  }

  ServerReport clean_up() {
    if (const auto deleted = server_.delete_database(database_); !deleted) fail(deleted.error());
    report_.counts = run_.counts();
    return std::move(report_);
  }

 private:
  template <class T>
  T finish(Task<T> task) {
    std::optional<T> result;
    if (!loop_.run(keep(std::move(task), result), loop_.now() + plan_.step_time_max))
      return Error{Errc::unavailable,
                   fmt::format("given up after {} s", plan_.step_time_max.count())};
    return std::move(*result);
  }

  void fail(const Error& error) {
    std::string& reason = error.code == Errc::unsupported ? report_.skipped : report_.failed;
    if (reason.empty()) reason = error.context;
    if (reason.empty()) reason = to_string(error.code);
  }

  const BenchPlan& plan_;
  const MeasuredServer& server_;
  std::string database_;
  EpollLoop loop_;
  BenchRun run_;
  std::unique_ptr<BenchCase> case_;
  ServerReport report_;
};

/// Both servers may be one, with databases of two configurations.
std::string database_of(const CaseKind& kind, std::size_t server) {
  return fmt::format("bench-{}-{}", kind.name, "ab"[server]);
}

CaseReport run_case(const BenchPlan& plan, const CaseKind& kind, const Progress& progress) {
  std::vector<std::unique_ptr<CaseAtServer>> servers;
  const auto say = [&](std::string_view step, std::size_t i) {
    progress(fmt::format("{}: {} at {}", kind.name, step, plan.servers[i].options().url));
  };
  for (std::size_t i = 0; i < plan.servers.size(); ++i) {
    servers.push_back(
        std::make_unique<CaseAtServer>(plan, kind, plan.servers[i], database_of(kind, i)));
    say("preparing", i);
    servers[i]->prepare();
  }
  for (std::size_t round = 0; round < plan.rounds; ++round)
    for (std::size_t turn = 0; turn < servers.size(); ++turn) {
      // Each goes first in every second round.
      const std::size_t i = (turn + round) % servers.size();
      say(fmt::format("round {} of {}", round + 1, plan.rounds), i);
      servers[i]->measure();
    }
  CaseReport report{&kind, {}};
  for (const auto& server : servers) report.servers.push_back(server->clean_up());
  return report;
}

}  // namespace

BenchReport run_plan(const BenchPlan& plan, const Progress& progress) {
  BenchReport report;
  report.sizes = plan.sizes;
  report.rounds = plan.rounds;
  for (const MeasuredServer& server : plan.servers)
    report.servers.push_back({server.name(), server.options().url,
                              server.has_channels() ? server.options().config : "",
                              server.durability()});
  for (const CaseKind* kind : plan.cases) report.cases.push_back(run_case(plan, *kind, progress));
  return report;
}

}  // namespace headgate::bench
