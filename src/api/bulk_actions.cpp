// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/actions.hpp"
#include "api/document_request.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

/// Documents of one `_bulk_get`, or ids of one `_revs_diff`.
constexpr std::size_t kItemsMax = 100'000;

Result<JsonView> array_of_body(const HttpRequest& request, std::string_view name) {
  HG_TRY(const JsonView body, object_of_body(request));
  const auto list = body.find(name);
  if (!list || !list->is_array())
    return Error{Errc::invalid_argument, fmt::format("{}: must be a list", name)};
  return *list;
}

/// One document of `_bulk_docs`, from its JSON to its answer.
struct BulkItem {
  std::string id;  ///< as sent or made; empty: none could be read
  bool is_local = false;
  std::optional<WriteItem> write;
  Result<Revision> answer = Errc::internal;
};

Result<void> parse_bulk_item(Environment& environment, const JsonView& json, bool is_new_edit,
                             BulkItem& item) {
  if (!json.is_object()) return Error{Errc::invalid_argument, "Document must be a JSON object"};
  if (const auto id = json.find("_id")) item.id = id->as_string().value_or("");
  item.is_local = item.id.starts_with("_local/");
  WriteItem write;
  HG_TRY(write.document,
         parse_document(json, {.is_local = item.is_local, .now = environment.wall_now()}));
  if (!write.document.id && !is_new_edit)
    return Error{Errc::invalid_argument, "Document without _id"};
  write.id = write.document.id ? *write.document.id : random_doc_id(environment);
  item.id = write.id.text();
  write.is_new_edit = is_new_edit;
  item.write = std::move(write);
  return {};
}

Result<std::vector<BulkItem>> parse_bulk(ApiCall& call) {
  HG_TRY(const JsonView docs, array_of_body(call.request(), "docs"));
  const auto new_edits = JsonView(call.request().body).find("new_edits");
  if (new_edits && new_edits->as_bool() != true && new_edits->as_bool() != false)
    return Error{Errc::invalid_argument, "new_edits: must be true or false"};
  const bool is_new_edit = !new_edits || new_edits->as_bool() != false;
  const std::size_t items_max = call.database().config()->max_bulk_docs;
  std::vector<BulkItem> items;
  for (const JsonView& json : docs.elements()) {
    if (items.size() == items_max)
      return Error{Errc::too_large, fmt::format("More than {} documents", items_max)};
    BulkItem& item = items.emplace_back();
    const auto parsed = parse_bulk_item(call.services().environment, json, is_new_edit, item);
    if (!parsed) item.answer = parsed.error();
  }
  return items;
}

Task<void> write_documents(ApiCall& call, std::vector<BulkItem>& items) {
  std::vector<WriteItem> writes;
  std::vector<BulkItem*> written;
  for (BulkItem& item : items) {
    if (!item.write || item.is_local) continue;
    writes.push_back(*std::move(item.write));
    written.push_back(&item);
  }
  if (writes.empty()) co_return;
  auto answers = co_await call.database().writer().write(call.reader, std::move(writes));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i]) {
      written[i]->answer = std::move(answers[i]->rev);
    } else {
      written[i]->answer = std::move(answers[i]).error();
    }
  }
}

// After the documents: a checkpoint must not run ahead of what it stands for.
Task<void> write_local_documents(ApiCall& call, std::vector<BulkItem>& items) {
  for (BulkItem& item : items) {
    if (!item.write || !item.is_local) continue;
    item.answer = co_await call.database().local_documents().put(item.write->id,
                                                                 std::move(item.write->document));
  }
}

void write_error(JsonWriter& out, const Error& failure) {
  const ApiError error = api_error(failure);
  out.key("status").number(std::int64_t{error.status});
  out.key("error").string(error.token).key("reason").string(error.reason);
}

std::string print_bulk(const std::vector<BulkItem>& items) {
  JsonWriter out;
  out.begin_array();
  for (const BulkItem& item : items) {
    out.begin_object().key("id").string(item.id);
    if (item.answer) {
      out.key("ok").boolean(true).key("rev").string(to_string(*item.answer));
    } else {
      write_error(out, item.answer.error());
    }
    out.end_object();
  }
  out.end_array();
  return std::move(out).text();
}

Result<BulkGetItem> parse_bulk_get_item(const JsonView& json) {
  const auto id = json.find("id");
  const auto text = id ? id->as_string() : std::nullopt;
  if (!text) return Error{Errc::invalid_argument, "docs: each needs an id"};
  BulkGetItem item;
  HG_TRY(item.id, parse_doc_id(*text));
  const auto rev = json.find("rev");
  if (rev && !rev->is_null()) {
    const auto rev_text = rev->as_string();
    if (!rev_text) return Error{Errc::invalid_argument, "Invalid revision ID"};
    HG_TRY(item.rev, parse_revision(*rev_text));
  }
  if (const auto since = json.find("atts_since"); since && !since->is_null()) {
    HG_TRY(item.atts_since, parse_revisions(*since, "atts_since"));
  }
  return item;
}

Result<std::vector<BulkGetItem>> parse_bulk_get(const HttpRequest& request) {
  HG_TRY(const JsonView docs, array_of_body(request, "docs"));
  std::vector<BulkGetItem> items;
  for (const JsonView& json : docs.elements()) {
    if (items.size() == kItemsMax) return Error{Errc::too_large, "docs: too many"};
    HG_TRY(BulkGetItem item, parse_bulk_get_item(json));
    items.push_back(std::move(item));
  }
  return items;
}

// A replicator stops for ever at an item with the member "error", so what is not there, or out of
// reach without naming a revision, is "missing".
void write_bulk_get_result(JsonWriter& out, const BulkGetItem& item,
                           const Result<std::vector<OpenRevision>>& found) {
  out.begin_object().key("id").string(item.id.text()).key("docs").begin_array();
  if (found && !found->empty()) {
    for (const OpenRevision& revision : *found) {
      out.begin_object();
      write_open_revision(out, revision);
      out.end_object();
    }
  } else {
    out.begin_object().key("missing");
    out.string(item.rev ? to_string(*item.rev) : "undefined").end_object();
  }
  out.end_array().end_object();
}

bool is_answerable(const Result<std::vector<OpenRevision>>& found) {
  return found || found.error().code == Errc::not_found || found.error().code == Errc::forbidden;
}

/// Empty lists are of pseudo entries such as `_user/NAME`, which nobody can lack.
Result<std::vector<RevsDiffItem>> parse_revs_diff(const HttpRequest& request) {
  HG_TRY(const JsonView body, object_of_body(request));
  std::vector<RevsDiffItem> items;
  for (const JsonView::Member& member : body.members()) {
    HG_TRY(std::vector<Revision> revs, parse_revisions(member.value, member.name()));
    if (revs.empty()) continue;
    if (items.size() == kItemsMax) return Error{Errc::too_large, "too many documents"};
    items.push_back({DocId(member.name()), std::move(revs)});
  }
  return items;
}

void write_revisions(JsonWriter& out, std::string_view name, const std::vector<Revision>& revs) {
  out.key(name).begin_array();
  for (const Revision& rev : revs) out.string(to_string(rev));
  out.end_array();
}

}  // namespace

Task<Result<void>> bulk_docs(ApiCall& call) {
  HG_CO_TRY(std::vector<BulkItem> items, parse_bulk(call));
  std::string().swap(call.request().body);
  co_await write_documents(call, items);
  co_await write_local_documents(call, items);
  call.respond_json(201, print_bulk(items));
  co_return Result<void>();
}

Task<Result<void>> bulk_get(ApiCall& call) {
  HG_CO_TRY(const std::vector<BulkGetItem> items, parse_bulk_get(call.request()));
  HG_CO_TRY(ShowOptions show, show_options(call.query()));
  const bool latest = flag_parameter(call.query(), "latest");
  const auto found =
      co_await call.database().documents().bulk_get(call.reader, items, latest, std::move(show));
  // Whoever would take "missing" for an answer here would never come back for the document.
  for (const auto& result : found)
    if (!is_answerable(result)) co_return result.error();
  JsonWriter out;
  out.begin_object().key("results").begin_array();
  for (std::size_t i = 0; i < items.size(); ++i) write_bulk_get_result(out, items[i], found[i]);
  out.end_array().end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> revs_diff(ApiCall& call) {
  HG_CO_TRY(const std::vector<RevsDiffItem> items, parse_revs_diff(call.request()));
  HG_CO_TRY(const auto differences, co_await call.database().documents().revs_diff(items));
  JsonWriter out;
  out.begin_object();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (differences[i].missing.empty()) continue;
    out.key(items[i].id.text()).begin_object();
    write_revisions(out, "missing", differences[i].missing);
    if (!differences[i].possible_ancestors.empty())
      write_revisions(out, "possible_ancestors", differences[i].possible_ancestors);
    out.end_object();
  }
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
