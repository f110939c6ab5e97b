// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace headgate {

/// A place on a changes feed as clients see it: `since`, `seq`, `last_seq`.
struct SequenceId {
  Sequence low;      ///< stable sequence when it was printed; 0: absent
  Sequence trigger;  ///< sequence of the grant whose backfill is under way; 0: none
  Sequence sequence;

  /// Reads `""`, `SEQ`, `TRIG:SEQ`, `LOW::SEQ` or `LOW:TRIG:SEQ`; a JSON string's quotes are
  /// taken off first. Errors: invalid_argument.
  static Result<SequenceId> parse(std::string_view text);

  /// A backfill is under way: the trigger lies above the sequence.
  bool is_in_backfill() const { return trigger > sequence; }
  /// A backfill whose grant stable had not reached when this was printed: it may have been
  /// incomplete, and counts for nothing.
  bool is_early_backfill() const { return is_in_backfill() && low != Sequence() && low < trigger; }
  /// All up to here was sent before the backfill that is under way. REQUIRES: is_in_backfill().
  Sequence before_backfill() const { return is_early_backfill() ? low : trigger.previous(); }
  /// Leaves out a trigger that says nothing, and a low part unless it is a backfill's: that may be
  /// the date of Epochs::dated().
  std::string print() const;
  /// The sequence a feed really continues from: no change at or below it is missing.
  Sequence safe() const;
  /// Order of entries on one feed, for ids of comparable low part; not a general sort key.
  bool is_before(const SequenceId& other) const;

  friend bool operator==(const SequenceId&, const SequenceId&) = default;
};

}  // namespace headgate
