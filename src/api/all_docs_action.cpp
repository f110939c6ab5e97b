// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "api/actions.hpp"
#include "api/document_request.hpp"
#include "api/parameters.hpp"
#include "api/update_sequence.hpp"

namespace headgate {

namespace {

constexpr std::size_t kKeysMax = 100'000;

/// Text that is gathered before it is sent.
constexpr std::size_t kChunkBytes = 64 * 1024;

Result<std::vector<std::string>> parse_keys(const JsonView& list) {
  const Error bad{Errc::invalid_argument, "keys: must be a list of strings"};
  if (!list.is_array()) return bad;
  std::vector<std::string> keys;
  for (const JsonView& element : list.elements()) {
    auto key = element.as_string();
    if (!key) return bad;
    if (keys.size() == kKeysMax) return Error{Errc::too_large, "keys: too many"};
    keys.push_back(*std::move(key));
  }
  return keys;
}

Result<std::optional<std::string>> text_of_either(const QueryParameters& query,
                                                  std::string_view name, std::string_view other) {
  return text_parameter(query, query.find(name) != nullptr ? name : other);
}

Result<void> read_range(const QueryParameters& query, AllDocsQuery& wanted) {
  HG_TRY(wanted.start_key, text_of_either(query, "startkey", "start_key"));
  HG_TRY(wanted.end_key, text_of_either(query, "endkey", "end_key"));
  HG_TRY(const auto key, text_parameter(query, "key"));
  if (key) wanted.start_key = wanted.end_key = key;
  const std::string* inclusive_end = query.find("inclusive_end");
  wanted.has_inclusive_end = inclusive_end == nullptr || *inclusive_end != "false";
  wanted.is_descending = flag_parameter(query, "descending");
  return {};
}

Result<void> read_keys(const QueryParameters& query, const JsonView& body, AllDocsQuery& wanted) {
  HG_TRY(auto keys, json_parameter(query, "keys"));
  if (!keys) keys = body.find("keys");
  if (!keys || keys->is_null()) return {};
  HG_TRY(wanted.keys, parse_keys(*keys));
  return {};
}

/// The body of POST has the same parameters as members; the query's win, being the first. Where a
/// parameter is JSON, a member is that; a flag or number may come as a string, too.
QueryParameters with_members(QueryParameters query, const JsonView& body) {
  constexpr std::string_view kTexts[] = {"startkey", "start_key", "endkey", "end_key", "key"};
  for (const JsonView::Member& member : body.members()) {
    const std::string name = member.name();
    if (name == "keys" || member.value.is_null()) continue;
    const bool is_json = std::ranges::find(kTexts, name) != std::end(kTexts);
    const auto text = is_json ? std::nullopt : member.value.as_string();
    query.add(name, text.value_or(std::string(member.value.raw())));
  }
  return query;
}

struct Wanted {
  AllDocsQuery query;
  bool has_update_sequence = false;
};

Result<Wanted> parse_all_docs(const HttpRequest& request) {
  JsonView body("{}");
  if (request.method == HttpMethod::post && !request.body.empty()) {
    HG_TRY(body, object_of_body(request));
  }
  const QueryParameters parameters = with_members(request.query, body);
  Wanted asked;
  asked.has_update_sequence = flag_parameter(parameters, "update_seq");
  AllDocsQuery& wanted = asked.query;
  HG_CHECK(read_range(parameters, wanted));
  HG_CHECK(read_keys(request.query, body, wanted));
  HG_TRY(const auto limit, number_parameter(parameters, "limit"));
  if (limit) wanted.limit = *limit;
  HG_TRY(const auto skip, number_parameter(parameters, "skip"));
  wanted.skip = skip.value_or(0);
  wanted.include_docs = flag_parameter(parameters, "include_docs");
  wanted.with_channels = flag_parameter(parameters, "channels");
  HG_TRY(wanted.show, show_options(parameters));
  return asked;
}

void write_channels(JsonWriter& out, const std::vector<std::string>& channels) {
  out.key("channels").begin_array();
  for (const std::string& channel : channels) out.string(channel);
  out.end_array();
}

void write_row(JsonWriter& out, const AllDocsRow& row, bool has_docs, bool has_channels) {
  out.begin_object().key("key").string(row.key);
  if (row.error) {
    const ApiError error = api_error({*row.error, {}});
    out.key("status").number(std::int64_t{error.status}).key("error").string(error.token);
  } else {
    out.key("id").string(row.key).key("value").begin_object();
    out.key("rev").string(to_string(row.rev));
    if (row.is_deleted) out.key("deleted").boolean(true);
    if (has_channels) write_channels(out, row.channels);
    out.end_object();
    if (has_docs) out.key("doc").raw(row.json ? std::string_view(*row.json) : "null");
  }
  out.end_object();
}

std::string number_or_null(const std::optional<std::uint64_t>& number) {
  return number ? std::to_string(*number) : "null";
}

}  // namespace

Task<Result<void>> all_docs(ApiCall& call) {
  HG_CO_TRY(Wanted wanted, parse_all_docs(call.request()));
  const bool has_docs = wanted.query.include_docs;
  const bool has_channels = wanted.query.with_channels;
  // Read before the documents: a feed from there on misses nothing that is not in the list.
  const std::string sequence = update_sequence(call.database());
  AllDocsCursor cursor = call.database().all_docs(call.reader, std::move(wanted.query));
  // The first page decides whether this is a list or an error.
  HG_CO_TRY(std::vector<AllDocsRow> rows, co_await cursor.next());
  call.begin_stream({{"Content-Type", "application/json"}, {"Cache-Control", "must-revalidate"}});
  std::string text = "{\"offset\":" + number_or_null(cursor.offset());
  if (wanted.has_update_sequence) text += ",\"update_seq\":\"" + sequence + '"';
  text += ",\"rows\":[";
  bool has_rows = false;
  while (!rows.empty()) {
    for (const AllDocsRow& row : rows) {
      JsonWriter out;
      write_row(out, row, has_docs, has_channels);
      text += std::exchange(has_rows, true) ? ",\n" : "\n";
      text += out.text();
      if (text.size() < kChunkBytes) continue;
      HG_CO_CHECK(co_await call.exchange().write(std::exchange(text, {})));
    }
    HG_CO_TRY(rows, co_await cursor.next());
  }
  text += "\n],\"total_rows\":" + number_or_null(cursor.total()) + "}\n";
  call.exchange().end_stream(std::move(text));
  co_return Result<void>();
}

}  // namespace headgate
