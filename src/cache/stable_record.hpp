// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bucket/bucket.hpp"
#include "sequence/epochs.hpp"

namespace headgate {

/// The one record that says how far the cache is complete (R14).
struct StableRecord {
  Sequence stable = {};
  /// Fencing token: the cache writer that raised it last is in charge.
  std::uint64_t token = 0;
  /// Histories under which `stable` holds, by partition: replies of others make a pass void (R15).
  std::vector<HistoryId> cache_histories = {};
  std::vector<HistoryId> base_histories = {};
  /// Feed positions up to which every entry is settled at or below `stable`.
  FeedPositions checkpoint = {};
  /// Grows with every buried range, see DeadRanges.
  std::uint64_t dead_ranges_version = 0;

  /// Live sequence documents that have become dead so far (R8, R12): what readers remember may be
  /// one of them.
  std::uint64_t kills = 0;
  /// Generation of the cache that `stable` holds for. Another one than that of the record's key:
  /// the cache is being built anew (C6).
  std::uint32_t generation = 0;
  /// The epoch begun by the last audit, and all before it (R17).
  Epoch epoch = {};
  Epochs epochs = {};
  /// The last stable that a barrier of both buckets has covered, and its checkpoint: up to there a
  /// failover loses nothing.
  Sequence durable_floor = {};
  FeedPositions floor_checkpoint = {};

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<StableRecord> decode(std::string_view bytes);

  friend bool operator==(const StableRecord&, const StableRecord&) = default;
};

/// Buried ranges of sequences: what a sequence document says, for many numbers at once (R8). A
/// number in a range is dead even if a zombie's sequence document says otherwise: its feed entry
/// will be resequenced (R9).
struct DeadRanges {
  struct Range {
    Sequence first;
    Sequence last;
    friend bool operator==(const Range&, const Range&) = default;
  };
  std::uint64_t version = 0;
  std::vector<Range> ranges;  ///< ascending, neither touching nor overlapping

  void bury(Sequence first, Sequence last);
  bool contains(Sequence sequence) const;
  /// The first number at or above `sequence` that is in no range.
  Sequence skip(Sequence sequence) const;

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<DeadRanges> decode(std::string_view bytes);

  friend bool operator==(const DeadRanges&, const DeadRanges&) = default;
};

}  // namespace headgate
