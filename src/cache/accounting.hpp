// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/types.hpp"
#include "cache/stable_record.hpp"

namespace headgate {

/// The sequences that are accounted for (R7): all up to stable(), and ranges above it. Memory and
/// work go with the number of ranges, not of sequences. Confined to its executor.
class Accounting {
 public:
  explicit Accounting(Sequence stable = Sequence()) : stable_(stable) {}

  void account(Sequence sequence) { account(sequence, sequence); }
  /// REQUIRES: first <= last.
  void account(Sequence first, Sequence last);
  bool is_accounted(Sequence sequence) const;

  /// Every sequence up to here is accounted for.
  Sequence stable() const { return stable_; }
  /// What is not accounted for in (stable(), upto], ascending.
  std::vector<DeadRanges::Range> gaps(Sequence upto) const;
  /// How many ranges gaps(upto) has. Work does not go with their number where nothing is accounted
  /// for above `upto`.
  std::size_t count_gaps(Sequence upto) const;
  /// The number after stable() always is one.
  bool has_gap(Sequence upto) const { return upto > stable_; }

 private:
  Sequence stable_;
  std::map<Sequence, Sequence> above_;  // first -> last; neither touching nor overlapping
};

}  // namespace headgate
