// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

// Steps over the parts of validated JSON text. On other text they stop at its end, no later.
namespace headgate::json_scan {

inline bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

inline std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

/// The high bit of the first byte that equals `byte`, and perhaps those of later ones.
inline std::uint64_t mark_bytes(std::uint64_t word, unsigned char byte) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const std::uint64_t differences = word ^ (kOnes * byte);
  return (differences - kOnes) & ~differences & (kOnes << 7);
}

/// `at` is behind the opening quote; returns the place behind the closing one.
inline std::size_t end_of_string(std::string_view text, std::size_t at) {
  if constexpr (std::endian::native == std::endian::little) {
    while (at + 8 <= text.size()) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, sizeof word);
      const std::uint64_t marks = mark_bytes(word, '"') | mark_bytes(word, '\\');
      at += static_cast<std::size_t>(std::countr_zero(marks)) / 8;
      if (marks == 0) continue;
      if (text[at] == '"') return at + 1;
      at += 2;
    }
  }
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at < text.size() ? at + 1 : text.size();
}

enum class Step : std::uint8_t { on, open, close, quote, separator };

inline constexpr auto kSteps = [] {
  std::array<Step, 256> steps{};
  for (const char c : {'{', '['}) steps[static_cast<unsigned char>(c)] = Step::open;
  for (const char c : {'}', ']'}) steps[static_cast<unsigned char>(c)] = Step::close;
  for (const char c : {' ', '\n', '\t', '\r', ',', ':'})
    steps[static_cast<unsigned char>(c)] = Step::separator;
  steps['"'] = Step::quote;
  return steps;
}();

inline Step step_at(std::string_view text, std::size_t at) {
  return kSteps[static_cast<unsigned char>(text[at])];
}

/// Of a number or one of the three words.
inline std::size_t end_of_scalar(std::string_view text, std::size_t at) {
  while (at < text.size() && step_at(text, at) == Step::on) ++at;
  return at;
}

}  // namespace headgate::json_scan
