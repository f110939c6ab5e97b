// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "cache/pending_entries.hpp"
#include "cache/stable_record.hpp"

namespace headgate {

/// The sequence documents that a judgement may look at; absent means that there is none.
using KnownDocuments = std::unordered_map<Sequence, std::shared_ptr<const SequenceDocument>>;

/// What is to be done about a feed entry (R7, R9).
struct Judgement {
  enum class Verdict : std::uint8_t {
    settled,     ///< all its cache work was done
    wait,        ///< its front end may still be at work
    repair,      ///< its cache work is to be done
    resequence,  ///< its document must move to a fresh number
  };
  Verdict verdict = Verdict::settled;
  std::vector<Sequence> unlisted;  ///< recent numbers whose removals and grants must move
  std::vector<Sequence> absent;    ///< numbers to bury before anything else
};

/// What the judgement depends on beside the entry and the documents.
struct JudgementContext {
  Sequence stable;
  Sequence checked_to;  ///< earlier numbers at or below it need no look; stable but in an audit
  Epoch epoch;
  const DeadRanges& dead_ranges;
  bool may_be_at_work = false;  ///< the entry's front end has had less than its time
};

/// The earlier number records a removal or grant.
bool has_marks(const RecentSequence& earlier);

/// Pure. `documents` holds the entry's own document and those of its recent numbers that are above
/// checked_to or have marks, as far as they are there.
Judgement judge(const PendingEntry& pending, const KnownDocuments& documents,
                const JudgementContext& context);

}  // namespace headgate
