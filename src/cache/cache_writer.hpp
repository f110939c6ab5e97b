// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cache/cache_reader.hpp"
#include "cache/front_end_cache_writer.hpp"
#include "sequence/sequence_allocator.hpp"

namespace headgate {

/// What the cache writer asks of the base bucket's documents and principals; the database room
/// answers. All calls are idempotent.
class BaseRepair {
 public:
  virtual ~BaseRepair() = default;
  /// Gives the value at `key` (KeyKind::document or principal), if it still has version `cas`, a
  /// fresh sequence with the same revision, the old one into its recent set, and does the cache
  /// work (R10). Removals and grants that it records at a number of `unlisted`, or at its own, move
  /// to the fresh number and are listed there. A lost compare-and-swap, or no value, is success.
  virtual Task<Result<void>> resequence(Key key, Cas cas, std::vector<Sequence> unlisted) = 0;
  /// Whether the base bucket still holds `entry.sequence` as the sequence of the document or
  /// principal that `entry` names, or in its recent set.
  virtual Task<Result<bool>> holds(CacheEntry entry) = 0;
  /// As resequence(), for the present version of the document or principal that `entry` names.
  virtual Task<Result<void>> resequence_present(CacheEntry entry) = 0;
};

/// The one role of a database that computes and publishes the stable sequence: follows the mutation
/// feed, checks that every write's cache work was done, repairs what a dead front end left undone,
/// buries numbers that never come (R7-R10, R14). With CacheWrites::feed it does all cache work.
/// Confined to its executor. Everything passed in must outlive it.
class CacheWriter {
 public:
  struct Dependencies {
    const CacheSpace& space;
    Bucket& base;
    SequenceAllocator& allocator;
    FrontEndCacheWriter& front_end;
    CacheReader& reader;
    BaseRepair& repair;
    ChangeListener& listener;
  };

  struct Statistics {
    Sequence stable;
    Sequence largest_seen;
    std::uint64_t entries = 0;  ///< feed entries processed
    std::uint64_t repairs = 0;  ///< writes whose cache work it did
    std::uint64_t resequences = 0;
    std::uint64_t buried = 0;       ///< sequences
    std::uint64_t gaps_closed = 0;  ///< ranges
    std::uint64_t published = 0;
    std::uint64_t awaited = 0;     ///< writes whose front end is still at work
    std::uint64_t gaps = 0;        ///< ranges not accounted for now
    std::uint64_t unreadable = 0;  ///< feed entries or sequence documents that could not be decoded
    std::uint64_t failures = 0;    ///< repairs that failed and are tried again
    std::uint64_t given_up = 0;    ///< writes that cannot be repaired: their document is unreadable
  };

  explicit CacheWriter(Dependencies dependencies);
  ~CacheWriter();

  /// Takes the role over (raises the token), walks the feed from the checkpoint to its present
  /// head, closes what an earlier process left open, publishes stable, then goes on in the
  /// background. A write that cannot be repaired now holds stable back, not the start.
  /// Errors: unavailable, rolled_back, corrupted, unsupported.
  Task<Result<void>> start();
  /// Processes what the feed shows, publishes, then ends the background work.
  Task<void> stop();

  /// The stable sequence last read or published. Never suspends, costs nothing.
  Sequence stable() const;
  Statistics statistics() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace headgate
