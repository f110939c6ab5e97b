// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/database_directory.hpp"
#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "bucket/redis/redis_bucket.hpp"
#include "bucket/redis/redis_messages.hpp"
#include "changes/wake_up_relay.hpp"
#include "database/cache_identity.hpp"
#include "database/node_registry.hpp"

namespace headgate {

/// One node's part in a cluster: it keeps its record in the registry, takes and gives the cache
/// writer's roles as the registry says, follows what other nodes do to the catalog, and carries
/// wake-ups. Confined to its executor; everything passed in must outlive it.
class ClusterMember final : public WakeUpTransport {
 public:
  /// `cache`: the cache bucket, if other nodes can have it and it is not the base bucket.
  ClusterMember(Environment& environment, Bucket& base, Bucket* cache, NodeRecord own);
  ~ClusterMember() override;

  /// Wake-ups go through this bucket; without one, feeds of other nodes wait for their poll.
  void carry_wake_ups(RedisBucket& bucket, bool sends);
  /// Enters the registry. Errors: as NodeRegistry::beat(); exists: a node at work shares the base
  /// bucket, but not the cache bucket.
  Task<Result<void>> join();
  /// Takes part until leave(). REQUIRES: directory.open().
  void start(DatabaseDirectory& directory);
  /// Others take the roles over while this node still works; returns when they did, or soon.
  Task<void> hand_over();
  /// Ends the background work and takes the record out. After the databases were stopped.
  Task<void> leave();

  /// What the others are told; change it before join().
  NodeRecord& own() { return registry_.own(); }
  const NodeRegistry& registry() const { return registry_; }
  /// The nodes and their roles, for `/_cluster`.
  std::string print() const;

  bool has_peers() const override { return bucket_ != nullptr && registry_.has_peers(); }
  Task<Result<void>> send(DatabaseId database, std::string message) override;

 private:
  struct Role {
    bool is_changing = false;
    TimePoint not_before;
    TimePoint taken_at;
    std::chrono::seconds wait{1};  ///< after the next try; grows while the role is lost again soon
    TimePoint foreign_since;       ///< in charge, but another node should be; zero: not so
  };

  Task<Result<void>> name_cache();
  Task<void> keep_naming_cache();
  Task<void> keep_beating();
  Task<void> keep_following();
  void assign_roles();
  Task<void> change_role(DatabaseLease lease, bool wanted);
  void receive(std::string_view message);
  std::size_t count_led() const;
  Task<void> pause(std::chrono::nanoseconds duration);

  Environment& environment_;
  NodeRegistry registry_;
  const std::string cache_name_;
  std::optional<CacheIdentity> cache_identity_;
  RedisBucket* bucket_ = nullptr;  ///< null: nothing is sent
  DatabaseDirectory* directory_ = nullptr;
  std::map<DatabaseId, Role> roles_;
  bool is_handing_over_ = false;
  bool is_stopping_ = false;
  Signal stopping_;
  TaskScope tasks_;
  std::unique_ptr<RedisMessages> messages_;
};

}  // namespace headgate
