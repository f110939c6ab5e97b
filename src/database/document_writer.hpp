// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/duration_histogram.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/types.hpp"
#include "database/database_context.hpp"
#include "database/principal.hpp"
#include "document/document_body.hpp"
#include "document/envelope.hpp"

namespace headgate {

/// One attachment put or deleted by itself (`PUT /db/doc/name`): body and other attachments are
/// those of the parent revision.
struct AttachmentChange {
  std::string name;
  std::optional<AttachmentInput> input;  ///< none: delete
};

/// One change of one document.
struct WriteItem {
  DocId id;
  /// False: a replicated write, which brings its revision id and history (new_edits=false).
  bool is_new_edit = true;
  /// True: no edit at all. The winner is judged anew by the sync function, and the document written
  /// with the same revisions if its channels or grants come out differently; a refusal takes it out
  /// of all. Nothing else of the item is looked at.
  bool is_resync = false;
  /// Of a new edit, `rev` is the parent (`_rev`, `?rev=` or If-Match, already brought together); of
  /// a replicated write history() is the revision and its ancestors. `id` is not looked at.
  ParsedDocument document;
  /// Set: the document's body and attachments are not looked at. New edits only.
  std::optional<AttachmentChange> attachment_change;
  /// Instead of the database's.
  std::optional<Durability> durability;
};

/// What was stored.
struct WriteAnswer {
  Revision rev;
  /// The document's sequence; 0 if the revision was known already and nothing was written.
  Sequence sequence;
  bool is_created = false;  ///< there was no such document before, or only a tombstone
};

/// The one way by which documents are changed (R1 to R4b): load, revision edit, sync function,
/// sequences, compare-and-swap, channel cache. A single write is a batch of one.
/// Confined to its executor. The context must outlive it, and the calls in flight.
///
/// Invariants
/// 1. Every sequence it drew and did not use is in the document's recent set or released, except
///    those of a write whose outcome is unknown (PR 7050 of couchbase/sync_gateway).
/// 2. A write is acknowledged only after its cache work was tried, so that its author reads it
/// back.
/// 3. A write that changes grants is acknowledged only after its cache work is done (I7); with
///    CacheWrites::feed, too.
class DocumentWriter {
 public:
  struct Statistics {
    std::uint64_t writes = 0;       ///< items stored
    std::uint64_t cas_retries = 0;  ///< items done again because somebody else wrote the document
    std::uint64_t rejected = 0;     ///< by the sync function
    std::uint64_t unknown = 0;      ///< items whose outcome stayed unknown
    std::uint64_t unfinished = 0;   ///< stored, cache work left to the cache writer
    std::uint64_t released = 0;     ///< numbers that were drawn in vain
    /// Runs of the sync function, one for a round of a bulk, waiting for a worker included.
    DurationHistogram sync_function;
    std::chrono::nanoseconds sync_function_lately{};  ///< of one run; later ones weigh more
  };

  explicit DocumentWriter(DatabaseContext& context) : context_(context) {}

  /// Carries out all items, those of one document in their order, each by itself: one that fails
  /// stops no other. One answer for each, in order; the error's context is for the client.
  /// Errors of an item, nothing stored:
  /// - conflict: "Document exists" (no parent named), "Document revision conflict" (the parent is
  ///   unknown or no leaf; the same edit of the same parent again is success instead);
  /// - forbidden, unauthorized, invalid_argument, internal: the sync function's rejection;
  /// - invalid_argument: bad history, attachments; too_large: body, attachment, metadata;
  /// - unavailable, overloaded, no_space: try again.
  /// timeout_unknown_outcome: stored or not, nobody knows; the same write again is harmless when it
  /// is replicated.
  Task<std::vector<Result<WriteAnswer>>> write(std::shared_ptr<const Principal> writer,
                                               std::vector<WriteItem> items);
  Task<Result<WriteAnswer>> write_one(std::shared_ptr<const Principal> writer, WriteItem item);

  const Statistics& statistics() const { return statistics_; }

 private:
  DatabaseContext& context_;
  Statistics statistics_;
};

}  // namespace headgate
