// SPDX-License-Identifier: Apache-2.0
#include "document/utf8.hpp"

#include "document/json.hpp"

namespace headgate {

namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

bool is_continuation(std::string_view text, std::size_t at, unsigned min = 0x80,
                     unsigned max = 0xbf) {
  return at < text.size() && byte_at(text, at) >= min && byte_at(text, at) <= max;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const unsigned lead = byte_at(text, at);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (lead < 0xe0) return is_continuation(text, at + 1) ? 2 : 0;
  const unsigned min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (!is_continuation(text, at + 1, min, max) || !is_continuation(text, at + 2)) return 0;
  if (lead < 0xf0) return 3;
  return is_continuation(text, at + 3) ? 4 : 0;
}

bool is_valid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

}  // namespace headgate
