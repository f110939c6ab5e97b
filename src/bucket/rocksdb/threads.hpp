// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "bucket/rocksdb/committer.hpp"
#include "bucket/rocksdb/database_dropper.hpp"
#include "bucket/rocksdb/feed_syncer.hpp"
#include "bucket/rocksdb/publisher.hpp"

namespace headgate {

/// What runs beside the executors for one store, in the order in which it is needed.
class RocksThreads {
 public:
  RocksThreads(RocksEngine& engine, const RocksOptions& options)
      : publisher(engine),
        syncer(engine, publisher),
        dropper(engine),
        committer(engine, publisher, syncer, dropper, options) {}

  Publisher publisher;
  FeedSyncer syncer;
  DatabaseDropper dropper;
  Committer committer;
  std::atomic<std::uint64_t> cold_reads = 0;
};

}  // namespace headgate
