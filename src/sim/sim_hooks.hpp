// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/buggify.hpp"
#include "sim/sim_world.hpp"

namespace headgate {

/// What HG_BUGGIFY, HG_PROBE and HG_RULE ask while a world runs. Installed from its construction to
/// its destruction, on this thread; one at a time. In a build without the hooks it does nothing.
class SimHooks final : public SimulationHooks {
 public:
  struct Options {
    /// Share of the HG_BUGGIFY names that this run makes use of, drawn for each name.
    double active_names = 0;
    /// How often a name in use says yes.
    double yes = 0.1;
    /// Rules that this run goes without.
    std::set<std::string, std::less<>> broken_rules = {};
  };

  SimHooks(SimWorld& world, Options options);
  ~SimHooks() override;
  SimHooks(const SimHooks&) = delete;
  SimHooks& operator=(const SimHooks&) = delete;

  bool buggify(std::string_view name) override;
  void probe(std::string_view name) override;
  bool is_rule_kept(std::string_view rule) override;

  /// Called whenever a node reaches a place, during its turn.
  void watch_probes(std::function<void(std::string_view, NodeNumber)> watcher) {
    watcher_ = std::move(watcher);
  }
  /// True: from now on no HG_BUGGIFY says yes.
  void calm(bool is_calm) { is_calm_ = is_calm; }
  /// How often each HG_PROBE was reached; HG_BUGGIFY that said yes, as "buggify: NAME".
  const std::map<std::string, std::uint64_t, std::less<>>& reached() const { return reached_; }
  /// Rules that were asked for, kept or not: a broken rule that nobody asks for proves nothing.
  const std::set<std::string, std::less<>>& rules_asked() const { return rules_asked_; }

 private:
  void count(std::string_view kind, std::string_view name);

  SimWorld& world_;
  Options options_;
  bool is_calm_ = false;
  std::function<void(std::string_view, NodeNumber)> watcher_;
  std::map<std::string, std::uint64_t, std::less<>> reached_;
  std::set<std::string, std::less<>> rules_asked_;
};

}  // namespace headgate
