// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>

#include "bucket/redis/redis_bucket.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "net/asio_environment.hpp"
#include "sequence/deployment.hpp"
#include "server/server_config.hpp"

namespace headgate {

/// The buckets of one node, as its configuration wants them. Confined to the environment's
/// executor; the environment, the store and the configuration must outlive it.
class NodeBuckets {
 public:
  /// `store` is the one of the data directory; null if the configuration needs none.
  NodeBuckets(AsioEnvironment& environment, const ServerConfig& config, RocksStore* store)
      : environment_(environment), config_(config), store_(store) {}

  /// Opens both. A Redis that is not there yet is waited for until `deadline`.
  /// Errors, with a context for people: as RedisBucket::open().
  Task<Result<void>> open(Deadline deadline);

  // REQUIRES: open().
  Bucket& base() const { return *base_; }
  Bucket& cache() const { return cache_ ? *cache_ : *base_; }  ///< may be the same
  /// One store with one log is a process of its own, everything else a cluster, if only of one.
  Deployment deployment() const;
  /// Other nodes could see everything that this one stores.
  bool is_shared() const { return config_.base.is_redis() && !config_.uses_rocksdb(); }
  /// What databases may promise (DatabaseConfig::durability).
  std::set<Durability> durabilities() const;
  /// The base bucket if it is a Redis, else null.
  RedisBucket* redis_base() const { return redis_base_; }
  /// Null if nothing is kept in the data directory.
  const RocksStore* store() const { return store_; }

 private:
  Task<Result<std::unique_ptr<Bucket>>> open_one(BucketConfig config, std::string name,
                                                 Deadline deadline);

  AsioEnvironment& environment_;
  const ServerConfig& config_;
  RocksStore* store_;
  std::unique_ptr<Bucket> base_;
  std::unique_ptr<Bucket> cache_;  ///< null: the base bucket
  RedisBucket* redis_base_ = nullptr;
};

}  // namespace headgate
