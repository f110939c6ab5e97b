// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bucket/rocksdb/rocks_bucket.hpp"
#include "event_loop.hpp"

namespace headgate {

/// What a load found.
struct LoadFigures {
  std::uint64_t writes = 0;
  std::uint64_t failures = 0;
  double seconds = 0;
  std::uint64_t batches = 0;
  std::uint64_t syncs = 0;

  double per_second() const { return seconds > 0 ? static_cast<double>(writes) / seconds : 0; }
};

/// The embedded store under the very operations of document writes, and nothing above it: for each
/// a read, the durable insert with its feed entry, blocks and counters of one channel and "*", and
/// the sequence document. The limit of a database on this store.
class StoreLoad {
 public:
  /// Opens a store in `directory`, which must not be there.
  explicit StoreLoad(const std::string& directory);
  ~StoreLoad();

  /// New documents of `document_bytes` by `writers` at a time, until `count` are written or `time`
  /// is over. Blocks.
  LoadFigures run(std::size_t writers, std::uint64_t count, std::chrono::nanoseconds time,
                  std::size_t document_bytes = 500);

 private:
  EventLoop loop_;
  std::unique_ptr<RocksStore> store_;
  std::unique_ptr<RocksBucket> bucket_;
  std::uint64_t next_ = 0;
};

}  // namespace headgate
