// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/api_handler.hpp"
#include "net/http_server.hpp"
#include "server/cluster_member.hpp"
#include "server/metered_bucket.hpp"
#include "server/node_buckets.hpp"
#include "server/server_config.hpp"
#include "server/store_backup.hpp"

namespace headgate {

/// The address of a port, as clients write it.
std::string url_of(const ListenConfig& listen, std::uint16_t port);

/// What a program may put between the parts of a front end: tests put faults there.
struct FrontEndHooks {
  /// Wraps the base bucket, and the cache bucket where that is the same; what it returns may refer
  /// to `inner`.
  std::function<std::unique_ptr<Bucket>(Environment& environment, Bucket& inner)> bucket;
  /// Wraps what the admin port serves.
  std::function<std::unique_ptr<HttpHandler>(HttpHandler& inner)> admin_handler;
};

/// All that serves on one executor: databases, both ports, the node's part in a cluster. Confined
/// to its executor; environment and buckets must outlive it.
class FrontEnd {
 public:
  FrontEnd(AsioEnvironment& environment, const NodeBuckets& buckets, const ServerConfig& config,
           const FrontEndHooks& hooks, std::function<std::string()> metrics_text);
  ~FrontEnd();

  /// Opens the catalog and both ports; the databases start in the background. Errors, with a
  /// context for people: unavailable (a port is taken), corrupted, invalid_argument (address).
  Task<Result<void>> start();
  /// Stops accepting, ends feeds, waits for requests, stops the databases. False if something was
  /// still at work at the deadline: nothing may be destroyed before the environment has stopped.
  Task<bool> stop(Deadline deadline);

  std::uint16_t public_port() const { return public_server_->port(); }
  std::uint16_t admin_port() const { return admin_server_->port(); }

  // For metrics.
  DatabaseDirectory& databases() { return databases_; }
  const ApiStatistics& api_statistics() const { return services_.statistics; }
  /// Null: a single process.
  const ClusterMember* member() const { return member_ ? &*member_ : nullptr; }
  const NodeBuckets& buckets() const { return buckets_; }
  const MeteredBucket& base_meter() const { return metered_base_; }
  const MeteredBucket& cache_meter() const {
    return metered_cache_ ? *metered_cache_ : metered_base_;
  }
  HttpServerStats public_stats() const { return public_server_->stats(); }
  std::uint64_t body_bytes() const { return bodies_.used(); }
  HttpServerStats admin_stats() const { return admin_server_->stats(); }

 private:
  Task<Result<void>> open_catalog();
  Task<Result<void>> start_admin_port();
  Task<Result<void>> join_cluster();
  NodeRecord own_record() const;

  AsioEnvironment& environment_;
  const ServerConfig& config_;
  FrontEndHooks hooks_;
  const NodeBuckets& buckets_;
  std::unique_ptr<Bucket> hooked_;  ///< null without a hook
  MeteredBucket metered_base_;
  std::optional<MeteredBucket> metered_cache_;  ///< none: the same as base
  BodyBudget bodies_;
  std::optional<ClusterMember> member_;  ///< none: a single process
  DatabaseDirectory databases_;
  std::optional<StoreBackup> backup_;  ///< none: a cluster
  ApiServices services_;
  std::unique_ptr<ApiHandler> public_handler_;
  std::unique_ptr<ApiHandler> admin_handler_;
  std::unique_ptr<HttpHandler> hooked_handler_;  ///< null without a hook
  std::unique_ptr<HttpServer> public_server_;
  std::unique_ptr<HttpServer> admin_server_;
};

}  // namespace headgate
