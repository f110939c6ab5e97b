// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "document/document_body.hpp"

namespace headgate {

namespace {

using std::chrono::days;
using std::chrono::seconds;

/// Smaller numbers of seconds count from now.
constexpr double kRelativeMax = 30 * 24 * 3600;
constexpr double kSecondsMax = 0xffffffff;

const Error& bad_expiry() {
  static const Error kError{Errc::invalid_argument, "Invalid _exp"};
  return kError;
}

Result<std::optional<WallTime>> from_seconds(double value, WallTime now) {
  if (!(value >= 0) || value > kSecondsMax) return bad_expiry();
  const seconds whole(static_cast<std::int64_t>(value));
  if (whole.count() == 0) return std::optional<WallTime>();
  if (value >= kRelativeMax) return std::optional<WallTime>(WallTime(whole));
  const auto start = std::chrono::floor<seconds>(now.time_since_epoch());
  if (static_cast<double>((start + whole).count()) > kSecondsMax) return bad_expiry();
  return std::optional<WallTime>(WallTime(start + whole));
}

/// Takes exactly `width` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<seconds> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || !take(text, "Tt ")) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch();
}

std::optional<seconds> take_time(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ":")) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ":")) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  if (take(text, ".")) {
    if (!take(text, "0123456789")) return std::nullopt;
    while (take(text, "0123456789")) {
    }
  }
  return seconds(*hour * 3600 + *minute * 60 + *second);
}

std::optional<seconds> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return seconds(0);
  const bool is_west = text.starts_with('-');
  if (!take(text, "+-")) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ":")) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const seconds offset(*hours * 3600 + *minutes * 60);
  return is_west ? -offset : offset;
}

Result<std::optional<WallTime>> from_date(std::string_view text) {
  const auto date = take_date(text);
  if (!date) return bad_expiry();
  const auto time = take_time(text);
  if (!time) return bad_expiry();
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return bad_expiry();
  const seconds unix_time = *date + *time - *offset;
  if (unix_time.count() <= 0 || static_cast<double>(unix_time.count()) > kSecondsMax)
    return bad_expiry();
  return std::optional<WallTime>(WallTime(unix_time));
}

}  // namespace

Result<std::optional<WallTime>> parse_expiry(const JsonView& value, WallTime now) {
  if (value.is_null()) return std::optional<WallTime>();
  if (const auto number = value.as_double()) return from_seconds(*number, now);
  const auto text = value.as_string();
  if (!text) return bad_expiry();
  double number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool is_number = error == std::errc() && end == text->data() + text->size();
  if (is_number) return from_seconds(number, now);
  return from_date(*text);
}

std::string to_rfc3339(WallTime time) {
  const auto whole = std::chrono::floor<seconds>(time);
  const auto day = std::chrono::floor<days>(whole);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(whole - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace headgate
