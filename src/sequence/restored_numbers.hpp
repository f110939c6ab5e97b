// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "base/task.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// So many numbers may have been drawn between a backup and its restore. Nobody can tell how many
/// were: more than a year of 30,000 a second. All that there will be stay exact in JavaScript.
inline constexpr std::uint64_t kRestoreLift = std::uint64_t{1} << 40;

/// Numbers that no write of a restored database has or will have.
struct SkippedNumbers {
  Sequence first;
  Sequence last;
};

/// Gives a database that was set back numbers of its own (F12, case E): they go on above all that
/// were drawn after the backup, in an epoch before which every token is void. `last` is the epoch's
/// beginning. For a store of one process that nobody serves; `base` and `cache` may be the same.
/// Errors: unavailable, no_space, corrupted, unsupported.
Task<Result<SkippedNumbers>> begin_restored_numbers(Bucket& base, Bucket& cache,
                                                    DatabaseId database, Deadline deadline);

}  // namespace headgate
