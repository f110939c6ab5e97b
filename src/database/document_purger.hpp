// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "database/database_context.hpp"

namespace headgate {

/// Removes documents as if they had never been: history, bodies, attachments, what they grant, and
/// their entries in every channel. Nobody is told. Confined to its executor. The context must
/// outlive it, and the calls in flight.
///
/// In steps, each of which may be the last for a while:
/// 1. One compare-and-swap takes the document away: in its place is a purged envelope at a fresh
///    number, which says on the mutation feed what must leave the cache. From here on the
///    document is absent for readers, and a write begins a new one, which carries this on.
/// 2. What it granted is taken back in the hidden channels, as by any write (I7).
/// 3. Attachments and bodies that were there before step 1 are removed. A new document keeps what
/// it
///    shares with them by writing it again. Not done, they are garbage.
/// 4. The cache writer turns all sequence documents of the document into dead ones (R3), settles
///    the number, and removes the purged envelope; one that tells of grants stays.
class DocumentPurger {
 public:
  explicit DocumentPurger(DatabaseContext& context) : context_(context) {}

  /// Steps 1 to 3. Returns the number of the purge. Errors:
  /// - not_found: no such document; nothing was done. So, too, after a purge;
  /// - conflict: somebody wrote the document meanwhile, and it stays: ask again;
  /// - unavailable, overloaded, no_space: nothing was done;
  /// - timeout_unknown_outcome: perhaps purged, or what it granted may still be in force;
  /// - corrupted, unsupported: the document cannot be read.
  Task<Result<Sequence>> purge(DocId id);
  /// Waits for step 4 of a purge. False: not before the deadline; it will be done later.
  Task<bool> wait_until_gone(Sequence purged);

 private:
  /// A value that goes with the document, in the version that was seen.
  struct Part {
    Key key;
    Cas cas;
  };
  Task<Result<std::vector<Part>>> parts_of(DocId id);
  Task<Result<Reply>> find_outcome(Key key, Sequence number);
  Task<Result<void>> take_grants_back(CacheEntry entry, WriteIdentity identity, WriteFence fence);
  Task<void> remove_parts(std::vector<Part> parts, HistoryId purged_under);

  DatabaseContext& context_;
};

}  // namespace headgate
