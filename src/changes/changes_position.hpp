// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <memory>
#include <utility>

#include "cache/cache_reader.hpp"
#include "sequence/epochs.hpp"
#include "sequence/sequence_id.hpp"

namespace headgate {

/// Where an entry stands on a feed: an ordinary one at its sequence, one of a backfill before the
/// grant that triggered it, in the order of the sequences.
struct ChangesPlace {
  Sequence major;                ///< the sequence, or the grant's
  Sequence minor = kNoSequence;  ///< in a backfill: the sequence

  static ChangesPlace ordinary(Sequence sequence) { return {sequence, kNoSequence}; }
  static ChangesPlace backfill(Sequence grant, Sequence sequence) { return {grant, sequence}; }
  bool is_backfill() const { return minor != kNoSequence; }
  friend auto operator<=>(const ChangesPlace&, const ChangesPlace&) = default;
};

/// How far one feed is. A value; pure.
///
/// Its client has every entry at or below safe(), of a backfill under way also those up to
/// backfilled(); above safe() it has seen some, up to high().
class ChangesPosition {
 public:
  /// A feed reads at least so many entries ahead and leaves out what a newer one of them
  /// supersedes. A client that has seen entries further ahead, or above stable, is given sequence
  /// ids that say so.
  static constexpr std::uint64_t kLookAhead = 1'000;

  ChangesPosition() = default;
  explicit ChangesPosition(const SequenceId& since);

  Sequence safe() const { return safe_; }
  Sequence high() const { return high_; }
  Sequence trigger() const { return trigger_; }
  Sequence backfilled() const { return backfilled_; }
  /// Something above safe() was sent that has to be printed with a low part.
  bool has_low_part() const { return high_ > safe_; }

  /// To be called with the stable sequence of every pass, before it reads. A `since` whose low
  /// part is the present stable sequence goes on after what was seen (couchbase/sync_gateway#1309);
  /// as soon as stable is another one, from its low part.
  void begin_pass(Sequence stable);
  /// Ordinary entries are read from here on (exclusive).
  Sequence read_from() const { return skip_ > safe_ ? skip_ : safe_; }
  /// How many entries a pass has to read so that no older revision follows a seen one.
  std::size_t read_limit(std::size_t max_early) const;

  /// Every id from now on tells that it was printed in the last of these epochs, where that matters
  /// (R17). Null: all ids are of one epoch.
  void set_epochs(std::shared_ptr<const Epochs> epochs) { epochs_ = std::move(epochs); }

  /// The client is sent this entry.
  void send(Sequence sequence);
  /// Everything up to `place` was sent or does not concern the client. `stable` is the pass's.
  void advance(const ChangesPlace& place, Sequence stable);

  /// Sequence id of a row, a safe `since`: `place` has been reached in a pass with `stable`. For a
  /// late entry it names high(), not the entry: whoever goes on from there must be known to have
  /// seen so much.
  SequenceId id_of(const ChangesPlace& place, Sequence stable) const;
  /// The position as a safe `since`.
  SequenceId id() const;

 private:
  SequenceId printed(SequenceId id) const;

  std::shared_ptr<const Epochs> epochs_;
  Sequence safe_;
  Sequence high_;
  Sequence skip_;  ///< entries up to here are left out while stable is safe_; 0: none
  Sequence trigger_;
  Sequence backfilled_;
};

}  // namespace headgate
