// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>

#include "bucket/redis/redis_cluster.hpp"

namespace headgate {

/// Some operations of one call on one partition, and their answer.
struct ScriptPart {
  explicit ScriptPart(Environment& environment) : done(environment) {}

  RespCommand operations;
  std::size_t count = 0;
  Deadline deadline = kNoDeadline;

  bool is_answered = false;
  /// ok: `reply` holds a reply for each operation; else what has become of all of them.
  Errc status = Errc::timeout_unknown_outcome;
  std::shared_ptr<redisReply> reply = {};
  std::size_t first = 0;  ///< place of the first one's reply in it
  Signal done;

  const redisReply* reply_of(std::size_t index) const { return resp_at(*reply, first + index); }
};

/// Joins what several callers want of one partition in one turn into one run of the script.
/// Confined to its executor; must outlive the waits for its parts.
class PartitionQueue {
 public:
  PartitionQueue(Environment& environment, RedisCluster& cluster, PartitionNumber partition,
                 std::size_t& pending_bytes)
      : environment_(environment),
        cluster_(cluster),
        partition_(partition),
        pending_bytes_(pending_bytes),
        tasks_(environment) {}

  /// If there is no room: answered at once with `overloaded`.
  std::shared_ptr<ScriptPart> add(RespCommand operations, std::size_t count, Deadline deadline);

 private:
  using Parts = std::vector<std::shared_ptr<ScriptPart>>;

  Task<void> flush();
  Task<void> run(Parts parts);
  Parts take();

  Environment& environment_;
  RedisCluster& cluster_;
  const PartitionNumber partition_;
  std::size_t& pending_bytes_;  // of the whole bucket
  std::deque<std::shared_ptr<ScriptPart>> waiting_;
  TaskScope tasks_;
};

}  // namespace headgate
