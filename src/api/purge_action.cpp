// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "api/actions.hpp"
#include "api/api_error.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

/// Of all revisions only: of a part of a history nothing could be told to replicators.
bool names_all_revisions(const JsonView& revisions) {
  if (!revisions.is_array()) return false;
  std::size_t count = 0;
  bool is_all = true;
  for (const JsonView& revision : revisions.elements()) {
    ++count;
    is_all = is_all && revision.as_string() == "*";
  }
  return count == 1 && is_all;
}

Result<std::vector<DocId>> documents_of(const JsonView& body) {
  std::vector<DocId> ids;
  for (const auto& member : body.members()) {
    HG_TRY(DocId id, parse_doc_id(member.name()));
    if (!names_all_revisions(member.value))
      return Error{Errc::invalid_argument, "the revisions of " + id.text() + " must be [\"*\"]"};
    ids.push_back(std::move(id));
  }
  return ids;
}

void write_failures(JsonWriter& out, const std::map<std::string, Error>& failures) {
  if (failures.empty()) return;
  out.key("failed").begin_object();
  for (const auto& [id, why] : failures) {
    const ApiError error = api_error(why);
    out.key(id).begin_object().key("error").string(error.token);
    out.key("reason").string(error.reason).end_object();
  }
  out.end_object();
}

}  // namespace

// Answers when no feed shows the documents any more, or when that takes too long.
Task<Result<void>> post_purge(ApiCall& call) {
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  HG_CO_TRY(const std::vector<DocId> ids, documents_of(body));
  DocumentPurger& purger = call.database().purger();
  std::map<std::string, Error> failures;
  Sequence last;
  JsonWriter out;
  out.begin_object().key("purged").begin_object();
  for (const DocId& id : ids) {
    const auto purged = co_await purger.purge(id);
    if (purged) {
      last = *purged;
      out.key(id.text()).begin_array().string("*").end_array();
    } else if (purged.error().code != Errc::not_found) {
      failures.emplace(id.text(), purged.error());
    }
  }
  out.end_object();
  if (last != Sequence()) co_await purger.wait_until_gone(last);
  write_failures(out, failures);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
