// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cache/base_repair.hpp"
#include "cache/cache_reader.hpp"
#include "cache/front_end_cache_writer.hpp"
#include "cache/repair_log.hpp"
#include "sequence/sequence_allocator.hpp"

namespace headgate {

/// The one role of a database that computes and publishes the stable sequence: follows the mutation
/// feed, checks that every write's cache work was done, repairs what a dead front end left undone,
/// buries numbers that never come (R7-R10, R14). With CacheWrites::feed it does all cache work.
/// In a cluster it is one of several candidates: the last that was started is in charge, whoever it
/// replaced ends (`fenced`, A6) and may be started again later. After a failover of either bucket
/// it checks and repairs what may have been lost before it publishes again (R11-R13); readers
/// wait meanwhile and go on by themselves. Now and then it compacts what nobody needs any more
/// (R19). Confined to its executor. Everything passed in must outlive it.
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
    std::uint64_t purges = 0;       ///< documents that left the cache
    std::uint64_t buried = 0;       ///< sequences
    std::uint64_t gaps_closed = 0;  ///< ranges
    std::uint64_t published = 0;
    std::uint64_t awaited = 0;     ///< writes whose front end is still at work
    std::uint64_t gaps = 0;        ///< ranges not accounted for now
    std::uint64_t unreadable = 0;  ///< feed entries or sequence documents that could not be decoded
    std::uint64_t failures = 0;    ///< repairs that failed and are tried again
    std::uint64_t given_up = 0;    ///< writes that cannot be repaired: their document is unreadable
    std::uint64_t audits = 0;      ///< after failovers, finished
    std::uint64_t compactions = 0;        ///< finished (R19)
    std::uint64_t entries_dropped = 0;    ///< superseded block entries, by compaction
    std::uint64_t documents_dropped = 0;  ///< superseded sequence documents, likewise
    bool is_compacting = false;
    bool is_in_charge = false;  ///< started, and not replaced
  };

  explicit CacheWriter(Dependencies dependencies);
  ~CacheWriter();

  /// Takes the role over (raises the token) and goes on in the background, from the checkpoint. In
  /// a single process it first walks the feed to its present head, closes what an earlier process
  /// left open and publishes stable; a write that cannot be repaired now holds stable back, not the
  /// start. In a cluster others may still be at work: nothing is closed before its time, and stable
  /// is published when it may be.
  /// May be called again after stop(), or when it is no more in charge.
  /// Errors: unavailable, rolled_back, corrupted, unsupported, no_space.
  Task<Result<void>> start();
  /// Processes what the feed shows, publishes, then ends the background work.
  Task<void> stop();

  /// Compacts the cache soon, in the background, however little was written since the last time
  /// (R19); it does so by itself when as much was written as there was. One that is not in charge
  /// does it when it is.
  void compact();

  /// The stable sequence last read or published. Never suspends, costs nothing.
  Sequence stable() const;
  Statistics statistics() const;
  /// The last RepairLog::kMost repairs. With CacheWrites::feed a write's cache work is none.
  std::vector<CacheRepair> recent_repairs() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace headgate
