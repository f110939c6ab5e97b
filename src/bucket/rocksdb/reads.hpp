// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/options.h>

#include <optional>
#include <span>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/rocksdb/engine.hpp"

namespace headgate {

/// What is in memory, or also what is on the disk: the latter blocks.
enum class Tier : std::uint8_t { memory, disk };

/// Answers the reads among `operations` that have no answer yet (their reply is
/// timeout_unknown_outcome). Those that would need the disk keep it; true if there are any.
/// A run of ascending sequence documents is read with one iterator.
bool read_values(const RocksEngine& engine, std::span<const Operation> operations,
                 std::span<Reply> replies, WallTime now, Tier tier);

/// Absent: it would need the disk.
std::optional<Result<Bucket::ScanPage>> read_page(const RocksEngine& engine,
                                                  const Bucket::Scan& scan, WallTime now,
                                                  Tier tier);

/// Synced entries after `after`, at most `limit`. Absent: it would need the disk.
std::optional<Result<std::vector<FeedEntry>>> read_feed(const RocksEngine& engine,
                                                        DatabaseId database,
                                                        PartitionPosition after, std::size_t limit,
                                                        Tier tier);

/// Position of the last synced entry, 0 if there is none. Absent: it would need the disk.
std::optional<Result<PartitionPosition>> read_head(const RocksEngine& engine, DatabaseId database,
                                                   Tier tier);

}  // namespace headgate
