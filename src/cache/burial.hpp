// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/cache_entry.hpp"
#include "cache/stable_sequence.hpp"

namespace headgate {

/// Buries sequences that belong to no write (R7, R8): a dead sequence document each, or one range
/// for many adjacent ones. Confined to its executor. What is passed in must outlive it.
class Burial {
 public:
  /// Whether somebody may still be on the way to write sequence documents at these numbers.
  enum class Holders : std::uint8_t { none, perhaps };
  /// A live sequence document in a range that is to be buried.
  struct Live {
    SequenceDocument document;
    Cas cas;
  };
  struct Outcome {
    /// Buried, or found dead already.
    std::vector<DeadRanges::Range> dead;
    /// Left alone: whether they may be buried is a question for the base bucket (R8).
    std::vector<Live> live;
  };

  Burial(const CacheSpace& space, StableSequence& stable) : space_(space), stable_(stable) {}

  /// Buries what has no sequence document in first..last. Idempotent.
  /// Errors: unavailable, no_space, overloaded, fenced, corrupted, timeout_unknown_outcome.
  ///
  /// A write-once document at each number tells a late front end at once that it is late (R4); a
  /// range does not, so that it might acknowledge a revocation that readers take for dead (I7).
  /// Where numbers may be held, a range is written only for very many.
  Task<Result<Outcome>> bury(Sequence first, Sequence last, Holders holders);
  /// The same for many ranges at once; those of few numbers share their round trips.
  Task<Result<Outcome>> bury(std::vector<DeadRanges::Range> ranges, Holders holders);
  /// The live sequence documents in first..last; buries nothing. Errors: as bury().
  Task<Result<std::vector<Live>>> find_live(Sequence first, Sequence last);
  /// Turns a live sequence document into a dead one. Success if somebody else did.
  Task<Result<void>> kill(Live live);

  /// Kills every live sequence document of these documents at or below the number beside each;
  /// calls `killed` with each number. Reads all numbers up to the largest. Idempotent.
  /// Errors: as bury().
  using Purged = std::unordered_map<std::string, Sequence>;
  Task<Result<void>> kill_all_of(Purged documents, std::function<void(Sequence)> killed);
  /// Readers forget what they remember of live documents when the record is next published: a cache
  /// writer that killed some may have ended before it published that.
  void announce_kill() { ++kills_; }

  std::uint64_t buried() const { return buried_; }
  /// Live documents turned into dead ones, or perhaps.
  std::uint64_t kills() const { return kills_; }

 private:
  struct Found {
    Sequence sequence;
    Reply reply;
  };
  Task<Result<std::vector<Found>>> find(Sequence first, Sequence last);
  Task<Result<void>> sort_out(Found at, Outcome& outcome);
  Task<Result<void>> bury_range(DeadRanges::Range range, Holders holders, Outcome& outcome);
  Task<Result<void>> bury_few(std::vector<Sequence> numbers, Outcome& outcome);
  Task<Result<void>> bury_empty(DeadRanges::Range range, Holders holders, Outcome& outcome);
  Task<Result<void>> insert_dead(std::vector<Sequence> numbers, Outcome& outcome);

  const CacheSpace& space_;
  StableSequence& stable_;
  std::uint64_t buried_ = 0;
  std::uint64_t kills_ = 0;
};

}  // namespace headgate
