// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "cache/cache_writer_context.hpp"
#include "cache/gap_closer.hpp"

namespace headgate {

/// What a cache writer of a cluster does after a failover, before it publishes again: the audit of
/// the base (R12), the re-walk of the cache (R13), the rebuilding of an emptied cache (C6). The
/// walk itself is the ordinary one, from the durable floor: begin() sets what is looked at again,
/// try_finish() does what is left when the feed has shown all it had.
/// Confined to its executor; calls do not overlap.
class CacheAudit {
 public:
  CacheAudit(CacheWriterContext& context, GapCloser& gaps) : context_(context), gaps_(gaps) {}

  /// Compares the histories of the record that was taken over with those of the walk that is about
  /// to begin, and prepares the walk. Returns where it begins.
  /// Errors: as SequenceAllocator::begin_epoch(); rolled_back.
  Task<Result<FeedPositions>> begin(StableSequence::Found found);

  bool is_under_way() const { return context_.audit_floor.has_value(); }

  /// True when everything above the floor was looked at: the record may be published under the
  /// walk's histories. False: not yet. Errors: unavailable, rolled_back, fenced ...: not yet.
  Task<Result<bool>> try_finish();

 private:
  struct Cause {
    bool has_base_changed = false;
    bool has_cache_changed = false;
    bool is_emptied = false;  ///< C6
    bool is_new = false;      ///< nothing was ever published
    bool any() const { return has_base_changed || has_cache_changed || is_emptied || is_new; }
  };

  Cause cause() const;
  Task<Result<void>> begin_epoch(Cause cause);
  Task<Result<FeedPositions>> surviving(FeedPositions positions);
  bool is_settled_to_stable() const;
  bool is_settled_to_heads() const;
  Task<Result<bool>> close_to_stable();
  Task<Result<bool>> look_above_stable();
  Task<Result<bool>> settle_all(std::vector<Burial::Live> live);
  void report(const Cause& cause) const;

  CacheWriterContext& context_;
  GapCloser& gaps_;
  Sequence highest_;               // when the audit began
  bool may_lack_entries_ = false;  // the cache has lost some
  Epoch epoch_;  // begun by the last audit, under these histories of cache and base
  std::pair<std::vector<HistoryId>, std::vector<HistoryId>> begun_under_;
  std::optional<FeedPositions> heads_;
};

}  // namespace headgate
