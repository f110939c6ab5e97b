// SPDX-License-Identifier: Apache-2.0
#include "sequence/sequence_id.hpp"

#include <fmt/format.h>

#include <charconv>
#include <vector>

namespace headgate {
namespace {

Error invalid(std::string_view text) {
  return Error{Errc::invalid_argument, fmt::format("Invalid sequence: {}", text.substr(0, 100))};
}

Result<Sequence> parse_number(std::string_view digits, std::string_view whole) {
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || failure != std::errc() || stop != end) return invalid(whole);
  return Sequence(value);
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

bool is_rest_before(const SequenceId& a, const SequenceId& b) {
  const SequenceId rest_a{Sequence(), a.trigger, a.sequence};
  const SequenceId rest_b{Sequence(), b.trigger, b.sequence};
  return rest_a.is_before(rest_b);
}

constexpr Sequence kAbsent;

}  // namespace

Result<SequenceId> SequenceId::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  if (text.empty()) return SequenceId{};
  const auto parts = split(text);
  if (parts.size() > 3) return invalid(text);
  SequenceId id;
  HG_TRY(id.sequence, parse_number(parts.back(), text));
  if (parts.size() == 2) {
    HG_TRY(id.trigger, parse_number(parts[0], text));
  } else if (parts.size() == 3) {
    HG_TRY(id.low, parse_number(parts[0], text));
    if (!parts[1].empty()) {
      HG_TRY(id.trigger, parse_number(parts[1], text));
    }
  }
  return id;
}

std::string SequenceId::print() const {
  if (is_in_backfill()) {
    if (low > kAbsent)
      return fmt::format("{}:{}:{}", low.value(), trigger.value(), sequence.value());
    return fmt::format("{}:{}", trigger.value(), sequence.value());
  }
  if (low > kAbsent && low < sequence) return fmt::format("{}::{}", low.value(), sequence.value());
  return fmt::format("{}", sequence.value());
}

Sequence SequenceId::safe() const {
  return low > kAbsent && low < sequence ? low : sequence;
}

bool SequenceId::is_before(const SequenceId& b) const {
  if (low != kAbsent) {
    if (low == b.low) return is_rest_before(*this, b);
    if (b.low != kAbsent) return low < b.low;
    return low < (b.trigger != kAbsent ? b.trigger : b.sequence);
  }
  if (trigger != kAbsent) {
    if (b.low != kAbsent) return trigger <= b.low;
    if (b.trigger != kAbsent)
      return trigger != b.trigger ? trigger < b.trigger : sequence < b.sequence;
    return trigger <= b.sequence;
  }
  if (b.low != kAbsent) return sequence <= b.low;
  return sequence < (b.trigger != kAbsent ? b.trigger : b.sequence);
}

}  // namespace headgate
