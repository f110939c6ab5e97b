// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/shrinker.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

using std::chrono::milliseconds;

class Shrinker {
 public:
  Shrinker(Script script, const std::string& invariant, const SimRunOptions& options,
           std::uint64_t events_max)
      : invariant_(invariant), options_(options), events_max_(events_max) {
    best_.script = std::move(script);
    best_.result = run_script(best_.script, options_);
  }

  Shrunk run() {
    std::size_t before = 0;
    do {
      before = size();
      delete_steps([](const ScriptStep& step) { return is_fault(step.kind); });
      delete_steps([](const ScriptStep& step) { return !is_fault(step.kind); });
      simplify_settings();
      simplify_steps();
    } while (size() < before && best_.events < events_max_);
    return std::move(best_);
  }

 private:
  std::size_t size() const { return best_.script.print().size(); }

  bool try_instead(Script script) {
    if (best_.events >= events_max_ || script == best_.script) return false;
    auto result = run_script(script, options_);
    best_.events += result.steps;
    if (!result.violation || result.violation->invariant != invariant_) return false;
    best_.script = std::move(script);
    best_.result = std::move(result);
    return true;
  }

  // Halves, quarters ... single steps, of those that `may_go`.
  void delete_steps(const std::function<bool(const ScriptStep&)>& may_go) {
    const auto& steps = best_.script.steps;
    auto count = static_cast<std::size_t>(std::count_if(steps.begin(), steps.end(), may_go));
    for (std::size_t length = std::max<std::size_t>(count / 2, 1); count > 0; length /= 2) {
      for (std::size_t from = 0; from < count;) {
        if (try_instead(without(may_go, from, length)))
          count -= std::min(length, count - from);
        else
          from += length;
      }
      if (length <= 1) break;
    }
  }

  Script without(const std::function<bool(const ScriptStep&)>& may_go, std::size_t from,
                 std::size_t length) const {
    Script script{best_.script.settings, {}};
    std::size_t place = 0;
    for (const ScriptStep& step : best_.script.steps) {
      const bool is_counted = may_go(step);
      const bool goes = is_counted && place >= from && place < from + length;
      place += is_counted;
      if (!goes) script.steps.push_back(step);
    }
    return script;
  }

  template <class Change>
  void try_setting(Change change) {
    Script script = best_.script;
    change(script.settings);
    try_instead(std::move(script));
  }

  void simplify_settings() {
    try_setting([](ScriptSettings& s) { s.buggify = 0; });
    try_setting([](ScriptSettings& s) { s.clock_skew = 0; });
    try_setting([](ScriptSettings& s) { s.late_turns = 0; });
    try_setting([](ScriptSettings& s) { s.skip_superseded = 0; });
    try_setting([](ScriptSettings& s) { s.feed_faults = 0; });
    try_setting([](ScriptSettings& s) { s.compact_ms = 0; });
    try_setting([](ScriptSettings& s) { s.crash_at = 0; });
    try_setting([](ScriptSettings& s) { s.lose_at = 0; });
    try_setting([](ScriptSettings& s) { s.aim = 0; });
    try_setting([](ScriptSettings& s) { s.rounds = 0; });
    try_setting([](ScriptSettings& s) { s.interleaved = 0; });
    try_setting([](ScriptSettings& s) { s.refused = 0; });
    try_setting([](ScriptSettings& s) { s.duplicated = 0; });
    try_setting([](ScriptSettings& s) { s.lost = 0; });
    try_setting([](ScriptSettings& s) { s.broken = 0; });
    try_setting([](ScriptSettings& s) { s.late = 0; });
    try_setting([](ScriptSettings& s) { s.lag_us = 0; });
    try_setting([](ScriptSettings& s) { s.delay_us = 50; });
    try_setting([](ScriptSettings& s) { s.cache_writers = 1; });
    for (int i = 0; i < 4; ++i)
      try_setting([](ScriptSettings& s) { s.nodes = std::max(s.nodes - 1, 1u); });
    for (int i = 0; i < 2; ++i)
      try_setting([](ScriptSettings& s) { s.partitions = std::max(s.partitions - 1, 1u); });
    try_setting([](ScriptSettings& s) { s.replicas = 1; });
  }

  void simplify_steps() {
    for (std::size_t i = 0; i < best_.script.steps.size(); ++i) {
      Script script = best_.script;
      script.steps[i].lasts /= 4;
      try_instead(std::move(script));
      script = best_.script;
      script.steps[i].granted.clear();
      script.steps[i].grantee = 0;
      try_instead(std::move(script));
    }
    if (best_.script.steps.empty()) return;
    // The faulty time ends soon after the last step.
    const milliseconds last = best_.script.steps.back().at;
    try_setting(
        [&](ScriptSettings& s) { s.duration = std::min(s.duration, last + milliseconds(100)); });
    try_setting(
        [&](ScriptSettings& s) { s.duration = std::min(s.duration, last + milliseconds(1'000)); });
  }

  const std::string& invariant_;
  const SimRunOptions& options_;
  const std::uint64_t events_max_;
  Shrunk best_;
};

}  // namespace

Shrunk shrink(Script script, const std::string& invariant, const SimRunOptions& options,
              std::uint64_t events_max) {
  return Shrinker(std::move(script), invariant, options, events_max).run();
}

}  // namespace headgate
