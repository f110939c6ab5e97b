// SPDX-License-Identifier: Apache-2.0
#include "api/document_request.hpp"

#include <fmt/format.h>

#include "api/body_type.hpp"
#include "api/multipart_document.hpp"
#include "api/parameters.hpp"
#include "api/router.hpp"

namespace headgate {

Result<DocId> document_id(const HttpRequest& request) {
  return parse_doc_id(document_path(request.path).id);
}

bool is_local_doc_id(const DocId& id) {
  return id.text().starts_with("_local/");
}

DocId random_doc_id(Environment& environment) {
  return DocId(fmt::format("{:016x}{:016x}", environment.random(), environment.random()));
}

Result<ShowOptions> show_options(const QueryParameters& query) {
  ShowOptions show;
  show.revs = flag_parameter(query, "revs");
  HG_TRY(const auto revs_limit, number_parameter(query, "revs_limit"));
  if (revs_limit) show.revs_limit = *revs_limit;
  show.revs_info = flag_parameter(query, "revs_info");
  show.conflicts = flag_parameter(query, "conflicts");
  show.deleted_conflicts = flag_parameter(query, "deleted_conflicts");
  show.local_seq = flag_parameter(query, "local_seq");
  show.expiry = flag_parameter(query, "show_exp");
  show.attachments = flag_parameter(query, "attachments");
  if (flag_parameter(query, "meta"))
    show.revs_info = show.conflicts = show.deleted_conflicts = true;
  HG_TRY(const auto since, json_parameter(query, "atts_since"));
  if (since) {
    HG_TRY(show.atts_since, parse_revisions(*since, "atts_since"));
  }
  return show;
}

Result<WriteItem> document_to_write(ApiCall& call) {
  HttpRequest& request = call.request();
  WriteItem item;
  ParseOptions options;
  options.now = call.services().environment.wall_now();
  if (is_multipart_related(request)) {
    HG_TRY(item.document, parse_with_attachments(request, options));
  } else {
    HG_TRY(item.document, parse_document(std::string_view(request.body), options));
  }
  std::string().swap(request.body);
  const std::string* new_edits = request.query.find("new_edits");
  item.is_new_edit = new_edits == nullptr || *new_edits != "false";
  HG_TRY(item.document.rev, parent_revision(request, item.document.rev));
  return item;
}

Result<void> check_durability(Durability durability, const DurabilityOffer& offer) {
  if (offer.offered.contains(durability)) return {};
  return Error{Errc::invalid_argument, fmt::format("durability \"{}\" cannot be promised here: {}",
                                                   to_string(durability), offer.why_not)};
}

Result<std::optional<Durability>> requested_durability(const HttpRequest& request,
                                                       const DurabilityOffer& offer) {
  const auto text = request.headers.find("X-Headgate-Durability");
  if (!text) return std::optional<Durability>();
  const auto durability = parse_durability(*text);
  if (!durability)
    return Error{Errc::invalid_argument, "X-Headgate-Durability " + durability.error().context};
  HG_CHECK(check_durability(*durability, offer));
  return std::optional<Durability>(*durability);
}

HttpResponse written_response(int status, const DocId& id, const Revision& rev) {
  const std::string text = to_string(rev);
  JsonWriter out;
  out.begin_object().key("id").string(id.text()).key("ok").boolean(true);
  out.key("rev").string(text).end_object();
  HttpResponse response = json_response(status, std::move(out).text());
  response.headers.add("ETag", fmt::format("\"{}\"", text));
  return response;
}

void respond_written(ApiCall& call, int status, const DocId& id, const Revision& rev) {
  call.respond(written_response(status, id, rev));
}

void write_open_revision(JsonWriter& out, const OpenRevision& revision) {
  if (revision.shown) {
    out.key("ok").raw(revision.shown->json);
  } else {
    out.key("missing").string(to_string(revision.rev));
  }
}

}  // namespace headgate
