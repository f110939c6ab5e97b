// SPDX-License-Identifier: Apache-2.0
#include "document/json_grammar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include "document/json_scan.hpp"
#include "document/utf8.hpp"

namespace headgate {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Decimal exponent of a number that follows the grammar and is not 0, as in 0.DDD * 10^exponent.
std::int64_t decimal_exponent(std::string_view number) {
  constexpr std::int64_t kHuge = 1 << 30;
  if (number.front() == '-') number.remove_prefix(1);
  const std::size_t mark = std::min(number.find_first_of("eE"), number.size());
  const std::string_view mantissa = number.substr(0, mark);
  const auto point = static_cast<std::int64_t>(std::min(mantissa.find('.'), mantissa.size()));
  const auto first = static_cast<std::int64_t>(mantissa.find_first_not_of("0."));
  const std::int64_t exponent = first < point ? point - first : point + 1 - first;
  if (mark == number.size()) return exponent;
  const bool is_negative = number[mark + 1] == '-';
  const std::size_t digits = is_digit(number[mark + 1]) ? mark + 1 : mark + 2;
  std::int64_t scale = 0;
  const auto read = std::from_chars(number.data() + digits, number.data() + number.size(), scale);
  if (read.ec != std::errc() || scale > kHuge) scale = kHuge;
  return is_negative ? exponent - scale : exponent + scale;
}

/// A double cannot hold the number; what is too small for one reads as 0 and is legal.
bool overflows_double(std::string_view number) {
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  return read.ec == std::errc::result_out_of_range && decimal_exponent(number) > 0;
}

/// Each step returns false and leaves the reason when the text is wrong at at_.
class Reader {
 public:
  Reader(std::string_view text, std::size_t depth_max) : text_(text), depth_max_(depth_max) {}

  Result<void> run() {
    if (read_text()) return {};
    return Error{Errc::invalid_argument,
                 fmt::format("invalid JSON at byte {}: {}", std::min(at_, text_.size()), reason_)};
  }

 private:
  bool fail(std::string_view reason) {
    reason_ = reason;
    return false;
  }
  void skip_space() { at_ = json_scan::skip_space(text_, at_); }
  /// NUL at the end: no rule of the grammar takes it.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool read_text() {
    do {
      if (!read_value() || !leave_containers()) return false;
    } while (!is_in_object_.empty());
    skip_space();
    return at_ == text_.size() || fail("trailing text");
  }

  /// A scalar, an empty container up to its closing bracket, or openings down to one of these.
  bool read_value() {
    for (;;) {
      skip_space();
      const char opening = peek();
      if (opening != '{' && opening != '[') return read_scalar();
      if (is_in_object_.size() == depth_max_) return fail("nested too deeply");
      ++at_;
      is_in_object_.push_back(opening == '{');
      skip_space();
      if (peek() == closing()) return true;
      if (is_in_object_.back() && !read_name()) return false;
    }
  }

  char closing() const { return is_in_object_.back() ? '}' : ']'; }

  /// Steps over closing brackets up to the next value, or to the end of the outermost container.
  bool leave_containers() {
    while (!is_in_object_.empty()) {
      skip_space();
      if (take(closing())) {
        is_in_object_.pop_back();
      } else if (take(',')) {
        return !is_in_object_.back() || read_name();
      } else {
        return fail(is_in_object_.back() ? "expected , or }" : "expected , or ]");
      }
    }
    return true;
  }

  bool read_name() {
    skip_space();
    if (peek() != '"') return fail("expected the name of a member");
    if (!read_string()) return false;
    skip_space();
    return take(':') || fail("expected :");
  }

  bool read_scalar() {
    switch (peek()) {
      case '"':
        return read_string();
      case 't':
        return read_word("true");
      case 'f':
        return read_word("false");
      case 'n':
        return read_word("null");
      default:
        return read_number();
    }
  }

  bool read_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return fail("expected a value");
    at_ += word.size();
    return true;
  }

  bool read_digits() {
    if (!is_digit(peek())) return fail("expected a digit");
    while (is_digit(peek())) ++at_;
    return true;
  }

  bool read_number() {
    const std::size_t begin = at_;
    const bool is_negative = take('-');
    if (!is_digit(peek())) return fail(is_negative ? "expected a digit" : "expected a value");
    if (!take('0') && !read_digits()) return false;
    if (take('.') && !read_digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!read_digits()) return false;
    }
    if (!overflows_double(text_.substr(begin, at_ - begin))) return true;
    at_ = begin;
    return fail("the number is too great");
  }

  bool read_string() {
    ++at_;
    while (!take('"')) {
      if (at_ >= text_.size()) return fail("unfinished string");
      const char c = text_[at_];
      if (c == '\\') {
        if (!read_escape()) return false;
        continue;
      }
      const std::size_t length = utf8_length(text_, at_);
      if (length == 0) return fail("invalid UTF-8");
      if (static_cast<unsigned char>(c) < 0x20) return fail("control character in a string");
      at_ += length;
    }
    return true;
  }

  bool read_escape() {
    const std::size_t begin = at_++;
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    if (take('u')) return read_unicode(begin);
    if (at_ >= text_.size() || kLetters.find(text_[at_]) == std::string_view::npos)
      return fail("unknown escape");
    ++at_;
    return true;
  }

  bool read_unicode(std::size_t begin) {
    unsigned high = 0, low = 0;
    if (!read_hex(high)) return false;
    if (high < 0xd800 || high > 0xdfff) return true;
    const bool is_pair =
        high < 0xdc00 && take('\\') && take('u') && read_hex(low) && low >= 0xdc00 && low <= 0xdfff;
    if (is_pair) return true;
    at_ = begin;
    return fail("lone surrogate");
  }

  bool read_hex(unsigned& value) {
    const std::string_view digits = text_.substr(at_, 4);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() < 4 || read.ptr != digits.data() + 4) return fail("expected four hex digits");
    at_ += 4;
    return true;
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;
  std::vector<bool> is_in_object_;  ///< the open containers
  std::string_view reason_;
};

}  // namespace

Result<void> check_json_grammar(std::string_view text, const JsonLimits& limits) {
  return Reader(text, limits.depth_max).run();
}

}  // namespace headgate
