// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/campaign.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>
#include <utility>

#include "base/assert.hpp"
#include "sim/cluster/shrinker.hpp"

namespace headgate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kProgress{5};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// --- In a worker ---------------------------------------------------------------------------------

// One line for each thing to tell: KIND, a number, and text to the end of the line.
class Report {
 public:
  explicit Report(int pipe) : pipe_(pipe) {}

  void line(std::string_view kind, std::uint64_t number, std::string_view text) {
    text_ += fmt::format("{} {} ", kind, number);
    for (const char c : text) text_ += c == '\n' ? '\t' : c;
    text_ += '\n';
  }
  void send() {
    std::string_view rest = text_;
    while (!rest.empty()) {
      const auto written = ::write(pipe_, rest.data(), rest.size());
      if (written <= 0) ::_exit(2);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    text_.clear();
  }

 private:
  int pipe_;
  std::string text_;
};

std::string write_script(const CampaignOptions& options, std::uint64_t seed, const Shrunk& shrunk) {
  const Violation& violation = *shrunk.result.violation;
  const std::string path =
      fmt::format("{}/{}-seed-{}.script", options.output, violation.invariant, seed);
  std::ofstream file(path);
  file << "# " << violation.invariant << ": " << violation.what.substr(0, violation.what.find('\n'))
       << "\n# Found with seed " << seed << ".\n"
       << shrunk.script.print();
  return file ? path : std::string();
}

void report_violation(const CampaignOptions& options, std::uint64_t seed, const Script& script,
                      const SimRunResult& result, Report& report) {
  Shrunk shrunk{script, result, 0};
  if (options.shrink_events > 0)
    shrunk = shrink(script, result.violation->invariant, options.run, options.shrink_events);
  const std::string file = write_script(options, seed, shrunk);
  report.line("found", seed, result.violation->invariant);
  report.line("what", seed, shrunk.result.violation->what);
  report.line("file", seed, file);
}

void run_seed(const CampaignOptions& options, std::uint64_t seed, Report& report) {
  report.line("begun", seed, "");
  report.send();
  const Script script = draw_script(seed, options.swarm);
  SimRunResult result = run_script(script, options.run);
  if (options.repeat_each > 0 && seed % options.repeat_each == 0 && !result.violation) {
    const SimRunResult again = run_script(script, options.run);
    if (again.log_hash != result.log_hash)
      result.violation = Violation{"replay", {}, "two runs of one seed differ"};
  }
  for (const auto& [kind, count] : result.faults) report.line("fault", count, kind);
  for (const auto& [kind, count] : result.operations) report.line("outcome", count, kind);
  for (const auto& [name, count] : result.probes) report.line("probe", count, name);
  for (const auto& rule : result.rules_asked) report.line("rule", 1, rule);
  report.line("operations", script.operations(), "");
  report.line("steps", result.steps, "");
  report.line("counted", script.counts() ? 1 : 0, "");
  if (result.violation) report_violation(options, seed, script, result, report);
  report.line("seed", seed, "");
  report.send();
}

[[noreturn]] void work(const CampaignOptions& options, unsigned worker, unsigned workers, int pipe,
                       Clock::time_point begin) {
  Report report(pipe);
  for (std::uint64_t seed = options.first + worker; seed <= options.last; seed += workers) {
    if (options.minutes && seconds_since(begin) > *options.minutes * 60) break;
    run_seed(options, seed, report);
    if (options.last - seed < workers) break;
  }
  std::fflush(nullptr);
  ::_exit(0);
}

// --- In the parent -------------------------------------------------------------------------------

struct Worker {
  pid_t process = 0;
  int pipe = -1;
  std::string received;
};

void take_line(std::string_view line, CampaignSummary& summary) {
  const auto space = line.find(' ');
  const std::string_view kind = line.substr(0, space);
  line.remove_prefix(space + 1);
  std::uint64_t number = 0;
  const auto end = std::from_chars(line.data(), line.data() + line.size(), number).ptr;
  std::string text(end + 1, line.data() + line.size());
  if (kind == "fault") summary.faults[text] += number;
  if (kind == "outcome") summary.outcomes[text] += number;
  if (kind == "probe") summary.probes[text] += number;
  if (kind == "rule") summary.rules_asked.insert(text);
  if (kind == "operations") summary.operations += number;
  if (kind == "steps") summary.steps += number;
  if (kind == "counted") summary.counted += number;
  if (kind == "seed") ++summary.seeds;
  if (kind == "found") {
    summary.found.push_back({number, std::move(text), {}, {}});
  } else if (kind == "what") {
    std::replace(text.begin(), text.end(), '\t', '\n');
    summary.found.back().what = std::move(text);
  } else if (kind == "file") {
    CampaignSummary::Found& found = summary.found.back();
    found.file = std::move(text);
    fmt::print("seed {} breaks {}: {}\n  {}\n", found.seed, found.invariant,
               found.what.substr(0, found.what.find('\n')), found.file);
    std::fflush(stdout);
  }
}

// Whole reports only: those of two workers must not mix.
void take_reports(Worker& worker, CampaignSummary& summary) {
  const auto last = worker.received.rfind("\nseed ");
  if (last == std::string::npos) return;
  const auto end = worker.received.find('\n', last + 1);
  if (end == std::string::npos) return;
  std::string_view rest = std::string_view(worker.received).substr(0, end + 1);
  while (!rest.empty()) {
    const auto line_end = rest.find('\n');
    take_line(rest.substr(0, line_end), summary);
    rest.remove_prefix(line_end + 1);
  }
  worker.received.erase(0, end + 1);
}

// Of a worker that did not come to its end. 0: none was begun.
std::uint64_t seed_underway(const Worker& worker) {
  constexpr std::string_view kBegun = "begun ";
  std::uint64_t seed = 0;
  const auto at = worker.received.rfind(kBegun);
  if (at == std::string::npos) return seed;
  const char* end = worker.received.data() + worker.received.size();
  std::from_chars(worker.received.data() + at + kBegun.size(), end, seed);
  return seed;
}

class Parent {
 public:
  explicit Parent(const CampaignOptions& options) : options_(options), begin_(Clock::now()) {}

  CampaignSummary run() {
    const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
    const unsigned count = options_.workers > 0 ? options_.workers : processors;
    for (unsigned i = 0; i < count; ++i) start(i, count);
    while (!workers_.empty()) {
      wait();
      if (summary_.found.size() >= options_.violations_max) break;
    }
    for (const Worker& worker : workers_) end(worker);
    summary_.seconds = seconds_since(begin_);
    return std::move(summary_);
  }

 private:
  void start(unsigned index, unsigned count) {
    int ends[2];
    HG_ASSERT(::pipe(ends) == 0);
    const pid_t process = ::fork();
    HG_ASSERT(process >= 0);
    if (process == 0) {
      ::close(ends[0]);
      work(options_, index, count, ends[1], begin_);
    }
    ::close(ends[1]);
    workers_.push_back({process, ends[0], {}});
  }

  void wait() {
    std::vector<pollfd> pipes;
    for (const Worker& worker : workers_) pipes.push_back({worker.pipe, POLLIN, 0});
    ::poll(pipes.data(), pipes.size(), 1'000);
    for (std::size_t i = pipes.size(); i > 0; --i)
      if (pipes[i - 1].revents != 0 && !read(workers_[i - 1])) {
        end(workers_[i - 1], false);
        workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i - 1));
      }
    show_progress();
  }

  bool read(Worker& worker) {
    char buffer[65'536];
    const auto length = ::read(worker.pipe, buffer, sizeof buffer);
    if (length <= 0) return false;
    worker.received.append(buffer, static_cast<std::size_t>(length));
    take_reports(worker, summary_);
    return true;
  }

  void end(const Worker& worker, bool is_killed = true) {
    if (is_killed) ::kill(worker.process, SIGKILL);
    ::close(worker.pipe);
    int status = 0;
    ::waitpid(worker.process, &status, 0);
    if (is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return;
    summary_.found.push_back(
        {seed_underway(worker), "crash", "a worker died: an assertion, see above", {}});
  }

  void show_progress() {
    if (!options_.is_progress || Clock::now() < next_progress_) return;
    next_progress_ = Clock::now() + kProgress;
    const double seconds = seconds_since(begin_);
    fmt::print(stderr, "{:.0f} s: {} seeds, {:.1f} a second, {} operations, {} violations\n",
               seconds, summary_.seeds, static_cast<double>(summary_.seeds) / seconds,
               summary_.operations, summary_.found.size());
  }

  const CampaignOptions& options_;
  const Clock::time_point begin_;
  Clock::time_point next_progress_ = begin_ + kProgress;
  std::vector<Worker> workers_;
  CampaignSummary summary_;
};

}  // namespace

CampaignSummary run_campaign(const CampaignOptions& options) {
  return Parent(options).run();
}

std::uint64_t fresh_seed() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count()) *
         1'000;
}

std::string CampaignSummary::print() const {
  std::string text = fmt::format(
      "{} seeds in {:.0f} s, {:.1f} a second; {} counted; {} operations, {} events\n", seeds,
      seconds, static_cast<double>(seeds) / std::max(seconds, 0.001), counted, operations, steps);
  const auto list = [&](std::string_view title, const auto& counts) {
    text += fmt::format("{}:\n", title);
    for (const auto& [name, count] : counts) text += fmt::format("  {:>9} {}\n", count, name);
  };
  list("faults", faults);
  list("operations", outcomes);
  list("probes", probes);
  text += fmt::format("{} violations\n", found.size());
  for (const Found& one : found)
    text += fmt::format("  seed {} {} {}\n", one.seed, one.invariant, one.file);
  return text;
}

}  // namespace headgate
