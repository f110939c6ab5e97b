// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "bucket/bucket.hpp"

namespace headgate {

/// One history of a partition and the last position that it has in common with the one before.
struct HistoryStart {
  HistoryId history;
  PartitionPosition start;
};

/// Moves a reader on from its history towards the last of `log` (oldest first, not empty). Returns
/// true if it had to be moved back: to the start of the first history that begins before its
/// position; call again for the next one. A history that is not in the log: back to position 0
/// under the last one.
bool follow_history(const std::vector<HistoryStart>& log, FeedPosition& reader);

}  // namespace headgate
