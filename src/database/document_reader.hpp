// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/types.hpp"
#include "database/database_context.hpp"
#include "database/principal.hpp"
#include "document/document_body.hpp"
#include "document/envelope.hpp"

namespace headgate {

/// What a reader wants to see of a revision beside its user members.
struct ShowOptions {
  bool revs = false;  ///< `_revisions`
  std::size_t revs_limit = SIZE_MAX;
  bool revs_info = false;          ///< `_revs_info`
  bool conflicts = false;          ///< `_conflicts`, of the winner
  bool deleted_conflicts = false;  ///< `_deleted_conflicts`, of the winner
  bool local_seq = false;          ///< `_local_seq`
  bool expiry = false;             ///< `_exp`
  bool attachments = false;        ///< bodies of attachments, not stubs
  /// With attachments: only those that came after the newest of these revisions.
  std::vector<Revision> atts_since = {};

  /// True if what is shown may change while the revision stays.
  bool shows_more_than_revision() const {
    return revs_info || conflicts || deleted_conflicts || local_seq || expiry;
  }
};

/// One revision as a client gets it.
struct ShownRevision {
  Revision rev;
  bool is_deleted = false;
  bool is_redacted = false;  ///< out of the reader's reach: no body
  std::string json;          ///< the whole document
};

/// One of `open_revs`.
struct OpenRevision {
  Revision rev;
  std::optional<ShownRevision> shown;  ///< none: missing
};

/// One document asked for by `_bulk_get`.
struct BulkGetItem {
  DocId id;
  std::optional<Revision> rev;  ///< none: the winner
  std::vector<Revision> atts_since;
};

struct AttachmentContent {
  Revision rev;  ///< whose attachment it is
  Attachment attachment;
  std::string bytes;
};

struct RevsDiffItem {
  DocId id;
  std::vector<Revision> revs;
};

/// Reader of single documents. Access is that of the revision asked for: without one, the winner's
/// channels decide and a reader without any of them gets `forbidden`; a revision asked for by its
/// id is shown without its body (ShownRevision::is_redacted), which is how a replicating client
/// learns that a document left its channels.
/// Confined to its executor. The context must outlive it, and the calls in flight.
///
/// Errors of all calls, beside those named: unavailable, corrupted, timeout_unknown_outcome.
class DocumentReader {
 public:
  /// Bytes of bodies and attachments that one call holds at most.
  static constexpr std::size_t kReplyBytesMax = 256u << 20;

  explicit DocumentReader(DatabaseContext& context) : context_(context) {}

  /// The winner, or `rev`; with `latest`, the greatest leaf that grew from `rev`.
  /// Errors: not_found "missing" or "deleted" (a tombstone is shown only by its rev), forbidden.
  Task<Result<ShownRevision>> get(std::shared_ptr<const Principal> reader, DocId id,
                                  std::optional<Revision> rev, bool latest, ShowOptions show);

  /// The revisions named, in their order, or if `revs` is none all leaves that can be read, and
  /// without their bodies the tombstones that the reader was told of. With
  /// `latest`, each is replaced by the leaves that grew from it. Errors, only without `revs`:
  /// not_found (no such document), forbidden (no leaf can be read).
  Task<Result<std::vector<OpenRevision>>> open_revisions(std::shared_ptr<const Principal> reader,
                                                         DocId id,
                                                         std::optional<std::vector<Revision>> revs,
                                                         bool latest, ShowOptions show);

  /// For each item with a rev what open_revisions() says of it, without one what get() says. Never
  /// fails as a whole. An item beyond kReplyBytesMax is `too_large`.
  Task<std::vector<Result<std::vector<OpenRevision>>>> bulk_get(
      std::shared_ptr<const Principal> reader, std::vector<BulkGetItem> items, bool latest,
      ShowOptions show);

  /// The winners of many documents, for feeds with include_docs and `_all_docs` with keys; in
  /// order. Each as get() without `rev` says, but a tombstone is shown.
  Task<std::vector<Result<ShownRevision>>> get_many(std::shared_ptr<const Principal> reader,
                                                    std::vector<DocId> ids, ShowOptions show);

  /// Errors: not_found (document, revision or attachment), forbidden.
  Task<Result<AttachmentContent>> get_attachment(std::shared_ptr<const Principal> reader, DocId id,
                                                 std::optional<Revision> rev, std::string name);

  /// What is missing here, by item, in order; no access is asked for.
  Task<Result<std::vector<RevisionTree::Difference>>> revs_diff(std::vector<RevsDiffItem> items);

  /// Envelopes of many documents, in order; none where there is no such document.
  Task<Result<std::vector<std::optional<DocumentEnvelope>>>> load(std::vector<DocId> ids);

 private:
  Task<Result<AttachmentContent>> look_for_attachment(std::shared_ptr<const Principal> reader,
                                                      DocId id, std::optional<Revision> rev,
                                                      std::string name);

  DatabaseContext& context_;
};

}  // namespace headgate
