// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "cache/cache_entry.hpp"
#include "cache/cache_space.hpp"

namespace headgate {

// Dead sequence documents do not stay for ever (R19). Once all numbers of a tag lie at or below the
// floor, compaction writes the tag's *fold*, and then removes the dead documents: of a folded tag a
// number that has no document is dead. The fold lies in the same partition as the documents, and
// before every removal: no failover keeps a removal without it. Whoever is late with a document
// finds its number as closed as by a dead one (R3, R4), as it is inserted only where no fold is.

/// The insert that every sequence document is written with: `exists` where there is one,
/// `condition_failed` where there is none and the number is dead by a fold.
operation::Insert insert_unless_folded(const CacheSpace& space, const SequenceDocument& document,
                                       WriteOptions options);

/// Folds the tags of `numbers`, ascending, all at or below the floor with all of their tags. Only
/// when it returns success may documents of these tags be removed, under the same histories.
/// Suspends; idempotent. Errors: rolled_back, unavailable, no_space, overloaded,
/// timeout_unknown_outcome: some may be written, which does no harm.
Task<Result<void>> write_folds(const CacheSpace& space, std::vector<Sequence> numbers,
                               std::vector<HistoryId> cache_histories);

/// Of `missing`, which had no sequence document when they were looked for, those that are dead by a
/// fold, ascending. Suspends; idempotent.
/// Errors: rolled_back (under other histories than `cache_histories`), unavailable,
/// timeout_unknown_outcome.
Task<Result<std::vector<Sequence>>> find_folded(const CacheSpace& space,
                                                std::vector<Sequence> missing,
                                                std::vector<HistoryId> cache_histories);

}  // namespace headgate
