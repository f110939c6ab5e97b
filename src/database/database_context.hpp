// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "access/sync_function.hpp"
#include "bucket/bucket.hpp"
#include "cache/cache_reader.hpp"
#include "cache/cache_space.hpp"
#include "cache/front_end_cache_writer.hpp"
#include "database/database_config.hpp"
#include "sequence/sequence_allocator.hpp"

namespace headgate {

/// What the parts of one database share. Owned by Database; the parts hold a reference. `config`
/// and `sync_function` are replaced when the database is reconfigured: copy the pointer before a
/// suspension.
struct DatabaseContext {
  Environment& environment;
  Bucket& base;
  DatabaseId id;
  CacheSpace& space;
  SequenceAllocator& allocator;
  FrontEndCacheWriter& front_end;
  CacheReader& reader;
  /// Earlier numbers of a document at or below it may be forgotten: no audit asks for them. In a
  /// single process the stable sequence, in a cluster the durable floor, as this node knows them.
  std::function<Sequence()> forgettable;
  std::shared_ptr<const DatabaseConfig> config;
  std::shared_ptr<const SyncFunction> sync_function;

  Deadline deadline() const { return space.deadline(); }
  /// Of a write that may take a right away: acknowledged only when a failover cannot bring the
  /// right back (I7). A single process has nobody to fail over to.
  Durability durability_of_rights(Durability otherwise) const {
    return space.is_shared() ? Durability::replicated : otherwise;
  }
};

}  // namespace headgate
