// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/api_call.hpp"
#include "document/json.hpp"

// What requests for documents have in common.
namespace headgate {

/// The id of the document that the path names. Errors: invalid_argument.
Result<DocId> document_id(const HttpRequest& request);
bool is_local_doc_id(const DocId& id);
/// 32 hex digits.
DocId random_doc_id(Environment& environment);

/// What the query asks to be shown of a revision. Errors: invalid_argument.
Result<ShowOptions> show_options(const QueryParameters& query);

/// The body as a document with its parent revision; `id` is left to the caller. The body is read
/// and dropped. Errors: invalid_argument, not_found, too_large.
Result<WriteItem> document_to_write(ApiCall& call);

/// Refuses a promise that the store cannot keep. Errors: invalid_argument, for the client.
Result<void> check_durability(Durability durability, const DurabilityOffer& offer);
/// What X-Headgate-Durability asks for; none if absent. Errors: invalid_argument.
Result<std::optional<Durability>> requested_durability(const HttpRequest& request,
                                                       const DurabilityOffer& offer);

/// `{"id", "ok", "rev"}` with the revision as ETag.
HttpResponse written_response(int status, const DocId& id, const Revision& rev);
void respond_written(ApiCall& call, int status, const DocId& id, const Revision& rev);

/// Members of the object being written: `"ok": document`, or `"missing": revision`.
void write_open_revision(JsonWriter& out, const OpenRevision& revision);

}  // namespace headgate
