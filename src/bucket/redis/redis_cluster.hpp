// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/redis/redis_connection.hpp"

namespace headgate {

/// The hash slot of a key whose hash tag is `tag`.
std::uint16_t redis_slot(std::string_view tag);

/// Which server is the master of which partition, and the way there: one Redis server or a
/// cluster. Confined to its executor; must outlive all calls.
class RedisCluster {
 public:
  /// What a connection is for: WAIT holds up whatever stands behind it.
  enum class Use : unsigned char { data, barrier };
  struct Answer {
    /// ok: there is a reply that is no error; unavailable, no_space: not done;
    /// timeout_unknown_outcome.
    Errc status = Errc::unavailable;
    RespReply reply = {};
  };

  /// `on_connected(partition)` runs whenever a connection for data to a partition's master was
  /// made or its master has changed.
  RedisCluster(AsioEnvironment& environment, RedisOptions options,
               std::function<void(PartitionNumber)> on_connected);

  /// Finds the servers. Errors: invalid_argument, unsupported, unavailable.
  Task<Result<void>> start(Deadline deadline);
  const RedisOptions& options() const { return options_; }

  /// Runs the partition script with `arguments` (ARGV) at the master of `partition`. Follows
  /// MOVED and ASK; tries again for options().patience where nothing was carried out.
  Task<Answer> run_script(PartitionNumber partition, RespCommand arguments, Use use,
                          Deadline deadline);
  /// One other command to a server, as it is.
  Task<Answer> command(RedisAddress address, RespCommand command, Use use, Deadline deadline);

  std::string key(PartitionNumber partition, std::string_view rest) const;
  RedisAddress master(PartitionNumber partition) const { return masters_[partition.value()]; }
  bool is_cluster() const { return is_cluster_; }
  /// Looks for the masters again, in the background.
  void suspect();
  /// How often the connection to a server was made.
  std::uint64_t connects(const RedisAddress& address, Use use);
  RedisTls* tls() const { return tls_.get(); }

 private:
  struct Attempt;
  enum class Next : unsigned char { end, at_once, later };

  RedisConnection& connection(const RedisAddress& address, Use use);
  std::string wire_of(PartitionNumber partition, const RespCommand& arguments,
                      const Attempt& attempt) const;
  Next judge(PartitionNumber partition, Attempt& attempt, RedisConnection::Answer answer);
  Next judge_error(PartitionNumber partition, Attempt& attempt, std::string_view error);
  void set_master(PartitionNumber partition, RedisAddress address);
  Task<void> refresh_in_background();
  Task<Result<void>> refresh(Deadline deadline);
  Task<Result<void>> ask(RedisAddress address, Deadline deadline);
  Task<Result<void>> ask_single(RedisAddress address, Deadline deadline);
  Result<void> take_slots(const redisReply& slots, const RedisAddress& asked);
  std::vector<RedisAddress> known();

  AsioEnvironment& environment_;
  RedisOptions options_;
  std::function<void(PartitionNumber)> on_connected_;
  std::unique_ptr<RedisTls> tls_;
  bool is_cluster_ = false;
  bool is_refreshing_ = false;
  std::uint64_t refreshes_ = 0;
  std::vector<RedisAddress> masters_;  // by partition
  std::vector<RedisAddress> nodes_;    // of the cluster, as last told
  std::map<std::pair<RedisAddress, Use>, std::unique_ptr<RedisConnection>> connections_;
  TaskScope tasks_;
};

}  // namespace headgate
