// SPDX-License-Identifier: Apache-2.0
// Bytes of a stranger as JSON text: both validating passes agree, views stay inside the text, and
// what passes comes back unharmed.
#include <simdjson.h>

#include <cstdint>
#include <string>

#include "base/assert.hpp"
#include "document/document_body.hpp"
#include "document/json_grammar.hpp"

namespace {

using headgate::JsonView;

std::size_t walk(const JsonView& view) {
  std::size_t count = 1;
  if (view.is_string()) HG_ASSERT(headgate::is_valid_utf8(*view.as_string()));
  if (view.is_number()) HG_ASSERT(view.as_double() || view.raw().size() > 4);
  for (const auto& element : view.elements()) count += walk(element);
  for (const auto& member : view.members()) {
    HG_ASSERT(headgate::is_valid_utf8(member.name()));
    count += walk(member.value);
  }
  return count;
}

void check_document(const JsonView& view) {
  const auto parsed = headgate::parse_document(view);
  if (!parsed) return;
  HG_ASSERT(headgate::validate_json(parsed->body));
  const std::string written = headgate::write_document(parsed->body, {.id = "x", .rev = "1-a"});
  const auto again = headgate::parse_document(written);
  HG_ASSERT(again && again->body == parsed->body);
}

/// Only numbers that simdjson does not know may pass where it refuses.
bool is_known_difference(const simdjson::padded_string& text) {
  static simdjson::dom::parser parser;
  const auto error = parser.parse(text).error();
  return error == simdjson::SUCCESS || error == simdjson::NUMBER_ERROR;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool is_valid = headgate::validate_json(text).has_value();
  HG_ASSERT(headgate::check_json_grammar(text, {}).has_value() == is_valid);
  if (!is_valid) return 0;
  HG_ASSERT(is_known_difference(simdjson::padded_string(text)));
  const JsonView view(text);
  walk(view);
  const std::string canonical = headgate::canonical_json(text);
  HG_ASSERT(headgate::validate_json(canonical));
  HG_ASSERT(headgate::canonical_json(canonical) == canonical);
  HG_ASSERT(walk(JsonView(canonical)) == walk(view));
  check_document(view);
  return 0;
}
