// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/task_scope.hpp"
#include "sim/cluster/oracle.hpp"
#include "sim/cluster/script.hpp"
#include "sim/cluster/sim_node.hpp"

namespace headgate {

/// What all simulated clients share. They are outside of the nodes and never crash.
struct SimClientSite {
  SimEnvironment& environment;
  std::deque<SimNode>& nodes;
  Oracle& oracle;
  const ScriptSettings& settings;
  bool is_over = false;  ///< nobody begins another request
  bool is_calm = false;  ///< faults are over: no client gives up a connection that works
  /// Raised when the database has become another one (E): answers of before mean nothing.
  std::uint32_t databases = 0;
  std::set<std::string> users = {};  ///< that there are, as far as clients were told
  /// To whom a document has granted something, by its id.
  std::map<std::string, std::set<std::string>> grantees = {};
  /// How writes ended, by kind and outcome.
  std::map<std::string, std::uint64_t> outcomes = {};

  SimWorld& world() const { return environment.world(); }
  /// A node for the request of `client`; perhaps one that is down.
  SimNode& draw_node(std::uint32_t client);
  SimNode& node(std::uint32_t number) { return nodes[(number + nodes.size() - 1) % nodes.size()]; }
};

/// Carries out a step of the kinds write, remove, branch, user and role, and tells the oracle how
/// it was answered.
Task<void> carry_out(SimClientSite& site, ScriptStep step);

/// Reads the feed of one of `users` from its beginning, at some node. Begun when write number
/// `write` was acknowledged: what it took away must not be seen any more, wherever one looks (I7).
Task<void> witness_rights(SimClientSite& site, std::set<std::string> users, std::uint32_t write);

/// A client that replicates its own documents to the cluster, as PouchDB does: begins each time at
/// its checkpoint, offers what comes after it, writes what is missing there, then the checkpoint
/// (R18).
class SimPusher {
 public:
  explicit SimPusher(SimClientSite& site) : site_(site) {}

  void add(const ScriptStep& step) { steps_.push_back(step); }
  /// Until the site is over.
  Task<void> run();
  std::size_t size() const { return steps_.size(); }
  static std::string id_of(const ScriptStep& step);
  static std::string rev_of(const ScriptStep& step);
  const std::deque<ScriptStep>& steps() const { return steps_; }

 private:
  Task<void> run_session();

  SimClientSite& site_;
  std::deque<ScriptStep> steps_;
  std::uint64_t sessions_ = 0;
};

}  // namespace headgate
