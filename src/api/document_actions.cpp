// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/actions.hpp"
#include "api/document_request.hpp"
#include "api/multipart_document.hpp"
#include "api/parameters.hpp"
#include "api/router.hpp"
#include "net/uri.hpp"

namespace headgate {

namespace {

bool wants(ApiCall& call, std::string_view multipart_type) {
  return names_multipart(call.request().headers.find("Accept").value_or(""), multipart_type);
}

/// A revision names what is shown of it, unless that hangs on the reader's rights or on other
/// revisions, too.
void respond_revision(ApiCall& call, ShownRevision shown, bool has_only_revision) {
  HttpResponse response = json_response(200, std::move(shown.json));
  if (wants(call, "multipart/related")) {
    response.body.pop_back();
    TypedBody typed = print_with_attachments(call.services().environment, response.body);
    response = {.headers = {{"Content-Type", typed.type}, {"Cache-Control", "must-revalidate"}},
                .body = std::move(typed.body)};
  }
  if (has_only_revision && !shown.is_redacted)
    response.headers.add("ETag", fmt::format("\"{}\"", to_string(shown.rev)));
  call.respond_entity(std::move(response));
}

void respond_mixed(ApiCall& call, const std::vector<OpenRevision>& revisions) {
  Environment& environment = call.services().environment;
  MultipartWriter out(random_boundary(environment));
  for (const OpenRevision& revision : revisions) add_revision(environment, out, {}, revision);
  HttpHeaders headers{{"Content-Type", out.type("mixed")}, {"Cache-Control", "must-revalidate"}};
  call.respond({.headers = std::move(headers), .body = std::move(out).finish()});
}

std::string print_open_revisions(std::vector<OpenRevision> revisions) {
  JsonWriter out;
  out.begin_array();
  for (const OpenRevision& revision : revisions) {
    out.begin_object();
    write_open_revision(out, revision);
    out.end_object();
  }
  out.end_array();
  return std::move(out).text();
}

Task<Result<void>> get_open_revisions(ApiCall& call, DocId id, std::string wanted) {
  const QueryParameters& query = call.query();
  if (query.find("rev") != nullptr)
    co_return Error{Errc::invalid_argument, "rev and open_revs exclude each other"};
  std::optional<std::vector<Revision>> revs;
  if (wanted != "all") {
    HG_CO_CHECK(validate_json(wanted));
    HG_CO_TRY(revs, parse_revisions(JsonView(wanted), "open_revs"));
  }
  HG_CO_TRY(ShowOptions show, show_options(query));
  const bool is_mixed = wants(call, "multipart/mixed");
  if (is_mixed) show.attachments = true;
  HG_CO_TRY(auto revisions, co_await call.database().documents().open_revisions(
                                call.reader, std::move(id), std::move(revs),
                                flag_parameter(query, "latest"), std::move(show)));
  if (is_mixed) {
    respond_mixed(call, revisions);
    co_return Result<void>();
  }
  call.respond_json(200, print_open_revisions(std::move(revisions)));
  co_return Result<void>();
}

/// Without a revision there is nothing to delete; says why.
Task<Result<void>> explain_missing_revision(ApiCall& call, DocId id) {
  HG_CO_TRY(const auto found, co_await call.database().documents().load({std::move(id)}));
  if (!found[0]) co_return Error{Errc::not_found, "missing"};
  if (found[0]->tree.is_deleted()) co_return Error{Errc::not_found, "deleted"};
  co_return Error{Errc::conflict, "Document exists"};
}

}  // namespace

Task<Result<void>> get_document(ApiCall& call) {
  HG_CO_TRY(DocId id, document_id(call.request()));
  const QueryParameters& query = call.query();
  if (const std::string* wanted = query.find("open_revs"))
    co_return co_await get_open_revisions(call, std::move(id), *wanted);
  HG_CO_TRY(std::optional<Revision> rev, revision_parameter(query, "rev"));
  HG_CO_TRY(ShowOptions show, show_options(query));
  if (wants(call, "multipart/related")) show.attachments = true;
  const bool has_only_revision = !show.shows_more_than_revision();
  HG_CO_TRY(ShownRevision shown, co_await call.database().documents().get(
                                     call.reader, std::move(id), std::move(rev),
                                     flag_parameter(query, "latest"), std::move(show)));
  respond_revision(call, std::move(shown), has_only_revision);
  co_return Result<void>();
}

Task<Result<void>> put_document(ApiCall& call) {
  HG_CO_TRY(WriteItem item, document_to_write(call));
  HG_CO_TRY(item.id, document_id(call.request()));
  if (item.document.id && *item.document.id != item.id)
    co_return Error{Errc::invalid_argument, "_id differs from the address"};
  item.durability = call.durability;
  const DocId id = item.id;
  HG_CO_TRY(const WriteAnswer answer,
            co_await call.database().writer().write_one(call.reader, std::move(item)));
  respond_written(call, 201, id, answer.rev);
  co_return Result<void>();
}

Task<Result<void>> post_document(ApiCall& call) {
  HG_CO_TRY(WriteItem item, document_to_write(call));
  item.id = item.document.id ? *item.document.id : random_doc_id(call.services().environment);
  if (is_local_doc_id(item.id))
    co_return Error{Errc::invalid_argument, "Local documents are written with PUT"};
  item.durability = call.durability;
  const DocId id = item.id;
  const bool names_parent = item.document.rev && item.is_new_edit;
  const auto answer = co_await call.database().writer().write_one(call.reader, std::move(item));
  if (!answer && answer.error().code == Errc::conflict && names_parent) {
    HG_CO_TRY(const auto found, co_await call.database().documents().load({id}));
    if (!found[0]) co_return Error{Errc::not_found, "missing"};
  }
  if (!answer) co_return answer.error();
  HttpResponse response = written_response(200, id, answer->rev);
  response.headers.add("Location", fmt::format("/{}/{}", percent_encode(call.request().path[0]),
                                               percent_encode(id.text())));
  call.respond(std::move(response));
  co_return Result<void>();
}

Task<Result<void>> delete_document(ApiCall& call) {
  WriteItem item;
  HG_CO_TRY(item.id, document_id(call.request()));
  HG_CO_TRY(item.document.rev, parent_revision(call.request(), std::nullopt));
  if (!item.document.rev) co_return co_await explain_missing_revision(call, std::move(item.id));
  item.document.is_deleted = true;
  item.durability = call.durability;
  const DocId id = item.id;
  HG_CO_TRY(const WriteAnswer answer,
            co_await call.database().writer().write_one(call.reader, std::move(item)));
  respond_written(call, 200, id, answer.rev);
  co_return Result<void>();
}

}  // namespace headgate
