// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/bench_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>

#include "cli/bench/bench_runner.hpp"
#include "document/json.hpp"

namespace headgate {

using namespace bench;

namespace {

constexpr const char* kNotes =
    "Speaks CouchDB's HTTP interface only, so that any server of that kind can be measured. The\n"
    "address must be of this machine's network and numeric; databases \"bench-...\" are made "
    "there\n"
    "and deleted. With --compare two servers (or two configurations of one) are measured in turn.\n"
    "Progress goes to standard error.\n";

constexpr std::size_t kComparedRoundsMin = 3;

/// All cases once, in a moment: to see that they work.
void make_tiny(Sizes& sizes) {
  sizes = {.round_time = std::chrono::milliseconds(100),
           .connections = 4,
           .document_bytes = 200,
           .documents = 200,
           .feeds = 3,
           .waiting = 10,
           .users = 4,
           .channels = 4,
           .writes_per_second = 100};
}

Result<void> check_config(const ServerOptions& server) {
  if (server.config.empty() || validate_json(server.config)) return {};
  return Error{Errc::invalid_argument, "the configuration of databases is no JSON"};
}

/// One line that changes at a terminal; else a line for each step.
void show_progress(std::string_view step) {
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  std::cerr << (is_terminal ? "\r\x1b[K" : "") << step << (is_terminal ? "" : "\n") << std::flush;
}

void end_progress() {
  if (isatty(STDERR_FILENO) != 0) std::cerr << "\r\x1b[K" << std::flush;
}

}  // namespace

class BenchCommand::Impl {
 public:
  explicit Impl(CLI::App& program);
  std::optional<ExitStatus> run();

 private:
  void add_server(CLI::App& command, ServerOptions& server, const std::string& prefix,
                  const std::string& which);
  void add_sizes(CLI::App& command);
  Result<BenchPlan> plan() const;

  CLI::App* command_;
  ServerOptions server_;
  ServerOptions compared_;
  std::vector<std::string> cases_;
  std::optional<double> round_seconds_;
  Sizes sizes_;
  bool is_tiny_ = false;
  std::size_t rounds_ = 3;
  unsigned step_seconds_max_ = 120;
  bool as_json_ = false;
  std::string saved_to_;
  bool only_lists_ = false;
};

BenchCommand::Impl::Impl(CLI::App& program)
    : command_(program.add_subcommand("bench", "Measure a server, or two against each other")) {
  CLI::App& command = *command_;
  command.footer(kNotes);
  server_.url = "http://127.0.0.1:4985";
  add_server(command, server_, "", "");
  command.add_option("--compare", compared_.url, "A second server")->type_name("URL");
  add_server(command, compared_, "compare-", " of the second server");
  command.add_option("--case", cases_, "Only this case; may come again")
      ->type_name("CASE")
      ->allow_extra_args(false);
  command.add_flag("--list", only_lists_, "Print the cases and end");
  command.add_option("--rounds", rounds_, "Rounds of each case, with --compare at least 3")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_sizes(command);
  command.add_option("--step-seconds", step_seconds_max_, "Give a step up after this time")
      ->capture_default_str();
  command.add_flag("--json", as_json_, "Print JSON in place of the table");
  command.add_option("--save", saved_to_, "Also write the JSON to a file")->type_name("FILE");
}

void BenchCommand::Impl::add_server(CLI::App& command, ServerOptions& server,
                                    const std::string& prefix, const std::string& which) {
  if (prefix.empty())
    command.add_option("--url", server.url, "The server; of Headgate its admin port")
        ->type_name("URL")
        ->capture_default_str();
  command.add_option("--" + prefix + "login", server.login, "Login" + which)
      ->type_name("NAME:PASSWORD");
  command
      .add_option("--" + prefix + "public-url", server.public_url,
                  "Public port" + which + ", if it is Headgate: cases with users log in there")
      ->type_name("URL");
  command
      .add_option("--" + prefix + "feed-url", server.feed_url,
                  "Another node" + which + ", for the feeds of what is written to this one")
      ->type_name("URL");
  command
      .add_option("--" + prefix + "config", server.config,
                  "Configuration (JSON) for the databases" + which + ", if it is Headgate")
      ->type_name("JSON");
  command
      .add_option("--" + prefix + "durability", server.durability,
                  "What an answered write" + which +
                      " survives, if it cannot tell: memory, process, disk or replicated")
      ->type_name("WORD");
  command
      .add_option("--" + prefix + "server-pid", server.process,
                  "Process" + which + " on this machine: for its processor time and memory")
      ->type_name("PID");
}

void BenchCommand::Impl::add_sizes(CLI::App& command) {
  command.add_option("--seconds", round_seconds_, "Length of a round that is measured by time (3)")
      ->check(CLI::Range(0.01, 3600.0));
  const auto add = [&command](const char* name, std::size_t& into, const char* about) {
    command.add_option(name, into, about)->check(CLI::Range(1, 10'000'000))->capture_default_str();
  };
  add("--connections", sizes_.connections, "Connections of concurrent cases");
  add("--document-bytes", sizes_.document_bytes, "Size of a document");
  add("--documents", sizes_.documents, "Documents of the databases that are read");
  add("--feeds", sizes_.feeds, "Feeds that see every write");
  add("--waiting", sizes_.waiting, "Feeds that wait for one write");
  add("--users", sizes_.users, "Users of the cases with users");
  add("--channels", sizes_.channels, "Channels of the first sync");
  add("--rate", sizes_.writes_per_second, "Writes a second where feeds are timed");
  command.add_flag("--tiny", is_tiny_, "The smallest sizes, to see that all works");
}

Result<BenchPlan> BenchCommand::Impl::plan() const {
  BenchPlan plan;
  plan.sizes = sizes_;
  if (is_tiny_) make_tiny(plan.sizes);
  if (round_seconds_)
    plan.sizes.round_time =
        std::chrono::milliseconds(static_cast<std::int64_t>(*round_seconds_ * 1000));
  plan.rounds = rounds_;
  plan.step_time_max = std::chrono::seconds(step_seconds_max_);
  for (const CaseKind& kind : all_cases())
    if (cases_.empty() || std::ranges::find(cases_, kind.name) != cases_.end())
      plan.cases.push_back(&kind);
  for (const std::string& name : cases_)
    if (std::ranges::find(all_cases(), name, &CaseKind::name) == all_cases().end())
      return Error{Errc::invalid_argument, "no case " + name + ": see --list"};
  HG_CHECK(check_config(server_));
  HG_TRY(MeasuredServer first, MeasuredServer::ask(server_));
  plan.servers.push_back(std::move(first));
  if (compared_.url.empty()) return plan;
  if (rounds_ < kComparedRoundsMin)
    return Error{Errc::invalid_argument, "--compare takes at least 3 rounds"};
  HG_CHECK(check_config(compared_));
  HG_TRY(MeasuredServer second, MeasuredServer::ask(compared_));
  plan.servers.push_back(std::move(second));
  return plan;
}

std::optional<ExitStatus> BenchCommand::Impl::run() {
  if (!command_->parsed()) return std::nullopt;
  if (only_lists_) {
    for (const CaseKind& kind : all_cases())
      std::cout << fmt::format("{:<16} {}\n", kind.name, kind.about);
    return ExitStatus::done;
  }
  raise_open_files();
  const Result<BenchPlan> made = plan();
  if (!made) {
    std::cerr << "headgate: " << made.error().context << "\n";
    return exit_status(made.error().code);
  }
  const BenchReport report = run_plan(*made, show_progress);
  end_progress();
  std::cout << (as_json_ ? report_json(report) : report_table(report)) << std::flush;
  if (!saved_to_.empty() && !(std::ofstream(saved_to_) << report_json(report)).flush()) {
    std::cerr << "headgate: cannot write " << saved_to_ << "\n";
    return ExitStatus::failed;
  }
  return report.is_whole() ? ExitStatus::done : ExitStatus::failed;
}

BenchCommand::BenchCommand(CLI::App& program) : impl_(std::make_unique<Impl>(program)) {}
BenchCommand::~BenchCommand() = default;

std::optional<ExitStatus> BenchCommand::run() {
  return impl_->run();
}

}  // namespace headgate
