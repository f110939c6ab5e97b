// SPDX-License-Identifier: Apache-2.0
#include "api/parameters.hpp"

#include <fmt/format.h>

#include <charconv>

namespace headgate {

namespace {

Error bad(std::string_view name, std::string_view what) {
  return {Errc::invalid_argument, fmt::format("{}: {}", name, what)};
}

/// An entity tag as it stands in If-Match, or the revision without quotes.
std::string_view without_quotes(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

Result<void> join(std::optional<Revision>& into, const std::optional<Revision>& other) {
  if (!other) return {};
  if (into && *into != *other)
    return Error{Errc::invalid_argument, "Document revisions of the request disagree"};
  into = other;
  return {};
}

}  // namespace

bool flag_parameter(const QueryParameters& query, std::string_view name) {
  const std::string* value = query.find(name);
  return value != nullptr && *value == "true";
}

Result<std::uint64_t> parse_number(std::string_view text, std::string_view name) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || rest != end)
    return bad(name, "must be a whole number, not negative");
  return number;
}

Result<std::optional<std::uint64_t>> number_parameter(const QueryParameters& query,
                                                      std::string_view name) {
  const std::string* value = query.find(name);
  if (value == nullptr) return std::optional<std::uint64_t>();
  HG_TRY(const std::uint64_t number, parse_number(*value, name));
  return std::optional(number);
}

Result<std::optional<Revision>> revision_parameter(const QueryParameters& query,
                                                   std::string_view name) {
  const std::string* value = query.find(name);
  if (value == nullptr || value->empty()) return std::optional<Revision>();
  HG_TRY(Revision rev, parse_revision(*value));
  return std::optional(std::move(rev));
}

Result<std::vector<Revision>> parse_revisions(const JsonView& list, std::string_view name) {
  if (!list.is_array()) return bad(name, "must be a list of revisions");
  std::vector<Revision> revs;
  for (const JsonView& element : list.elements()) {
    const auto text = element.as_string();
    if (!text) return bad(name, "must be a list of revisions");
    HG_TRY(Revision rev, parse_revision(*text));
    revs.push_back(std::move(rev));
  }
  return revs;
}

Result<std::optional<JsonView>> json_parameter(const QueryParameters& query,
                                               std::string_view name) {
  const std::string* value = query.find(name);
  if (value == nullptr) return std::optional<JsonView>();
  if (auto valid = validate_json(*value); !valid)
    return bad(name, fmt::format("must be JSON: {}", valid.error().context));
  return std::optional(JsonView(*value));
}

Result<std::optional<std::string>> text_parameter(const QueryParameters& query,
                                                  std::string_view name) {
  HG_TRY(const std::optional<JsonView> value, json_parameter(query, name));
  if (!value) return std::optional<std::string>();
  auto text = value->as_string();
  if (!text) return bad(name, "must be a string in quotes");
  return text;
}

Result<JsonView> object_of_body(const HttpRequest& request) {
  HG_CHECK(validate_json(request.body));
  const JsonView body(request.body);
  if (!body.is_object())
    return Error{Errc::invalid_argument, "The request body must be a JSON object"};
  return body;
}

bool names_entity(std::string_view list, std::string_view tag) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    one.remove_prefix(std::min(one.find_first_not_of(" \t"), one.size()));
    one = one.substr(0, one.find_last_not_of(" \t") + 1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == "*" || one == tag) return true;
  }
  return false;
}

Result<std::optional<Revision>> parent_revision(const HttpRequest& request,
                                                const std::optional<Revision>& in_body) {
  std::optional<Revision> parent = in_body;
  HG_TRY(const std::optional<Revision> in_query, revision_parameter(request.query, "rev"));
  HG_CHECK(join(parent, in_query));
  if (const auto tag = request.headers.find("If-Match")) {
    HG_TRY(Revision rev, parse_revision(without_quotes(*tag)));
    HG_CHECK(join(parent, rev));
  }
  return parent;
}

}  // namespace headgate
