// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/actions.hpp"
#include "api/document_request.hpp"
#include "api/parameters.hpp"

namespace headgate {

Task<Result<void>> get_local_document(ApiCall& call) {
  HG_CO_TRY(DocId id, document_id(call.request()));
  HG_CO_TRY(LocalDocuments::Stored stored,
            co_await call.database().local_documents().get(std::move(id)));
  HttpResponse response = json_response(200, std::move(stored.json));
  response.headers.add("ETag", fmt::format("\"{}\"", to_string(stored.rev)));
  call.respond_entity(std::move(response));
  co_return Result<void>();
}

Task<Result<void>> put_local_document(ApiCall& call) {
  HG_CO_TRY(const DocId id, document_id(call.request()));
  HG_CO_TRY(ParsedDocument document,
            parse_document(std::string_view(call.request().body), {.is_local = true, .now = {}}));
  if (document.id && *document.id != id)
    co_return Error{Errc::invalid_argument, "_id differs from the address"};
  HG_CO_TRY(const Revision rev,
            co_await call.database().local_documents().put(id, std::move(document)));
  respond_written(call, 201, id, rev);
  co_return Result<void>();
}

Task<Result<void>> delete_local_document(ApiCall& call) {
  HG_CO_TRY(const DocId id, document_id(call.request()));
  ParsedDocument document;
  document.is_deleted = true;
  if (const std::string* rev = call.query().find("rev")) {
    HG_CO_TRY(document.rev, parse_local_revision(*rev));
  }
  HG_CO_TRY(const Revision rev,
            co_await call.database().local_documents().put(id, std::move(document)));
  respond_written(call, 200, id, rev);
  co_return Result<void>();
}

}  // namespace headgate
