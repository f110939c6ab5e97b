// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/json.hpp"
#include "document/revision.hpp"
#include "net/http_message.hpp"

// Reading of query parameters and bodies. All errors are invalid_argument with a text for the
// client that names the parameter.
namespace headgate {

/// Only the text `true` is true.
bool flag_parameter(const QueryParameters& query, std::string_view name);
/// None if absent; decimal digits only.
Result<std::optional<std::uint64_t>> number_parameter(const QueryParameters& query,
                                                      std::string_view name);
/// The same for text from elsewhere.
Result<std::uint64_t> parse_number(std::string_view text, std::string_view name);
/// None if absent or empty.
Result<std::optional<Revision>> revision_parameter(const QueryParameters& query,
                                                   std::string_view name);
/// A list of revisions as JSON (`atts_since`, `open_revs`).
Result<std::vector<Revision>> parse_revisions(const JsonView& list, std::string_view name);
/// A parameter whose value is JSON; none if absent. The view reads the parameter's text.
Result<std::optional<JsonView>> json_parameter(const QueryParameters& query, std::string_view name);
/// The same for one that must be a string, with its quotes (`startkey`).
Result<std::optional<std::string>> text_parameter(const QueryParameters& query,
                                                  std::string_view name);

/// The body, validated, which must be a JSON object. The view reads the request's body.
/// Errors: also too_large.
Result<JsonView> object_of_body(const HttpRequest& request);

/// Whether a list of entity tags, as If-None-Match has it, names `tag`, strong or weak; `*` names
/// all.
bool names_entity(std::string_view list, std::string_view tag);

/// Revision named by `?rev=`, If-Match and the body, which must agree; none if by none.
Result<std::optional<Revision>> parent_revision(const HttpRequest& request,
                                                const std::optional<Revision>& in_body);

}  // namespace headgate
