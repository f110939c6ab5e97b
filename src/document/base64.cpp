// SPDX-License-Identifier: Apache-2.0
#include "document/base64.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace headgate {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kBad = 0xff;

constexpr auto kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kBad);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

std::uint32_t value_at(std::string_view text, std::size_t i) {
  return kValues[static_cast<unsigned char>(text[i])];
}

char digit(std::uint32_t group, int shift) {
  return kAlphabet[group >> shift & 63];
}

Error bad_base64(std::size_t offset) {
  return {Errc::invalid_argument, fmt::format("invalid base64 at byte {}", offset)};
}

std::size_t first_bad(std::string_view text, std::size_t from) {
  while (from < text.size() && value_at(text, from) != kBad) ++from;
  return from;
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t group =
        byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
    const char digits[] = {digit(group, 18), digit(group, 12), digit(group, 6), digit(group, 0)};
    text.append(digits, 4);
  }
  if (bytes.size() - i == 1) {
    const std::uint32_t group = byte_at(bytes, i) << 16;
    const char digits[] = {digit(group, 18), digit(group, 12), '=', '='};
    text.append(digits, 4);
  } else if (bytes.size() - i == 2) {
    const std::uint32_t group = byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8;
    const char digits[] = {digit(group, 18), digit(group, 12), digit(group, 6), '='};
    text.append(digits, 4);
  }
  return text;
}

Result<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return bad_base64(text.size());
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::size_t digits = text.size() - padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::size_t i = 0;
  for (; i + 4 <= digits; i += 4) {
    const std::uint32_t a = value_at(text, i), b = value_at(text, i + 1);
    const std::uint32_t c = value_at(text, i + 2), d = value_at(text, i + 3);
    if ((a | b | c | d) > 63) return bad_base64(first_bad(text, i));
    const std::uint32_t group = a << 18 | b << 12 | c << 6 | d;
    const char out[] = {static_cast<char>(group >> 16), static_cast<char>(group >> 8),
                        static_cast<char>(group)};
    bytes.append(out, 3);
  }
  if (padding == 0) return bytes;
  std::uint32_t group = 0;
  for (std::size_t at = i; at < digits; ++at) {
    if (value_at(text, at) == kBad) return bad_base64(at);
    group = group << 6 | value_at(text, at);
  }
  const std::uint32_t unused_bits = padding == 1 ? 2 : 4;
  if ((group & ((1u << unused_bits) - 1)) != 0) return bad_base64(digits - 1);
  group >>= unused_bits;
  if (padding == 1) bytes.push_back(static_cast<char>(group >> 8));
  bytes.push_back(static_cast<char>(group));
  return bytes;
}

}  // namespace headgate
