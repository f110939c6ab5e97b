// SPDX-License-Identifier: Apache-2.0
#include "bucket/history.hpp"

#include <algorithm>

namespace headgate {

bool follow_history(const std::vector<HistoryStart>& log, FeedPosition& reader) {
  HG_ASSERT(!log.empty());
  if (reader.history == log.back().history) return false;
  if (reader.history == HistoryId()) {
    reader.history = log.back().history;
    return false;
  }
  auto at = std::find_if(log.begin(), log.end(),
                         [&](const HistoryStart& h) { return h.history == reader.history; });
  if (at == log.end()) {
    const bool is_moved = reader.position != PartitionPosition();
    reader = {log.back().history, PartitionPosition()};
    return is_moved;
  }
  for (++at; at != log.end(); ++at) {
    reader.history = at->history;
    if (at->start >= reader.position) continue;
    reader.position = at->start;
    return true;
  }
  return false;
}

}  // namespace headgate
