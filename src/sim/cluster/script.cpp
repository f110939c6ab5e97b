// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>
#include <utility>

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr std::array kKindNames{
    "write", "remove", "branch", "user",      "role",   "follower", "reconnect", "push",
    "crash", "stop",   "pause",  "fail_over", "split",  "cut",      "down",      "hold_feed",
    "flush", "refuse", "full",   "clock",     "writer", "storm",    "restore",   "snapshot"};
constexpr std::array kFormats{"append", "indexed"};
constexpr std::array kModes{"available", "stable"};
constexpr std::array kCacheWrites{"frontend", "feed"};
constexpr std::array kDurabilities{"memory", "disk", "replicated"};
constexpr std::array kPlans{"any", "late",   "hidden", "rights",
                            "lag", "stable", "moved",  "directory"};
constexpr std::array kFeeds{"normal", "longpoll", "continuous"};

// Values as text. Every overload of write() has its read(), which returns false for other text.

template <std::size_t N>
bool read_name(std::string_view text, const std::array<const char*, N>& names, auto& value) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return false;
  value = static_cast<std::remove_reference_t<decltype(value)>>(found - names.begin());
  return true;
}

std::string write(std::uint64_t value) {
  return std::to_string(value);
}
std::string write(std::uint32_t value) {
  return std::to_string(value);
}
std::string write(bool value) {
  return value ? "1" : "0";
}
std::string write(milliseconds value) {
  return std::to_string(value.count());
}
std::string write(BlockFormat value) {
  return kFormats.at(static_cast<std::size_t>(value));
}
std::string write(ReadMode value) {
  return kModes.at(static_cast<std::size_t>(value));
}
std::string write(CacheWrites value) {
  return kCacheWrites.at(static_cast<std::size_t>(value));
}
std::string write(Durability value) {
  return kDurabilities.at(static_cast<std::size_t>(value));
}
std::string write(AimPlan value) {
  return kPlans.at(static_cast<std::size_t>(value));
}
std::string write(FeedKind value) {
  return kFeeds.at(static_cast<std::size_t>(value));
}
std::string write(const std::set<std::string>& value) {
  return fmt::format("{}", fmt::join(value, ","));
}

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}
bool read(std::string_view text, std::uint64_t& value) {
  return read_number(text, value);
}
bool read(std::string_view text, std::uint32_t& value) {
  return read_number(text, value);
}
bool read(std::string_view text, bool& value) {
  value = text == "1";
  return value || text == "0";
}
bool read(std::string_view text, milliseconds& value) {
  std::int64_t count = 0;
  if (!read_number(text, count)) return false;
  value = milliseconds(count);
  return true;
}
bool read(std::string_view text, BlockFormat& value) {
  return read_name(text, kFormats, value);
}
bool read(std::string_view text, ReadMode& value) {
  return read_name(text, kModes, value);
}
bool read(std::string_view text, CacheWrites& value) {
  return read_name(text, kCacheWrites, value);
}
bool read(std::string_view text, Durability& value) {
  return read_name(text, kDurabilities, value);
}
bool read(std::string_view text, AimPlan& value) {
  return read_name(text, kPlans, value);
}
bool read(std::string_view text, FeedKind& value) {
  return read_name(text, kFeeds, value);
}

// The text up to `separator`, which is taken off with it.
std::string_view take(std::string_view& text, char separator) {
  const auto at = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

bool read(std::string_view text, std::set<std::string>& value) {
  value.clear();
  while (!text.empty()) value.emplace(take(text, ','));
  return true;
}

// Names every setting once, for writing and for reading.
template <class Settings, class Field>
void for_each_setting(Settings& s, Field field) {
  field("seed", s.seed);
  field("cluster", s.is_cluster);
  field("nodes", s.nodes);
  field("documents", s.documents);
  field("partitions", s.partitions);
  field("replicas", s.replicas);
  field("cache_writers", s.cache_writers);
  field("format", s.format);
  field("mode", s.mode);
  field("cache_writes", s.cache_writes);
  field("durability", s.durability);
  field("stable_durability", s.stable_durability);
  field("capacity", s.capacity);
  field("per_tag", s.per_tag);
  field("horizon", s.horizon);
  field("max_early", s.max_early);
  field("star_channel", s.star_channel);
  field("gap_timeout", s.gap_timeout);
  field("poll", s.poll);
  field("duration", s.duration);
  field("delay_us", s.delay_us);
  field("lag_us", s.lag_us);
  field("late", s.late);
  field("lost", s.lost);
  field("broken", s.broken);
  field("duplicated", s.duplicated);
  field("interleaved", s.interleaved);
  field("refused", s.refused);
  field("feed_faults", s.feed_faults);
  field("skip_superseded", s.skip_superseded);
  field("late_turns", s.late_turns);
  field("clock_skew", s.clock_skew);
  field("buggify", s.buggify);
  field("compact_ms", s.compact_ms);
  field("crash_at", s.crash_at);
  field("lose_at", s.lose_at);
  field("aim", s.aim);
  field("aim_plan", s.aim_plan);
  field("rounds", s.rounds);
}

template <class Step, class Field>
void for_each_field(Step& s, Field field) {
  field("number", s.number);
  field("node", s.node);
  field("subject", s.subject);
  field("amount", s.amount);
  field("bulk", s.bulk);
  field("lasts", s.lasts);
  field("cache", s.is_on_cache);
  field("channels", s.channels);
  field("grantee", s.grantee);
  field("granted", s.granted);
  field("feed", s.feed);
  field("mode", s.mode);
}

bool read_setting(std::string_view rest, ScriptSettings& settings) {
  const std::string_view name = take(rest, ' ');
  bool is_read = false;
  for_each_setting(settings, [&](std::string_view field, auto& value) {
    if (field == name) is_read = read(rest, value);
  });
  return is_read;
}

bool read_step(std::string_view rest, ScriptStep& step) {
  if (!read(take(rest, ' '), step.at)) return false;
  if (!read_name(take(rest, ' '), kKindNames, step.kind)) return false;
  while (!rest.empty()) {
    std::string_view text = take(rest, ' ');
    const std::string_view name = take(text, '=');
    bool is_read = false;
    for_each_field(step, [&](std::string_view field, auto& value) {
      if (field == name) is_read = read(text, value);
    });
    if (!is_read) return false;
  }
  return true;
}

std::string print_step(const ScriptStep& step) {
  std::string line = fmt::format("at {} {}", step.at.count(), to_string(step.kind));
  ScriptStep usual;
  std::vector<std::string> defaults;
  for_each_field(usual, [&](std::string_view, auto& value) { defaults.push_back(write(value)); });
  auto next = defaults.begin();
  for_each_field(step, [&](std::string_view name, const auto& value) {
    const std::string text = write(value);
    if (text != *next++) line += fmt::format(" {}={}", name, text);
  });
  return line;
}

}  // namespace

std::string_view to_string(StepKind kind) {
  return kKindNames.at(static_cast<std::size_t>(kind));
}

std::optional<AimPlan> aim_plan_of(std::string_view name) {
  AimPlan plan{};
  return read(name, plan) ? std::optional(plan) : std::nullopt;
}

bool is_fault(StepKind kind) {
  return kind >= StepKind::crash;
}

std::string Script::print() const {
  std::string text;
  for_each_setting(settings, [&](std::string_view name, const auto& value) {
    text += fmt::format("set {} {}\n", name, write(value));
  });
  for (const ScriptStep& step : steps) text += print_step(step) + "\n";
  return text;
}

Result<Script> Script::parse(std::string_view text) {
  Script script;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = take(text, '\n');
    if (line.empty() || line.starts_with('#')) continue;
    const std::string whole(line);
    const std::string_view word = take(line, ' ');
    ScriptStep step;
    bool is_read = false;
    if (word == "set") is_read = read_setting(line, script.settings);
    if (word == "at") is_read = read_step(line, step);
    if (!is_read)
      return Error{Errc::invalid_argument, fmt::format("line {}: \"{}\"", number, whole)};
    if (word == "at") script.steps.push_back(std::move(step));
  }
  script.sort();
  return script;
}

void Script::sort() {
  std::sort(steps.begin(), steps.end(), [](const ScriptStep& a, const ScriptStep& b) {
    return std::tie(a.at, a.number) < std::tie(b.at, b.number);
  });
}

std::size_t Script::faults() const {
  return static_cast<std::size_t>(std::count_if(
      steps.begin(), steps.end(), [](const ScriptStep& step) { return is_fault(step.kind); }));
}

std::size_t Script::operations() const {
  return steps.size() - faults();
}

bool Script::counts() const {
  return settings.nodes >= 3 && operations() >= 200 && faults() >= 5;
}

std::string user_name(std::uint32_t number) {
  return fmt::format("u{}", number);
}

std::string document_name(std::uint32_t number) {
  return fmt::format("d{}", number);
}

}  // namespace headgate
