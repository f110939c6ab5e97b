// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "bucket/owned_record.hpp"
#include "cache/cache_space.hpp"
#include "cache/stable_record.hpp"

namespace headgate {

/// The stable record as its owner, the cache writer in charge, keeps it (R14): its value goes to
/// the base bucket before it is published in the cache bucket, and never falls. In a cluster
/// nothing is written under another history than it was taken over in: after a failover the token
/// must be raised again. Confined to its executor; calls do not overlap. The space and the base
/// bucket must outlive it.
class StableSequence {
 public:
  /// What taking the role over met.
  struct Found {
    /// The cache bucket has no record of a generation that the base bucket knows to have had one
    /// (C6). Nothing was written.
    bool is_emptied = false;
    /// Both the record's partition and its copy's have failed over: a larger value may have been
    /// published (D).
    bool may_be_larger = false;
  };

  StableSequence(const CacheSpace& space, Bucket& base) : space_(space), base_(base) {}

  /// Takes the role: raises the fencing token over what the record and its copy show; of these and
  /// the memory of an earlier time in charge the largest value counts (C3). A new database begins
  /// with stable = 1 (R6b). Until publish() the histories stay as they were.
  /// Errors: unavailable, rolled_back, corrupted, unsupported, no_space.
  Task<Result<Found>> take_over();

  /// False: the cache has been emptied and is built under another generation (C6): take over again.
  bool is_of_this_generation() const { return generation_ == space_.generation; }

  /// The record as last read or published.
  const StableRecord& record() const { return record_; }
  const DeadRanges& dead_ranges() const { return dead_; }

  /// Publishes `next`, whose stable must not be smaller; token and dead ranges are filled in.
  /// Errors: fenced: another cache writer is in charge; rolled_back: take over again; unavailable,
  /// no_space, overloaded, timeout_unknown_outcome: publish again later.
  Task<Result<void>> publish(StableRecord next);

  /// Buries a range (R8). It counts for readers from the next publish() on. Idempotent.
  /// Errors: as publish().
  Task<Result<void>> bury(Sequence first, Sequence last);

 private:
  // A record with the history that it is written under.
  struct Place {
    Place(const CacheSpace& space, Bucket& bucket, Key key);
    WriteOptions options(const CacheSpace& space) const;
    OwnedRecord record;
    PartitionNumber partition;
    HistoryId history;
  };
  struct Loaded {
    std::optional<StableRecord> copy;
    std::optional<StableRecord> published;
  };

  Task<Result<Reply>> load(Place& place);
  Task<Result<Loaded>> load_both();
  StableRecord largest_of(const Loaded& loaded) const;
  bool may_be_larger(const StableRecord& record) const;
  Task<Result<void>> take_over_dead_ranges();
  Result<void> check_generation() const;
  static Error refused(const Error& why, const char* what);

  const CacheSpace& space_;
  Bucket& base_;
  // Made anew at each take-over: the keys are those of the space's generation.
  std::optional<Place> copy_;
  std::optional<Place> published_;
  std::optional<Place> buried_;
  std::uint32_t generation_ = 0;  // that of the keys
  StableRecord record_;
  DeadRanges dead_;
};

}  // namespace headgate
