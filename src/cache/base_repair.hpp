// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "bucket/bucket.hpp"
#include "cache/cache_entry.hpp"

namespace headgate {

/// What the cache writer asks of the base bucket's documents and principals; the database room
/// answers. All calls are idempotent.
class BaseRepair {
 public:
  struct Holding {
    bool is_held = false;
    PartitionNumber partition = {};  ///< that answered, and
    HistoryId history = {};          ///< under which history
  };

  /// What a document records at other numbers than its own and the cache does not list there.
  struct Unlisted {
    std::vector<Sequence> numbers = {};
    /// Every channel that it ever left: the cache is built anew (C6).
    bool is_everything_left = false;
  };

  virtual ~BaseRepair() = default;
  /// Gives the value at `key` (KeyKind::document or principal), if it still has version `cas`, a
  /// fresh sequence with the same revision, the old one into its recent set, and does the cache
  /// work (R10). Removals and grants that it records at its own number, or that are unlisted, move
  /// to the fresh number and are listed there. A lost compare-and-swap, or no value, is success.
  virtual Task<Result<void>> resequence(Key key, Cas cas, Unlisted unlisted) = 0;
  /// Whether the base bucket still holds `entry.sequence` as the sequence of the document or
  /// principal that `entry` names, or in its recent set.
  virtual Task<Result<Holding>> holds(CacheEntry entry) = 0;
  /// Removes the version `cas` of a purged document that never granted anything. Not there any
  /// more, or written again, is success.
  virtual Task<Result<void>> finish_purge(Key key, Cas cas) = 0;
  /// As resequence(), for the present version of the document or principal that `entry` names;
  /// what it records at `entry.sequence` is unlisted, and it tells of all that the document ever
  /// left. For what took the place of a write that was lost.
  virtual Task<Result<void>> resequence_present(CacheEntry entry) = 0;
  /// What the version `cas` of the value at `key` has to be entered with in an emptied cache, so
  /// that every token stays good (C6): as its record, with all channels it ever left as removals.
  /// Absent: there is no such version any more.
  virtual Task<Result<std::optional<CacheEntry>>> entry_for_rebuild(Key key, Cas cas) = 0;
  /// False only if the write that lists this took nothing from anybody: whoever loses a channel is
  /// told by the channel's entries before the loss, which compaction then keeps (R19).
  virtual bool may_take_access(const Grant& grant) const = 0;
};

}  // namespace headgate
