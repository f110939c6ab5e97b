// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "bucket/bucket.hpp"

namespace headgate {

/// Remembers which feed entries a walk has met but not settled below stable yet, and so from where
/// another walk must begin: the checkpoint. Confined to its executor.
class FeedWalk {
 public:
  /// An entry was read; it needs stable to reach `sequence`. Again for a repeated entry.
  void meet(const FeedEntry& entry, Sequence sequence);
  /// All that the entry asks for was done.
  void settle(PartitionNumber partition, PartitionPosition position);
  void clear() { open_.clear(); }

  /// The positions up to which every entry is settled and at or below `stable`, for a reader that
  /// has read up to `read`. What they cover is forgotten.
  FeedPositions checkpoint(Sequence stable, FeedPositions read);

  /// Entries met and not covered by the last checkpoint.
  std::size_t size() const;

 private:
  struct Met {
    Sequence sequence;
    bool is_settled = false;
  };
  std::map<PartitionNumber, std::map<PartitionPosition, Met>> open_;
};

}  // namespace headgate
