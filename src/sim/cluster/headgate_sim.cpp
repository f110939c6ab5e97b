// SPDX-License-Identifier: Apache-2.0
// headgate-sim: runs the real code in simulated clusters full of faults. See src/sim/README.md.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "sim/cluster/campaign.hpp"
#include "sim/cluster/rules.hpp"
#include "sim/cluster/shrinker.hpp"

namespace headgate {
namespace {

constexpr std::string_view kUsage =
    R"(headgate-sim: the real code in simulated clusters full of faults

  --seed N               one seed, with all it has to tell
  --seeds A-B            these
  --minutes M            seeds until then, beginning at --seeds or at a fresh one
  --fresh N              so many that nobody has seen; the first one is printed
  --script FILE          replays a script, for instance one of tests/regressions
  --shorten              with --script: prints a shorter one that breaks the same promise
  --rules all|R3,R4      breaks each of these rules in turn, until a violation shows it;
                         R3+R4: both at once
  --format append|indexed  --mode available|stable  --cache-writes frontend|feed
  --single               one process on an embedded store instead of a cluster
  --aimed                faults strike where something was just written, in every seed
  --plan any|late|hidden|rights|lag|stable|moved|directory  the same by one plan (script.hpp)
  --rounds N             of single writes once the faults are over, each to be told at once
  --break RULE           without this rule of docs/fault-model.md; may be given several times
  --repeat-each N        runs every N-th seed twice, to compare the event logs (1; 0: none)
  --print                prints the script instead of running it
  --output DIR           where the scripts of violations are written
  --violations N         ends with so many (10)
  --workers N  --shrink EVENTS  --quiet  --verbose
)";

struct Arguments {
  CampaignOptions campaign;
  std::optional<std::uint64_t> seed;
  std::string script;
  std::vector<std::string> rules;
  bool is_print = false;
  bool is_fresh = false;
  bool is_verbose = false;
  bool is_shorten = false;
};

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_seeds(std::string_view text, CampaignOptions& campaign) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return read_number(text, campaign.first);
  return read_number(text.substr(0, dash), campaign.first) &&
         read_number(text.substr(dash + 1), campaign.last) && campaign.first <= campaign.last;
}

template <class Enum>
bool choose(std::string_view text, std::string_view first, std::string_view second,
            std::optional<Enum>& value) {
  if (text != first && text != second) return false;
  value = static_cast<Enum>(text == second);
  return true;
}

bool read_rules(std::string_view text, std::vector<std::string>& rules) {
  if (text == "all") {
    rules.assign(kRules.begin(), kRules.end());
    return true;
  }
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    rules.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return !rules.empty();
}

bool read_flag(std::string_view name, Arguments& arguments) {
  if (name == "--single") arguments.campaign.swarm.is_cluster = false;
  if (name == "--aimed") arguments.campaign.swarm.is_aimed = true;
  if (name == "--print") arguments.is_print = true;
  if (name == "--quiet") arguments.campaign.is_progress = false;
  if (name == "--verbose") arguments.is_verbose = true;
  if (name == "--shorten") arguments.is_shorten = true;
  return name == "--single" || name == "--aimed" || name == "--print" || name == "--quiet" ||
         name == "--verbose" || name == "--shorten";
}

bool read_option(std::string_view name, std::string_view value, Arguments& arguments) {
  CampaignOptions& campaign = arguments.campaign;
  if (name == "--seed") return read_number(value, arguments.seed.emplace());
  if (name == "--seeds") return read_seeds(value, campaign);
  if (name == "--minutes") {
    campaign.minutes.emplace();
    arguments.is_fresh = campaign.first == 1;
    return read_number(value, *campaign.minutes);
  }
  if (name == "--fresh") {
    arguments.is_fresh = true;
    campaign.first = fresh_seed();
    if (!read_number(value, campaign.last)) return false;
    campaign.last += campaign.first - 1;
    return true;
  }
  if (name == "--script") arguments.script = value;
  if (name == "--break") campaign.run.broken_rules.emplace(value);
  if (name == "--output") campaign.output = value;
  if (name == "--script" || name == "--break" || name == "--output") return true;
  if (name == "--rules") return read_rules(value, arguments.rules);
  if (name == "--plan") return (campaign.swarm.plan = aim_plan_of(value)).has_value();
  if (name == "--rounds") return read_number(value, campaign.swarm.rounds.emplace());
  if (name == "--violations") return read_number(value, campaign.violations_max);
  if (name == "--repeat-each") return read_number(value, campaign.repeat_each);
  if (name == "--workers") return read_number(value, campaign.workers);
  if (name == "--shrink") return read_number(value, campaign.shrink_events);
  if (name == "--format") return choose(value, "append", "indexed", campaign.swarm.format);
  if (name == "--mode") return choose(value, "available", "stable", campaign.swarm.mode);
  if (name == "--cache-writes")
    return choose(value, "frontend", "feed", campaign.swarm.cache_writes);
  return false;
}

bool read_arguments(int count, char** texts, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    if (read_flag(texts[i], arguments)) continue;
    if (i + 1 == count || !read_option(texts[i], texts[i + 1], arguments)) {
      fmt::print(stderr, "bad argument: {}\n\n{}", texts[i], kUsage);
      return false;
    }
    ++i;
  }
  return true;
}

int show(const Script& script, const Arguments& arguments) {
  if (arguments.is_print) {
    fmt::print("{}", script.print());
    return 0;
  }
  SimRunOptions options = arguments.campaign.run;
  options.is_verbose = arguments.is_verbose;
  if (arguments.is_verbose) set_log_level(LogLevel::info);
  const SimRunResult result = run_script(script, options);
  const SimRunResult again = run_script(script, arguments.campaign.run);
  fmt::print("{} events, log {:016x}{}\n", result.steps, result.log_hash,
             again.log_hash == result.log_hash ? "" : ", NOT the same the second time");
  for (const auto& [kind, number] : result.operations) fmt::print("  {:>6} {}\n", number, kind);
  for (const auto& [kind, number] : result.faults) fmt::print("  {:>6} {}\n", number, kind);
  for (const auto& [name, number] : result.probes) fmt::print("  {:>6} {}\n", number, name);
  if (result.violation)
    fmt::print("{} is broken at {} us: {}\n{}", result.violation->invariant,
               result.violation->when.time_since_epoch().count() / 1'000 - 1'000'000'000,
               result.violation->what, result.story);
  return result.violation || again.log_hash != result.log_hash ? 1 : 0;
}

int shorten(const Script& script, const Arguments& arguments) {
  const CampaignOptions& campaign = arguments.campaign;
  const SimRunResult result = run_script(script, campaign.run);
  if (!result.violation) {
    fmt::print(stderr, "no promise is broken\n");
    return 2;
  }
  fmt::print("{}", shrink(script, result.violation->invariant, campaign.run, campaign.shrink_events)
                       .script.print());
  return 0;
}

int replay(const Arguments& arguments) {
  std::ifstream file(arguments.script);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto script = Script::parse(text);
  if (!file || !script) {
    fmt::print(stderr, "{}: {}\n", arguments.script,
               file ? script.error().context : "cannot be read");
    return 2;
  }
  return arguments.is_shorten ? shorten(*script, arguments) : show(*script, arguments);
}

std::set<std::string, std::less<>> split_rules(std::string_view rules) {
  std::set<std::string, std::less<>> names;
  while (!rules.empty()) {
    const auto plus = std::min(rules.find('+'), rules.size());
    names.emplace(rules.substr(0, plus));
    rules.remove_prefix(std::min(plus + 1, rules.size()));
  }
  return names;
}

// Every rule must be missed, or the checkers see too little.
int break_rules(const Arguments& arguments) {
  int unnoticed = 0;
  fmt::print("{:<16} {:>8}  {}\n", "rule", "seeds", "broken promise");
  for (const std::string& rule : arguments.rules) {
    CampaignOptions campaign = arguments.campaign;
    campaign.run.broken_rules = split_rules(rule);
    campaign.violations_max = 1;
    campaign.shrink_events = 0;
    campaign.repeat_each = 0;
    campaign.is_progress = false;
    const CampaignSummary summary = run_campaign(campaign);
    const bool is_asked = std::ranges::all_of(
        campaign.run.broken_rules, [&](const auto& r) { return summary.rules_asked.contains(r); });
    unnoticed += summary.found.empty();
    fmt::print("{:<16} {:>8}  {}\n", rule, summary.seeds,
               !summary.found.empty() ? summary.found.front().invariant
               : is_asked             ? "none: NOT NOTICED"
                                      : "none: the code does not ask for it");
    std::fflush(stdout);
  }
  return unnoticed == 0 ? 0 : 1;
}

int campaign(const Arguments& arguments) {
  CampaignOptions options = arguments.campaign;
  if (arguments.is_fresh && options.first == 1) options.first = fresh_seed();
  fmt::print("seeds from {}\n", options.first);
  std::fflush(stdout);
  const CampaignSummary summary = run_campaign(options);
  fmt::print("{}", summary.print());
  std::vector<std::string> missed;
  for (const std::string_view probe : kProbes)
    if (!summary.probes.contains(probe)) missed.emplace_back(probe);
  if (!missed.empty()) fmt::print("probes not reached:\n  {}\n", fmt::join(missed, "\n  "));
  const bool is_long = summary.counted >= 1'000 && !arguments.campaign.swarm.is_narrow();
  return !summary.found.empty() || (is_long && !missed.empty()) ? 1 : 0;
}

}  // namespace
}  // namespace headgate

int main(int count, char** texts) {
  using namespace headgate;
  set_log_level(LogLevel::critical);
  Arguments arguments;
  if (!read_arguments(count, texts, arguments)) return 2;
  if (!arguments.script.empty()) return replay(arguments);
  if (arguments.seed)
    return show(draw_script(*arguments.seed, arguments.campaign.swarm), arguments);
  return arguments.rules.empty() ? campaign(arguments) : break_rules(arguments);
}
