// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "access/channel_name.hpp"
#include "base/environment.hpp"
#include "base/types.hpp"
#include "bucket/key.hpp"
#include "document/revision.hpp"

namespace headgate {

// Where documents and principals lie in the base bucket (docs/key-layout.md).

/// Documents and principals are spread over this many partition tags. Part of the stored format.
inline constexpr std::uint32_t kBaseTags = 16;

/// The tag by number, 0 .. kBaseTags - 1.
std::string base_tag(std::uint32_t number);
/// The tag of whatever belongs to the document or principal of this name.
std::string base_tag_of(std::string_view name);

Key document_key(DatabaseId database, const DocId& id);
Key principal_key(DatabaseId database, const PrincipalName& name);
Key local_document_key(DatabaseId database, const DocId& id);
/// Attachments and bodies of losing leaves share their document's tag.
Key attachment_key(DatabaseId database, const DocId& id, std::string_view digest);
Key revision_body_key(DatabaseId database, const DocId& id, const Revision& rev);

/// The document id under which a user or role appears in the cache: "_user/NAME", "_role/NAME".
/// Of an index in the order of time: the moment in seconds, then the document's id.
Key expiry_key(DatabaseId database, const DocId& id, WallTime at);
/// What an expiry key's name says; none: it is none.
struct NamedExpiry {
  WallTime at;
  DocId id;
};
std::optional<NamedExpiry> read_expiry_name(std::string_view name);
/// Where a long job keeps its place.
Key progress_key(DatabaseId database, std::string_view job);

DocId principal_doc_id(const PrincipalName& name);
/// The inverse. Errors: invalid_argument.
Result<PrincipalName> principal_of_doc_id(const DocId& id);

}  // namespace headgate
