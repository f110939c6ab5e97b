// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "bucket/redis/redis_cluster.hpp"

namespace headgate {

/// Whether every master syncs each write to its disk before it answers (appendonly yes, appendfsync
/// always), as far as it lets itself be asked. Confined to its executor; what it was made with must
/// outlive it. Who cannot be asked proves nothing: there are no errors.
class RedisSyncProof {
 public:
  RedisSyncProof(AsioEnvironment& environment, RedisCluster& cluster);

  /// Once: asks all masters. If each proves it, they are asked again every few seconds from now on;
  /// else it never holds. Suspends until they have answered, or until the deadline.
  Task<void> start(Deadline deadline);
  /// Some master is another one now, or was connected to anew: nothing is proved until it is asked.
  void doubt();
  /// Each has proved it, the last time that they were asked.
  bool holds() const { return holds_; }

 private:
  Task<void> keep_asking();
  Task<bool> ask_all(Deadline deadline);
  Task<bool> ask(RedisAddress address, Deadline deadline);

  AsioEnvironment& environment_;
  RedisCluster& cluster_;
  bool holds_ = false;
  Signal doubts_;
  TaskScope tasks_;
};

}  // namespace headgate
