// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_hooks.hpp"

#include "base/assert.hpp"

namespace headgate {

SimHooks::SimHooks(SimWorld& world, Options options) : world_(world), options_(std::move(options)) {
  HG_ASSERT(!kHasSimulationHooks || detail::simulation_hooks == nullptr);
  install_simulation_hooks(this);
}

SimHooks::~SimHooks() {
  install_simulation_hooks(nullptr);
}

bool SimHooks::buggify(std::string_view name) {
  if (is_calm_ || !world_.choices().is_set(name, options_.active_names)) return false;
  const ChoiceScope scope(fnv1a(name) + world_.current_node().value());
  if (!world_.choices().chance("buggify", options_.yes, scope)) return false;
  count("buggify: ", name);
  return true;
}

void SimHooks::probe(std::string_view name) {
  count("", name);
  if (watcher_) watcher_(name, world_.current_node());
}

bool SimHooks::is_rule_kept(std::string_view rule) {
  if (!rules_asked_.contains(rule)) rules_asked_.emplace(rule);
  return !options_.broken_rules.contains(rule);
}

void SimHooks::count(std::string_view kind, std::string_view name) {
  world_.record("reached", world_.current_node(), fnv1a(name));
  ++reached_[std::string(kind).append(name)];
}

}  // namespace headgate
