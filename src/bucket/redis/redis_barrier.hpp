// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>

#include "bucket/redis/redis_cluster.hpp"

namespace headgate {

/// Waits until replicas have what was acknowledged: callers that come while a round is under way
/// share the next one, because WAIT holds its connection. Confined to its executor; must outlive
/// the calls.
class RedisBarrier {
 public:
  using Histories = std::map<PartitionNumber, HistoryId>;

  RedisBarrier(Environment& environment, RedisCluster& cluster)
      : environment_(environment), cluster_(cluster), tasks_(environment) {}

  /// Everything acknowledged before in `partitions`, under the histories returned, is on
  /// options().replicas replicas. Errors: timeout_unknown_outcome.
  Task<Result<Histories>> pass(std::set<PartitionNumber> partitions, Deadline deadline);

 private:
  struct Round {
    explicit Round(Environment& environment) : done(environment) {}
    std::set<PartitionNumber> partitions;
    bool is_passed = false;
    Histories histories;
    Signal done;
  };
  using Group = std::vector<PartitionNumber>;

  Task<void> run();
  Task<void> carry_out(Round& round);
  Task<bool> pass_group(RedisAddress address, Group group, Round& round, Deadline deadline);
  Task<bool> write_and_wait(RedisAddress address, const Group& group, Round& round,
                            Deadline deadline);

  Environment& environment_;
  RedisCluster& cluster_;
  std::shared_ptr<Round> next_;
  bool is_running_ = false;
  TaskScope tasks_;
};

}  // namespace headgate
