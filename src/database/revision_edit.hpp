// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "database/document_writer.hpp"
#include "document/envelope.hpp"

namespace headgate {

/// What the database lets an edit do.
struct EditRules {
  bool allows_conflicts = true;
  std::uint64_t max_document_bytes = kDocumentBodyMax;
  std::uint64_t max_attachment_bytes = kAttachmentMax;
};

/// The effect of one item on its document's revision tree.
struct RevisionEdit {
  Revision rev;
  bool is_known = false;               ///< the tree held this revision already; nothing was changed
  bool is_created = false;             ///< there was no document, or a tombstone
  std::optional<Revision> parent;      ///< newest ancestor that the tree held before
  std::optional<Revision> old_winner;  ///< before the edit
  std::vector<MergedAttachments::NewBytes> new_bytes;  ///< attachments to store first
};

/// The leaf whose body the edit needs (for an attachment change, and as `oldDoc`): the parent it
/// will have if that is a leaf, else, where ancestry is known but its body is not, the winner.
/// None: a new document, or a history without a common ancestor.
std::optional<Revision> base_revision(const DocumentEnvelope& envelope, const WriteItem& item);

/// Adds the item's revision to the tree and its content to `contents`; superseded contents are left
/// there for the caller to use and settle. Pure. On an error the envelope is spoiled.
/// REQUIRES: the body of base_revision() is not external, if the item is an attachment change.
/// Errors: conflict, invalid_argument, too_large, not_found (an attachment to delete).
Result<RevisionEdit> edit_revision(DocumentEnvelope& envelope, const WriteItem& item,
                                   const EditRules& rules);

}  // namespace headgate
