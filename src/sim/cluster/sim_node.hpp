// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/task_scope.hpp"
#include "changes/changes_source.hpp"
#include "changes/feed_hub.hpp"
#include "database/database.hpp"
#include "sim/sim_bucket.hpp"
#include "sim/sim_store.hpp"

namespace headgate {

/// Where simulated nodes live, and what they run.
struct SimSite {
  SimWorld& world;
  SimStore& base;
  SimStore& cache;  ///< may be `base`: one log for both
  DatabaseEntry entry;
  Deployment deployment = Deployment::cluster;
  std::uint64_t horizon_chunk = 10'000;
  std::chrono::milliseconds compact_every{};  ///< 0: when it is time
  /// Told when a pass of a node found a smaller stable than an earlier one: I3.
  std::function<void(NodeNumber, Sequence before, Sequence now)> stable_fell = {};
};

/// One incarnation of a node: the real code on simulated buckets.
struct SimProcess {
  SimProcess(const SimSite& site, NodeNumber node, SimClock clock);

  /// A feed has begun this pass.
  void saw_pass(const PassStart& pass);

  const SimSite& site;
  const SimStore& cache_store;
  SimEnvironment environment;
  SimBucket base;
  std::unique_ptr<SimBucket> own_cache;  ///< absent: `base` is the cache bucket, too
  FeedHub hub;
  std::unique_ptr<Database> database;  ///< absent while it starts
  std::unique_ptr<DatabaseChangesSource> source;
  bool is_serving = false;
  std::uint64_t last_pass = 0;
  Sequence last_stable;  ///< of that pass
  TaskScope tasks;

  SimBucket& cache() { return own_cache ? *own_cache : base; }
};

/// One node of the simulated cluster, over all its incarnations. The site must outlive it.
class SimNode {
 public:
  SimNode(const SimSite& site, NodeNumber number, SimClock clock, bool is_cache_writer);
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  /// Begins a process that tries until its database has started. Nothing if one is there.
  void start();
  /// F1. What its process was doing is cut off where it stands. REQUIRES: not in a turn of it.
  void crash();
  /// Ends the process in an orderly way, then calls `then`; a crash meanwhile cuts that short.
  void stop(std::function<void()> then);
  /// In a cluster: from now on, or from its next start on, it takes the cache writer's role
  /// whenever it has not got it (F11), or gives it up.
  void set_cache_writer(bool wanted) { is_cache_writer_ = wanted; }
  bool is_cache_writer() const { return is_cache_writer_; }

  NodeNumber number() const { return number_; }
  bool is_serving() const { return process_ && process_->is_serving; }
  /// Null between a crash or stop and the next start.
  SimProcess* process() { return process_.get(); }

 private:
  static Task<void> run(SimNode& node, SimProcess& process);
  static Task<void> keep_cache_writer(SimNode& node, SimProcess& process);
  static Task<void> keep_compacting(SimNode& node, SimProcess& process);
  static Task<void> end(SimNode& node, SimProcess& process, std::function<void()> then);
  void bury();

  const SimSite& site_;
  const NodeNumber number_;
  const SimClock clock_;
  bool is_cache_writer_;
  std::unique_ptr<SimProcess> process_;
  std::shared_ptr<std::vector<std::unique_ptr<SimProcess>>> graves_;
};

}  // namespace headgate
