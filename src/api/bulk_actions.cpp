// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "api/actions.hpp"
#include "api/document_request.hpp"
#include "api/multipart_document.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

/// Documents of one `_bulk_get`, or ids of one `_revs_diff`.
constexpr std::size_t kItemsMax = 100'000;
/// Documents of `_bulk_get` read at a time, and bytes of an answer that are gathered before they
/// are sent. A failure before that has its own status.
constexpr std::size_t kPieceItems = 50;
constexpr std::size_t kPieceBytes = 1u << 20;

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
    item.write->durability = call.durability;
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

using FoundRevisions = Result<std::vector<OpenRevision>>;

/// One document of `_bulk_get`. What was sent is kept for the answer, it may be anything.
struct AskedDocument {
  JsonView id;   ///< in the request's body; null if absent
  JsonView rev;  ///< the same
  Result<BulkGetItem> item = Errc::internal;
};

Result<BulkGetItem> parse_asked(const JsonView& json, const AskedDocument& asked) {
  if (!json.is_object()) return Error{Errc::invalid_argument, "document must be a JSON object"};
  const auto id = asked.id.as_string();
  if (!id) return Error{Errc::invalid_argument, "document id missed"};
  BulkGetItem item;
  HG_TRY(item.id, parse_doc_id(*id));
  if (!asked.rev.is_null()) {
    HG_TRY(item.rev, parse_revision(asked.rev.as_string().value_or("")));
  }
  if (const auto since = json.find("atts_since"); since && !since->is_null()) {
    HG_TRY(item.atts_since, parse_revisions(*since, "atts_since"));
  }
  return item;
}

Result<std::vector<AskedDocument>> parse_bulk_get(const HttpRequest& request) {
  HG_TRY(const JsonView docs, array_of_body(request, "docs"));
  std::vector<AskedDocument> all;
  for (const JsonView& json : docs.elements()) {
    if (all.size() == kItemsMax) return Error{Errc::too_large, "docs: too many"};
    AskedDocument& asked = all.emplace_back();
    asked.id = json.find("id").value_or(JsonView());
    asked.rev = json.find("rev").value_or(JsonView());
    asked.item = parse_asked(json, asked);
  }
  return all;
}

/// `rev` is JSON.
void write_bulk_get_error(JsonWriter& out, const AskedDocument& asked, std::string_view rev,
                          const Error& failure) {
  const ApiError error = api_error(failure);
  out.begin_object().key("error").begin_object().key("id").raw(asked.id.raw());
  out.key("rev").raw(rev).key("error").string(error.token).key("reason").string(error.reason);
  out.end_object().end_object();
}

// A replicator repeats a batch with an item that has the member "error" for ever, but it names
// revisions: what it cannot get of those is "missing".
void write_found(JsonWriter& out, const AskedDocument& asked, const FoundRevisions& found) {
  const bool is_found = found && !found->empty();
  if (!is_found && !asked.item->rev)
    return write_bulk_get_error(out, asked, "\"undefined\"",
                                found ? Error{Errc::not_found, {}} : found.error());
  if (!is_found) {
    out.begin_object().key("missing").string(to_string(*asked.item->rev)).end_object();
    return;
  }
  for (const OpenRevision& revision : *found) {
    out.begin_object();
    write_open_revision(out, revision);
    out.end_object();
  }
}

/// The results of `_bulk_get` that are not sent yet.
struct BulkGetText {
  std::string text = "{\"results\":[";
  bool has_results = false;

  /// `found` is null for what is malformed.
  void add(const AskedDocument& asked, const FoundRevisions* found) {
    JsonWriter out;
    out.begin_object().key("id").raw(asked.id.raw()).key("docs").begin_array();
    if (found != nullptr)
      write_found(out, asked, *found);
    else
      write_bulk_get_error(out, asked, asked.rev.raw(), asked.item.error());
    out.end_array().end_object();
    if (std::exchange(has_results, true)) text += ',';
    text += out.text();
  }
};

bool is_answerable(const FoundRevisions& found) {
  return found || found.error().code == Errc::not_found || found.error().code == Errc::forbidden;
}

/// `found` has what was looked up, in order. How many results were added: those that did not fit
/// into one reply together with these are to be asked for again.
Result<std::size_t> add_results(std::span<const AskedDocument> all,
                                const std::vector<FoundRevisions>& found, BulkGetText& results) {
  auto next = found.begin();
  for (std::size_t count = 0; count < all.size(); ++count) {
    const FoundRevisions* one = all[count].item ? &*next++ : nullptr;
    if (one != nullptr && !*one && one->error().code == Errc::too_large && all.size() > 1)
      return count;
    // Whoever would take "missing" for an answer here would never come back for the document.
    if (one != nullptr && !is_answerable(*one)) return one->error();
    results.add(all[count], one);
  }
  return all.size();
}

/// A part for a document that cannot be shown.
void add_bulk_get_error(MultipartWriter& out, const AskedDocument& asked, std::string_view rev,
                        const Error& failure) {
  const ApiError error = api_error(failure);
  JsonWriter json;
  json.begin_object().key("id").raw(asked.id.raw()).key("rev").raw(rev);
  json.key("error").string(error.token).key("reason").string(error.reason);
  json.key("status").number(std::int64_t{error.status}).end_object();
  add_failure(out, {}, json.text());
}

void add_found(Environment& environment, MultipartWriter& out, const AskedDocument& asked,
               const Result<std::vector<OpenRevision>>& found) {
  if (!found || found->empty())
    return add_bulk_get_error(out, asked, asked.rev.raw(),
                              found ? Error{Errc::not_found, {}} : found.error());
  for (const OpenRevision& revision : *found) {
    const HttpHeaders headers{{"X-Doc-ID", asked.item->id.text()},
                              {"X-Rev-ID", to_string(revision.rev)}};
    add_revision(environment, out, headers, revision);
  }
}

void respond_mixed(ApiCall& call, const std::vector<AskedDocument>& all,
                   const std::vector<Result<std::vector<OpenRevision>>>& found) {
  Environment& environment = call.services().environment;
  MultipartWriter out(random_boundary(environment));
  auto next = found.begin();
  for (const AskedDocument& asked : all) {
    if (asked.item) {
      add_found(environment, out, asked, *next++);
    } else {
      add_bulk_get_error(out, asked, asked.rev.raw(), asked.item.error());
    }
  }
  HttpHeaders headers{{"Content-Type", out.type("mixed")}, {"Cache-Control", "must-revalidate"}};
  call.respond({.headers = std::move(headers), .body = std::move(out).finish()});
}

/// One member of the body of `_revs_diff`.
struct AskedRevisions {
  std::string id;
  std::vector<std::string> malformed;  ///< no revisions, so missing here for ever
  bool is_looked_up = false;           ///< it has an id and revisions that a document may have
};

Result<std::vector<std::string>> texts_of(const JsonView& list) {
  const Error bad{Errc::invalid_argument, "each id needs a list of revisions"};
  if (!list.is_array()) return bad;
  std::vector<std::string> texts;
  for (const JsonView& element : list.elements()) {
    auto text = element.as_string();
    if (!text) return bad;
    texts.push_back(*std::move(text));
  }
  return texts;
}

struct RevsDiff {
  std::vector<AskedRevisions> asked;
  std::vector<RevsDiffItem> items;  ///< of those that are looked up, in order
};

/// An id or revision that no document can have is missing, like any that is not there: the client
/// learns why when it sends that document, and the others are not held up. Empty lists are of
/// pseudo entries such as `_user/NAME`, which nobody can lack.
Result<RevsDiff> parse_revs_diff(const HttpRequest& request) {
  HG_TRY(const JsonView body, object_of_body(request));
  RevsDiff diff;
  for (const JsonView::Member& member : body.members()) {
    HG_TRY(std::vector<std::string> texts, texts_of(member.value));
    if (texts.empty()) continue;
    if (diff.asked.size() == kItemsMax) return Error{Errc::too_large, "too many documents"};
    AskedRevisions& asked = diff.asked.emplace_back();
    asked.id = member.name();
    const auto id = parse_doc_id(asked.id);
    std::vector<Revision> revs;
    for (std::string& text : texts) {
      auto rev = parse_revision(text);
      if (id && rev)
        revs.push_back(*std::move(rev));
      else
        asked.malformed.push_back(std::move(text));
    }
    asked.is_looked_up = !revs.empty();
    if (asked.is_looked_up) diff.items.push_back({*id, std::move(revs)});
  }
  return diff;
}

void write_difference(JsonWriter& out, const AskedRevisions& asked,
                      const RevisionTree::Difference& difference) {
  if (difference.missing.empty() && asked.malformed.empty()) return;
  out.key(asked.id).begin_object().key("missing").begin_array();
  for (const Revision& rev : difference.missing) out.string(to_string(rev));
  for (const std::string& rev : asked.malformed) out.string(rev);
  out.end_array();
  if (!difference.possible_ancestors.empty()) {
    out.key("possible_ancestors").begin_array();
    for (const Revision& rev : difference.possible_ancestors) out.string(to_string(rev));
    out.end_array();
  }
  out.end_object();
}

// One body: its parts are told apart by a boundary that none of them may hold.
Task<Result<void>> bulk_get_mixed(ApiCall& call, const std::vector<AskedDocument>& asked,
                                  bool latest, ShowOptions show) {
  std::vector<BulkGetItem> items;
  for (const AskedDocument& each : asked)
    if (each.item) items.push_back(*each.item);
  const auto found = co_await call.database().documents().bulk_get(call.reader, std::move(items),
                                                                   latest, std::move(show));
  // Whoever would take "missing" for an answer here would never come back for the document.
  for (const auto& result : found)
    if (!is_answerable(result)) co_return result.error();
  respond_mixed(call, asked, found);
  co_return Result<void>();
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

// What is asked for together may be more than fits into memory: it is read and sent piece by piece.
Task<Result<void>> bulk_get(ApiCall& call) {
  HG_CO_TRY(const std::vector<AskedDocument> asked, parse_bulk_get(call.request()));
  HG_CO_TRY(const ShowOptions show, show_options(call.query()));
  const bool latest = flag_parameter(call.query(), "latest");
  if (names_multipart(call.request().headers.find("Accept").value_or(""), "multipart/mixed"))
    co_return co_await bulk_get_mixed(call, asked, latest, show);
  BulkGetText results;
  std::size_t piece = kPieceItems;
  for (std::size_t done = 0; done < asked.size();) {
    const auto some = std::span(asked).subspan(done, std::min(piece, asked.size() - done));
    std::vector<BulkGetItem> items;
    for (const AskedDocument& each : some)
      if (each.item) items.push_back(*each.item);
    const auto found =
        co_await call.database().documents().bulk_get(call.reader, std::move(items), latest, show);
    HG_CO_TRY(const std::size_t added, add_results(some, found, results));
    if (added == 0) piece = some.size() / 2;
    done += added;
    if (results.text.size() < kPieceBytes) continue;
    if (!call.is_answered())
      call.begin_stream(
          {{"Content-Type", "application/json"}, {"Cache-Control", "must-revalidate"}});
    HG_CO_CHECK(co_await call.exchange().write(std::exchange(results.text, {})));
  }
  results.text += "]}";
  if (call.is_answered())
    call.exchange().end_stream(std::move(results.text));
  else
    call.respond_json(200, std::move(results.text));
  co_return Result<void>();
}

Task<Result<void>> revs_diff(ApiCall& call) {
  HG_CO_TRY(RevsDiff diff, parse_revs_diff(call.request()));
  HG_CO_TRY(const auto differences,
            co_await call.database().documents().revs_diff(std::move(diff.items)));
  JsonWriter out;
  out.begin_object();
  auto next = differences.begin();
  for (const AskedRevisions& asked : diff.asked)
    write_difference(out, asked, asked.is_looked_up ? *next++ : RevisionTree::Difference{});
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace headgate
