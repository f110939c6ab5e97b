// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/signal.hpp"
#include "bucket/bucket.hpp"
#include "bucket/owned_record.hpp"
#include "sequence/deployment.hpp"
#include "sequence/horizon.hpp"
#include "sequence/shared_horizon.hpp"

namespace headgate {

/// Sequences handed to one write or bulk: `count` numbers from `first` on.
struct Allocation {
  Sequence first;
  std::uint64_t count = 0;
  Epoch epoch;
  /// Histories of the cache bucket's partitions when the numbers were handed out: the cache is
  /// written under these or not at all (R4b).
  Histories cache_histories;

  Sequence at(std::uint64_t index) const { return Sequence(first.value() + index); }
  Sequence last() const { return Sequence(first.value() + count - 1); }
};

/// Hands out the sequences of one database. Confined to its executor. Two forms:
///
/// Deployment::single_process: the counter lives in memory under the horizon (R6), which is raised
/// in chunks. Each open begins at the old limit, so that no number is ever handed out twice; an
/// unclean open begins a new epoch, too. The horizon needs no barrier of its own where base and
/// cache share one log: a write that survives a crash is preceded in the log by the horizon that
/// allowed its number.
///
/// Deployment::cluster: a counter in the cache bucket, beside the horizon. Allocations of one node
/// that come together share one increment, and its round trip. An increment whose outcome is
/// unknown leaves a gap. See SharedHorizon for what a failover does.
class SequenceAllocator {
 public:
  struct Options {
    std::uint64_t chunk = 10'000;
    std::uint64_t largest_lift = 10'000'000;  ///< how far `above` may lift a counter in memory
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);
    Deployment deployment = Deployment::single_process;
    /// Told when the cache's generation has become another one (C6), before anything is drawn in
    /// it.
    std::function<void(std::uint32_t)> generation_changed = {};
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
  /// Errors: corrupted if `above` lies further beyond the counter than largest_lift, in a cluster
  /// beyond the horizon (D; from then on every call fails);
  /// unavailable, no_space, timeout_unknown_outcome: no number was handed out.
  Task<Result<Allocation>> allocate(std::uint64_t count, Sequence above);

  /// Announces on the mutation feed that numbers first..last will never be used. A failure is
  /// harmless: they are buried after the gap timeout (R8).
  Task<void> release(Sequence first, Sequence last);

  /// Lowers the horizon to what was handed out, so that the next open leaves no gap; nothing in a
  /// cluster. Call when nothing allocates any more: a later allocate() raises it again, but must
  /// not outlive the allocator. A failure is harmless.
  Task<void> close();

  /// The largest number handed out, as far as this node knows.
  Sequence highest() const { return highest_; }
  /// Nobody can still use an unaccounted number at or below it; in a cluster nobody knows that: 0.
  Sequence base() const { return is_shared() ? Sequence() : horizon_.base; }
  Epoch epoch() const { return is_shared() ? shared_.horizon().epoch : horizon_.epoch; }

  // What a cluster adds; in a single process each is trivial and nothing suspends.

  /// No node was handed out a larger number, as the counter tells now. It may be below highest():
  /// what was counted may have been lost. Errors: unavailable, timeout_unknown_outcome; as
  /// follow().
  Task<Result<Sequence>> read_highest();
  /// Where the counter lies, to be read together with other keys; absent: only this node counts.
  std::optional<Key> counter_key() const;
  /// Takes over what such a read replied, unless its history is neither this node's horizon's nor
  /// `current`.
  void observe(const Reply& counter, HistoryId current = {});
  /// A document has this number. Beyond the horizon (D) it stops the database.
  /// Errors: corrupted; as follow().
  Task<Result<void>> check(Sequence seen);

  /// Learns the epoch, its list and the cache's generation from the buckets.
  /// Errors: unavailable, overloaded, no_space, timeout_unknown_outcome, corrupted, unsupported.
  Task<Result<void>> follow();
  /// R11: begins an epoch later than the one followed last. Errors: as follow().
  Task<Result<void>> begin_epoch(Sequence floor);
  /// The cache of `present` was found empty (C6). Errors: as follow().
  Task<Result<void>> begin_generation(std::uint32_t present);
  /// In a single process: only those that restores began.
  const Epochs& epochs() const { return is_shared() ? shared_.epochs() : epochs_; }
  /// No number of an earlier epoch is above it.
  Sequence epoch_base() const { return is_shared() ? shared_.horizon().base : horizon_.base; }
  std::uint32_t generation() const { return generation_; }
  /// Why nothing can be allocated any more; absent: all is well.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  // One increment of the counter, for all who asked before it began.
  struct Draw {
    std::uint64_t count = 0;
    bool is_done = false;
    Result<Allocation> drawn{Errc::unavailable};
  };

  bool is_shared() const { return options_.deployment == Deployment::cluster; }

  // In memory (sequence_allocator.cpp).
  Task<Result<void>> open_alone();
  Task<Result<Allocation>> allocate_alone(std::uint64_t count, Sequence above);
  Task<Result<void>> store(Horizon wanted);
  Task<Result<void>> extend(Sequence needed);

  // Shared (shared_allocation.cpp).
  Task<Result<Allocation>> allocate_shared(std::uint64_t count, Sequence above);
  Task<Result<Allocation>> draw(std::uint64_t count);
  Task<Result<Allocation>> increment(std::uint64_t count);
  Task<Result<std::optional<Allocation>>> try_increment(std::uint64_t count);
  Task<Result<void>> refresh_histories();
  Task<Result<void>> after(Task<Result<void>> change);

  Environment& environment_;
  Bucket& base_;
  Bucket& cache_;
  DatabaseId database_;
  Options options_;
  OwnedRecord record_;
  Horizon horizon_;
  Epochs epochs_;  // of a single process
  Sequence highest_;
  Histories cache_histories_;
  bool is_extending_ = false;
  Signal extended_;

  SharedHorizon shared_;
  std::uint32_t generation_ = 0;
  Sequence last_drawn_;  // by this node, in this epoch
  std::optional<Error> failure_;
  std::shared_ptr<Draw> next_draw_;
  bool is_drawing_ = false;
  Signal draw_done_;
};

}  // namespace headgate
