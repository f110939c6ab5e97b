// SPDX-License-Identifier: Apache-2.0
#include "database/document_parts.hpp"

#include "database/base_keys.hpp"

namespace headgate {
namespace {

/// Format, parts and sequence of an envelope lie in so many bytes (docs/key-layout.md).
constexpr std::size_t kVersionBytes = 12;

}  // namespace

std::set<Key> parts_of(DatabaseId database, const DocId& id, const DocumentEnvelope& envelope) {
  std::set<Key> parts;
  for (const LeafContent& content : envelope.contents) {
    for (const Attachment& attachment : content.attachments)
      parts.insert(attachment_key(database, id, attachment.digest));
    if (content.is_external) parts.insert(revision_body_key(database, id, content.rev));
  }
  return parts;
}

Condition document_is_still(DatabaseId database, const DocId& id, std::string_view bytes) {
  return {document_key(database, id), std::string(bytes.substr(0, kVersionBytes))};
}

Condition document_is_absent(DatabaseId database, const DocId& id) {
  return {document_key(database, id), std::nullopt};
}

}  // namespace headgate
