// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "bucket/redis/redis_cluster.hpp"

namespace headgate {

/// Tells feeds where there may be something new: every script that enters a feed also rings the
/// partition's bell, a stream of one entry on which connections of their own block. Rings also
/// when such a connection was lost. Confined to its executor.
class RedisBells {
 public:
  RedisBells(AsioEnvironment& environment, RedisCluster& cluster, std::size_t partitions);

  /// How often each partition's bell has rung.
  const std::vector<std::uint64_t>& rung() const { return rung_; }
  /// Raised at each ring.
  Signal& changed() { return changed_; }
  void ring(PartitionNumber partition);

 private:
  using Group = std::vector<PartitionNumber>;

  /// Blocking reads of several keys need them in one slot, except at a single server.
  Task<void> listen(Group group);
  Task<bool> listen_once(const Group& group, std::vector<std::string>& heard,
                         RedisConnection& connection);
  bool take_rings(const Group& group, std::vector<std::string>& heard, const redisReply& reply);

  AsioEnvironment& environment_;
  RedisCluster& cluster_;
  std::vector<std::uint64_t> rung_;
  Signal changed_;
  TaskScope tasks_;
};

}  // namespace headgate
