// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include "document/json.hpp"
#include "document/json_grammar.hpp"

namespace headgate {

namespace {

/// Longer texts go to the second pass at once: simdjson's tape would take ten times the text and
/// stay with the thread.
constexpr std::size_t kFastBytesMax = 256 * 1024;

/// Accepts only what is certainly valid; what it refuses may still be legal (long integers).
bool is_valid_at_first_sight(std::string_view text, const JsonLimits& limits) {
  thread_local simdjson::dom::parser parser(kFastBytesMax);
  thread_local std::size_t depth_max = 0;
  thread_local std::string padded;
  if (depth_max != limits.depth_max) {
    if (parser.allocate(kFastBytesMax, limits.depth_max) != simdjson::SUCCESS) return false;
    depth_max = limits.depth_max;
  }
  padded.reserve(kFastBytesMax + simdjson::SIMDJSON_PADDING);
  padded.assign(text);
  return parser.parse(padded.data(), padded.size(), false).error() == simdjson::SUCCESS;
}

}  // namespace

Result<void> validate_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max)
    return Error{Errc::too_large, fmt::format("JSON text of {} bytes, at most {} are allowed",
                                              text.size(), limits.bytes_max)};
  if (text.size() <= kFastBytesMax && is_valid_at_first_sight(text, limits)) return {};
  return check_json_grammar(text, limits);
}

}  // namespace headgate
