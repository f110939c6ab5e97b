// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "document/attachment.hpp"
#include "document/json.hpp"
#include "document/revision.hpp"

namespace headgate {

inline constexpr std::size_t kDocIdMax = 250;                      ///< bytes
inline constexpr std::size_t kDocumentBodyMax = 20 * 1024 * 1024;  ///< bytes of user members

/// Reads a document id: 1..kDocIdMax bytes of UTF-8 without a zero byte, not beginning with '_'
/// except `_design/NAME` and `_local/NAME`. Errors: invalid_argument "Invalid doc ID".
Result<DocId> parse_doc_id(std::string_view text);

/// Reads every form of `_exp`: a number or numeric string of seconds (below 30 days: from `now`,
/// else Unix time), an RFC 3339 date, or null. The value is none for null and 0. Whole seconds;
/// must fit 32 bits. Errors: invalid_argument.
Result<std::optional<WallTime>> parse_expiry(const JsonView& value, WallTime now);

struct ParseOptions {
  bool is_local = false;  ///< `_local` document: revisions are "0-N"
  WallTime now{};         ///< for relative `_exp`
};

/// A document as a client sent it, its reserved members taken out.
struct ParsedDocument {
  std::string body = "{}";  ///< user members only: their raw slices in their order
  std::optional<DocId> id;
  std::optional<Revision> rev;
  bool is_deleted = false;
  /// `_revisions`: the revision and its ancestors, newest first; empty: not sent.
  std::vector<Revision> revisions;
  std::vector<AttachmentInput> attachments;
  bool has_expiry = false;  ///< `_exp` was sent, perhaps as null
  std::optional<WallTime> expiry;

  /// The ancestry of a replicated write: `_revisions`, or `_rev` alone as a history of one.
  /// Errors: invalid_argument "Bad _revisions": neither was sent, or they disagree.
  Result<std::vector<Revision>> history() const;
};

/// Takes a document apart. Members with meaning: `_id _rev _deleted _attachments _revisions _exp`.
/// What a reader may have got and sends back is ignored: `_conflicts _deleted_conflicts _revs_info
/// _local_seq`. Every other member that begins with '_' is refused as CouchDB does, because the
/// local write of such a document fails in PouchDB, so one of our clients could never read it.
/// Members of the same name at the top level are refused: clients would disagree which one counts.
/// Errors: invalid_argument (not an object, "Bad special document member: _x", "Duplicate member",
/// bad id, rev, `_revisions`, attachments or expiry); not_found "Document revision is not
/// accessible" (`_removed`); too_large.
Result<ParsedDocument> parse_document(const JsonView& document, const ParseOptions& options = {});
/// The same for text that was not validated yet.
Result<ParsedDocument> parse_document(std::string_view text, const ParseOptions& options = {});

/// What goes into a document beside its user members. Absent values are not written.
struct DocumentOutput {
  std::string_view id;
  std::string rev;  ///< "GEN-DIGEST"
  bool is_deleted = false;
  bool is_removed = false;  ///< `_removed`: the reader may not see this revision's body
  std::span<const Revision> revisions = {};  ///< newest first, generations consecutive
  struct RevisionStatus {
    Revision rev;
    std::string_view status;  ///< "available", "missing" or "deleted"
  };
  std::span<const RevisionStatus> revs_info = {};
  std::span<const Revision> conflicts = {};
  std::span<const Revision> deleted_conflicts = {};
  std::optional<Sequence> local_sequence = {};
  std::span<const AttachmentOutput> attachments = {};
  std::optional<WallTime> expiry = {};  ///< written as RFC 3339
};
/// Writes a document for a client: `_id`, `_rev`, the user members of `body`, then the rest.
void write_document(JsonWriter& out, std::string_view body, const DocumentOutput& document);
std::string write_document(std::string_view body, const DocumentOutput& document);

/// Writes what a sync function gets as `doc` or `oldDoc`: `_id`, `_rev` (unless empty), user
/// members, `_deleted` only when true, `_attachments` as stubs.
std::string write_sync_input(std::string_view body, std::string_view id, std::string_view rev,
                             bool is_deleted, std::span<const Attachment> attachments);

/// RFC 3339 in UTC, whole seconds: "2026-01-31T09:30:00Z".
std::string to_rfc3339(WallTime time);

}  // namespace headgate
