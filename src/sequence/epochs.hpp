// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "sequence/sequence_id.hpp"

namespace headgate {

/// The epochs of a database: number ranges between two failovers (R6, R17). A value.
class Epochs {
 public:
  /// Nothing has to be read again because of this epoch.
  static constexpr Sequence kNoFloor{std::numeric_limits<std::uint64_t>::max()};
  /// Floor of an epoch that a restore began (case E): earlier tokens are void, and nothing was
  /// announced anew. A failover's floor is never below the creation, 1.
  static constexpr Sequence kStartAgain{};
  struct Start {
    Epoch epoch;
    Sequence base;              ///< its numbers are above
    Sequence floor = kNoFloor;  ///< up to here everything earlier epochs knew is still so

    friend bool operator==(const Start&, const Start&) = default;
  };
  /// Older ones are folded together: whoever comes with their numbers reads some more.
  static constexpr std::size_t kKeptMost = 64;

  /// Enters an epoch, or lowers the floor of the one that is there. REQUIRES: not older than the
  /// last.
  void add(Start start);
  /// The last; 0: none.
  Epoch last() const { return starts_.empty() ? Epoch() : starts_.back().epoch; }
  bool contains(const Start& start) const;

  /// From where somebody who has everything up to `since` must continue: the smallest of it and the
  /// floors of all epochs later than its own (R17).
  Sequence resume(Sequence since) const;
  /// The same for a token, whose largest number tells its epoch. One that has to go back is said to
  /// have seen all up to the last epoch's beginning: what is read between the two is superseded by
  /// what was lost and announced anew beyond (R17b). A backfill under way begins anew: what was
  /// granted at its number may have been lost since, and be there without it (B5).
  /// REQUIRES: not is_void().
  SequenceId resume(const SequenceId& since) const;
  /// A token to be printed in the last epoch: if its numbers would be taken for those of an older
  /// one that has to go back, it names the last epoch's beginning, too: as the sequence, or as the
  /// low part of a backfill. That number is never drawn.
  SequenceId dated(const SequenceId& id) const;
  /// It was printed before a restore: whoever comes with it starts again.
  bool is_void(const SequenceId& since) const;
  /// What a token says beside the date that dated() has put into it, where nothing but the date is
  /// beyond what a restore brought back.
  SequenceId undated(const SequenceId& id) const;
  /// An audit has announced what was lost at such numbers again, at later ones.
  bool is_audited_after(Sequence number) const;

  /// The epoch that a number belongs to.
  Epoch of(Sequence number) const;
  /// There was never another one.
  bool is_single() const { return starts_.size() <= 1; }

  void encode_to(ByteWriter& writer) const;
  static Result<Epochs> decode_from(ByteReader& reader);

  friend bool operator==(const Epochs&, const Epochs&) = default;

 private:
  Sequence floor_after(Sequence number) const;
  SequenceId of_last(Sequence low, const SequenceId& id) const;

  std::vector<Start> starts_;  // ascending
};

/// The record in the base bucket by which a cluster survives the loss of its cache bucket.
struct EpochRecord {
  /// Part of every cache key (C6). Counts the times that the cache bucket was found empty.
  std::uint32_t generation = 0;
  /// The horizon of this generation was made and has passed a barrier: if it is missing, the cache
  /// bucket was emptied.
  bool is_made = false;
  /// No horizon was ever higher, in any generation.
  Sequence limit;
  Epochs epochs;

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<EpochRecord> decode(std::string_view bytes);

  friend bool operator==(const EpochRecord&, const EpochRecord&) = default;
};

}  // namespace headgate
