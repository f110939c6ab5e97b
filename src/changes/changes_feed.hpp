// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/result.hpp"
#include "base/task.hpp"
#include "changes/changes_batch.hpp"
#include "changes/changes_options.hpp"
#include "changes/changes_source.hpp"
#include "changes/feed_hub.hpp"
#include "database/principal.hpp"

namespace headgate {

/// One `_changes` request: reads its channels in passes and returns rows in batches, waiting while
/// there is nothing to send. Confined to the database's executor. Source and hub must outlive it;
/// it may be destroyed while nobody awaits next(), or together with the frame that does.
///
/// Invariants
/// 1. Every printed sequence id is a safe `since`: no change is lost by going on from there (I1).
/// 2. No revision of a document follows a newer one, also after going on from any printed id, in
/// any
///    mode (I2). Exceptions, harmless to a replicator: a reader whose channels changed may hear
///    that a document left a channel before a revision that it knows; a backfill of more entries
///    than ChangesPosition::kLookAhead may bring a known, older revision.
/// 3. What one feed keeps is bounded: `max_early` document ids while stable lags, else some
///    hundred bytes and 100 for each channel.
class ChangesFeed {
 public:
  /// Rows of one batch at most; with include_docs fewer.
  static constexpr std::size_t kBatchRows = 1'000;
  static constexpr std::size_t kBatchDocuments = 100;
  /// Rows of a descending feed at most: they are kept until all was read.
  static constexpr std::size_t kDescendingMax = 100'000;

  /// `reader` is an admin, the guest or a user; its rights are loaded anew for every pass.
  ChangesFeed(ChangesSource& source, FeedHub& hub, std::shared_ptr<const Principal> reader,
              ChangesOptions options);
  ~ChangesFeed();

  /// The next rows, a heartbeat or the end; suspends until there is one of them. Await what is
  /// written of a batch before calling it again: that is the back-pressure. Calls do not overlap.
  /// A user that is deleted or disabled meanwhile ends the feed.
  /// Errors: not_found, unauthorized (the user, at the first call); invalid_argument (more than
  /// kDescendingMax rows); overloaded (too many waiting feeds); unavailable (after several
  /// attempts, normal feeds only: others try again while they live); corrupted. After an error
  /// next() must not be called again; the rows returned before are good.
  Task<Result<ChangesBatch>> next();

  /// Ends a wait: next() returns the end as soon as it can, without further rows. For a peer that
  /// went away. Idempotent.
  void interrupt();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace headgate
