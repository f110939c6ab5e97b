// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "api/api_call.hpp"
#include "api/multipart.hpp"
#include "database/document_reader.hpp"

// Documents with their attachments as parts of their own, in place of base64 (CouchDB's
// multipart/related).
namespace headgate {

/// A body and the value of its Content-Type.
struct TypedBody {
  std::string type;
  std::string body;
};

/// A document whose attachments have their bytes in it: multipart/related, the document first, then
/// an attachment for each entry with `follows`, in their order. One without such is JSON.
TypedBody print_with_attachments(Environment& environment, std::string_view json);

/// Adds a revision of `open_revs` or `_bulk_get` to multipart/mixed; `headers` go before its type.
void add_revision(Environment& environment, MultipartWriter& out, HttpHeaders headers,
                  const OpenRevision& revision);
/// Adds what stands for one that cannot be shown: `json` says why.
void add_failure(MultipartWriter& out, HttpHeaders headers, std::string_view json);

/// A boundary that nobody can guess.
std::string random_boundary(Environment& environment);

/// Reads multipart/related: a document, then the attachments that it says to follow; they are told
/// by the file name of their Content-Disposition, else by their digest, else by their order.
/// Errors: invalid_argument (also: too few parts, too many), and those of parse_document().
Result<ParsedDocument> parse_with_attachments(const HttpRequest& request,
                                              const ParseOptions& options);

}  // namespace headgate
