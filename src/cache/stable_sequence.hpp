// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bucket/owned_record.hpp"
#include "cache/cache_space.hpp"
#include "cache/stable_record.hpp"

namespace headgate {

/// The stable record as its owner, the cache writer in charge, keeps it (R14): its value goes to
/// the base bucket before it is published in the cache bucket, and never falls. Confined to its
/// executor; calls do not overlap. The space and the base bucket must outlive it.
class StableSequence {
 public:
  StableSequence(const CacheSpace& space, Bucket& base);

  /// Takes the role: raises the fencing token over what the record and its copy show. A new
  /// database begins with stable = 1 (R6b). Until publish() the histories stay as they were.
  /// Errors: unavailable, corrupted, unsupported, no_space.
  Task<Result<void>> take_over();

  /// The record as last read or published.
  const StableRecord& record() const { return record_; }
  const DeadRanges& dead_ranges() const { return dead_; }

  /// Publishes a value, which must not be smaller, with the checkpoint and histories.
  /// Errors: fenced: another cache writer is in charge; unavailable, no_space, overloaded,
  /// timeout_unknown_outcome: publish again later.
  Task<Result<void>> publish(Sequence stable, FeedPositions checkpoint,
                             std::vector<HistoryId> cache_histories,
                             std::vector<HistoryId> base_histories);

  /// Buries a range (R8). It counts for readers from the next publish() on. Idempotent.
  /// Errors: as publish().
  Task<Result<void>> bury(Sequence first, Sequence last);

 private:
  Task<Result<StableRecord>> load();
  Task<Result<void>> take_over_dead_ranges();

  OwnedRecord copy_;
  OwnedRecord published_;
  OwnedRecord buried_;
  StableRecord record_;
  DeadRanges dead_;
};

}  // namespace headgate
