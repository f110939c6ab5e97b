// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/signal.hpp"
#include "bucket/bucket.hpp"
#include "bucket/owned_record.hpp"

namespace headgate {

/// Sequences handed to one write or bulk: `count` numbers from `first` on.
struct Allocation {
  Sequence first;
  std::uint64_t count = 0;
  Epoch epoch;
  /// Histories of the cache bucket's partitions when the numbers were handed out: the cache is
  /// written under these or not at all (R4b).
  std::shared_ptr<const std::vector<HistoryId>> cache_histories;

  Sequence at(std::uint64_t index) const { return Sequence(first.value() + index); }
  Sequence last() const { return Sequence(first.value() + count - 1); }
};

/// The record in the cache bucket that no sequence may exceed before it was raised (R6).
struct Horizon {
  Epoch epoch;
  HistoryId history;  ///< of the counter: here the cache bucket's
  Sequence base;      ///< numbers at or below it belong to earlier epochs or processes
  Sequence limit;

  std::string encode() const;
  static Result<Horizon> decode(std::string_view bytes);
};

/// Feed entry of a KeyKind::released value: numbers first..last will never be used.
struct ReleasedRange {
  Sequence first;
  Sequence last;

  std::string encode() const;
  /// Errors: corrupted.
  static Result<ReleasedRange> decode(std::string_view bytes);
};

/// Hands out the sequences of one database for a single process: the counter lives in memory under
/// the horizon (R6), which is raised in chunks. Each open begins at the old limit, so that no
/// number is ever handed out twice; an unclean open begins a new epoch, too.
/// Confined to its executor.
///
/// The horizon needs no barrier of its own where base and cache share one log: a write that
/// survives a crash is preceded in the log by the horizon that allowed its number.
class SequenceAllocator {
 public:
  struct Options {
    std::uint64_t chunk = 10'000;
    std::uint64_t largest_lift = 10'000'000;  ///< how far `above` may lift the counter
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);
  };

  /// Both buckets must outlive the allocator. Nothing is read before open().
  SequenceAllocator(Environment& environment, Bucket& base, Bucket& cache, DatabaseId database,
                    Options options);
  SequenceAllocator(Environment& environment, Bucket& base, Bucket& cache, DatabaseId database)
      : SequenceAllocator(environment, base, cache, database, Options{}) {}

  /// Reads the horizon, or makes it for a new database (whose number 1 is its creation, R6b).
  /// Errors: unavailable, corrupted, no_space.
  Task<Result<void>> open();

  /// Hands out `count` adjacent numbers, all above `above` (R2). A lifted-over range is released.
  /// Errors: corrupted if `above` lies further beyond the counter than largest_lift;
  /// unavailable, no_space, timeout_unknown_outcome: no number was handed out.
  Task<Result<Allocation>> allocate(std::uint64_t count, Sequence above);

  /// Announces on the mutation feed that numbers first..last will never be used. A failure is
  /// harmless: they are buried after the gap timeout (R8).
  Task<void> release(Sequence first, Sequence last);

  /// Lowers the horizon to what was handed out, so that the next open leaves no gap. Call when
  /// nothing allocates any more. A failure is harmless.
  Task<void> close();

  /// The largest number handed out, or below which none will be.
  Sequence highest() const { return highest_; }
  /// Nobody can still use an unaccounted number at or below it.
  Sequence base() const { return horizon_.base; }
  Epoch epoch() const { return horizon_.epoch; }

 private:
  Task<Result<void>> store(Horizon wanted);
  Task<Result<void>> extend(Sequence needed);

  Environment& environment_;
  Bucket& base_;
  Bucket& cache_;
  DatabaseId database_;
  Options options_;
  OwnedRecord record_;
  Horizon horizon_;
  Sequence highest_;
  std::shared_ptr<const std::vector<HistoryId>> cache_histories_;
  bool is_extending_ = false;
  Signal extended_;
};

}  // namespace headgate
