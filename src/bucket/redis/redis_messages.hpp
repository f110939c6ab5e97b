// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task_scope.hpp"
#include "bucket/redis/redis_cluster.hpp"

namespace headgate {

/// Short-lived messages to all who listen on the same bucket, oneself too. Each goes to the stream
/// of a partition of the sender's choice, which keeps the newest ones: a listener that was cut off
/// for a moment hears them late, not never. One that was away for longer, or a failover, may miss
/// some. Confined to the executor; the cluster must outlive it.
class RedisMessages {
 public:
  /// Listens from now on. `receive` runs for each message, in the order of its partition.
  RedisMessages(AsioEnvironment& environment, RedisCluster& cluster, std::size_t partitions,
                std::function<void(std::string_view message)> receive);

  /// Errors: unavailable, timeout_unknown_outcome.
  Task<Result<void>> send(PartitionNumber partition, std::string message, Deadline deadline);

 private:
  struct Ear {
    PartitionNumber partition;
    std::string heard = {};  ///< id of the last message; empty: not known
  };
  using Ears = std::vector<Ear>;

  Task<void> listen(Ears ears);
  Task<bool> find_ends(Ears& ears, RedisConnection& connection);
  Task<bool> listen_once(Ears& ears, RedisConnection& connection);
  bool take(Ears& ears, const redisReply& reply);
  bool take_stream(Ear& ear, const redisReply& entries);

  AsioEnvironment& environment_;
  RedisCluster& cluster_;
  std::function<void(std::string_view)> receive_;
  TaskScope tasks_;
};

}  // namespace headgate
