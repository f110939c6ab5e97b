// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/signal.hpp"
#include "cache/cache_reader.hpp"
#include "cache/sequence_documents.hpp"

namespace headgate {

/// Begins the passes of a CacheReader: reads the stable record before all else (R15), once for all
/// who ask meanwhile. Under a new history, or when stable entries were killed, it has the reader
/// forget what it had read. Confined to its executor. What it is made with must outlive it.
class PassStarts {
 public:
  PassStarts(const CacheSpace& space, SequenceAllocator& allocator, SequenceDocuments& documents,
             std::function<void()> forget_channels)
      : space_(space),
        allocator_(allocator),
        documents_(documents),
        forget_channels_(std::move(forget_channels)),
        start_done_(space.environment) {}

  /// See CacheReader::start_pass(), with its errors.
  Task<Result<PassStart>> start();

  /// The newest pass that has begun, and its number.
  const Result<PassStart>& latest() const { return latest_; }
  std::uint64_t done() const { return done_; }
  /// The stable record last read; null before the first.
  std::shared_ptr<const StableRecord> record() const { return record_; }
  /// Sequences without a live entry, as the newest pass knows them.
  const DeadRanges& dead() const { return dead_; }
  /// The record is of `history` in the key's partition; true in one process.
  bool covers(const Key& key, HistoryId history) const;

  std::uint64_t passes() const { return passes_; }
  /// Bucket calls that read the stable record.
  std::uint64_t stable_reads() const { return stable_reads_; }

 private:
  Task<Result<PassStart>> read();
  Task<Result<PassStart>> try_read();
  Task<Result<void>> load_dead_ranges(std::uint64_t version);
  bool is_current(const Reply& reply, const Key& key, const StableRecord& record) const;

  const CacheSpace& space_;
  SequenceAllocator& allocator_;
  SequenceDocuments& documents_;
  const std::function<void()> forget_channels_;

  // The next start to begin serves all who wait for it.
  std::uint64_t begun_ = 0;
  bool is_wanted_ = false;
  std::uint64_t done_ = 0;
  Result<PassStart> latest_{Errc::unavailable};
  Signal start_done_;

  std::string stable_bytes_;
  std::shared_ptr<const StableRecord> record_;
  DeadRanges dead_;
  std::uint64_t passes_ = 0;
  std::uint64_t stable_reads_ = 0;
};

}  // namespace headgate
