// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "sim/cluster/oracle.hpp"
#include "sim/cluster/script.hpp"
#include "sim/cluster/sim_aim.hpp"
#include "sim/cluster/sim_clients.hpp"
#include "sim/cluster/sim_follower.hpp"
#include "sim/cluster/sim_node.hpp"
#include "sim/sim_hooks.hpp"

namespace headgate {

/// The cluster of one run: stores, nodes, clients, oracle.
class SimCluster {
 public:
  SimCluster(SimWorld& world, SimHooks& hooks, const Script& script);
  ~SimCluster();
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  /// The database is made and every node serves it. Errors leave a violation.
  void start();
  /// Every step of the script at its time, with the noise that its settings want.
  void strike();
  /// No more faults; every node runs, at least one with a cache writer.
  void heal();
  /// Until every client holds what it has to, or a violation.
  void converge();
  /// Nothing is wrong any more; a few writes at a time have to be told as they should.
  void trickle();
  /// Old sequence ids and new readers, at every node, in both modes; then the oracle's own checks.
  void prove();

  Oracle& oracle() { return *oracle_; }
  const SimClientSite& clients() const { return *clients_; }
  /// Of the client that `violation` names, and its documents.
  std::string story() const;

 private:
  bool has_failed() const { return oracle_->violation().has_value(); }
  /// Runs the world until `condition` or a violation; false at `limit`.
  bool run_until(const std::function<bool()>& condition, std::chrono::nanoseconds limit);
  std::optional<std::string> unfinished() const;

  void apply(const ScriptStep& step);
  void apply_operation(const ScriptStep& step);
  void apply_fault(const ScriptStep& step);
  void apply_node_fault(const ScriptStep& step);
  void apply_store_fault(const ScriptStep& step);
  void restore();
  void reached(std::string_view place, NodeNumber number);
  void crash_at(std::string_view place, NodeNumber number);
  void lose_at(std::string_view place);
  ScriptStep draw_trickle(std::uint32_t number);
  void make_noise(SimStore& store) const;
  void lose_process(SimNode& node, std::uint32_t lost_writes, std::chrono::milliseconds down_for);
  void refuse(SimStore& store, Errc code, std::chrono::milliseconds lasts);
  SimClock draw_clock(std::uint32_t node);
  void later(std::chrono::nanoseconds delay, std::string_view label, std::function<void()> action);
  DatabaseConfig config() const;

  SimStore& store_of(const ScriptStep& step) { return step.is_on_cache ? cache() : base_; }
  SimStore& cache() { return own_cache_ ? *own_cache_ : base_; }
  SimNode& node_of(const ScriptStep& step) { return clients_->node(step.node); }

  SimWorld& world_;
  SimHooks& hooks_;
  const Script& script_;
  SimStore base_;
  std::unique_ptr<SimStore> own_cache_;
  SimEnvironment environment_;  // of the clients
  std::optional<SimSite> site_;
  std::unique_ptr<Oracle> oracle_;
  std::deque<SimNode> nodes_;
  std::unique_ptr<SimClientSite> clients_;
  std::deque<SimFollower> followers_;
  std::unique_ptr<SimPusher> pusher_;
  std::optional<SimStore::Snapshot> snapshot_;
  std::optional<SimAim> aim_;
  bool is_healed_ = false;
  std::uint32_t crashes_at_places_ = 0;
  std::uint32_t losses_at_places_ = 0;
  TaskScope tasks_;
};

}  // namespace headgate
