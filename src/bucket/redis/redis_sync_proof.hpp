// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "bucket/redis/redis_cluster.hpp"

namespace headgate {

/// Whether every master syncs each write to its disk before it answers (appendonly yes, appendfsync
/// always), as far as it lets itself be asked. Both of the constructor must outlive it.
class RedisSyncProof {
 public:
  RedisSyncProof(AsioEnvironment& environment, RedisCluster& cluster);

  /// Asks all masters. If each proves it, they are asked again every few seconds.
  Task<void> start(Deadline deadline);
  /// Some master is another one now, or was connected to anew: nothing is proved until it is asked.
  void doubt();
  bool holds() const { return holds_; }

 private:
  Task<void> keep_asking();
  Task<bool> ask_all(Deadline deadline);
  Task<bool> ask(RedisAddress address, Deadline deadline);

  AsioEnvironment& environment_;
  RedisCluster& cluster_;
  bool is_watching_ = false;
  bool holds_ = false;
  Signal doubts_;
  TaskScope tasks_;
};

}  // namespace headgate
