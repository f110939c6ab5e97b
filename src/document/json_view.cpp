// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "document/json.hpp"
#include "document/json_scan.hpp"

namespace headgate {

using namespace json_scan;

namespace {

/// `at` is behind the opening bracket; returns the place behind its partner.
std::size_t end_of_container(std::string_view text, std::size_t at) {
  std::size_t depth = 1;
  while (at < text.size()) {
    const Step step = step_at(text, at++);
    if (step == Step::quote) at = end_of_string(text, at);
    if (step == Step::open) ++depth;
    if (step == Step::close && --depth == 0) return at;
  }
  return text.size();
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (at >= text.size()) return text.size();
  if (text[at] == '"') return end_of_string(text, at + 1);
  if (text[at] == '{' || text[at] == '[') return end_of_container(text, at + 1);
  return end_of_scalar(text, at);
}

unsigned hex_value(std::string_view digits) {
  unsigned value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

void append_utf8(std::string& out, unsigned point) {
  const auto add = [&out](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      add(0xe0 | point >> 12);
    } else {
      add(0xf0 | point >> 18);
      add(0x80 | (point >> 12 & 63));
    }
    add(0x80 | (point >> 6 & 63));
  }
  add(0x80 | (point & 63));
}

/// `at` is at the first of four hex digits; returns the place behind what it used.
std::size_t decode_unicode(std::string_view text, std::size_t at, std::string& out) {
  unsigned point = hex_value(text.substr(at, 4));
  at += 4;
  if (point >= 0xd800 && point < 0xdc00 && at + 6 <= text.size()) {
    point = 0x10000 + ((point - 0xd800) << 10) + (hex_value(text.substr(at + 2, 4)) - 0xdc00);
    at += 6;
  }
  append_utf8(out, point);
  return at;
}

char decode_escape(char letter) {
  switch (letter) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return letter;
  }
}

/// `text` is between the quotes.
std::string decode_string(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t escape = std::min(text.find('\\', at), text.size());
    out.append(text.substr(at, escape - at));
    if (escape + 1 >= text.size()) break;
    at = escape + 2;
    if (text[escape + 1] == 'u' && at + 4 <= text.size()) {
      at = decode_unicode(text, at, out);
    } else {
      out.push_back(decode_escape(text[escape + 1]));
    }
  }
  return out;
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

JsonView::JsonView(std::string_view valid_text) {
  const std::size_t begin = skip_space(valid_text, 0);
  std::size_t end = valid_text.size();
  while (end > begin && is_space(valid_text[end - 1])) --end;
  if (begin < end) raw_ = valid_text.substr(begin, end - begin);
}

JsonKind JsonView::kind() const {
  switch (raw_.front()) {
    case '{':
      return JsonKind::object;
    case '[':
      return JsonKind::array;
    case '"':
      return JsonKind::string;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case 'n':
      return JsonKind::null;
    default:
      return JsonKind::number;
  }
}

std::optional<bool> JsonView::as_bool() const {
  if (kind() != JsonKind::boolean) return std::nullopt;
  return raw_.front() == 't';
}

std::optional<std::int64_t> JsonView::as_int64() const {
  return is_number() ? to_number<std::int64_t>(raw_) : std::nullopt;
}

std::optional<std::uint64_t> JsonView::as_uint64() const {
  return is_number() ? to_number<std::uint64_t>(raw_) : std::nullopt;
}

std::optional<double> JsonView::as_double() const {
  return is_number() ? to_number<double>(raw_) : std::nullopt;
}

std::optional<std::string> JsonView::as_string() const {
  if (!is_string()) return std::nullopt;
  return decode_string(raw_.substr(1, raw_.size() - 2));
}

JsonView::Range<JsonView::MemberIterator> JsonView::members() const {
  if (!is_object()) return {};
  return {MemberIterator(raw_.substr(1))};
}

JsonView::Range<JsonView::ElementIterator> JsonView::elements() const {
  if (!is_array()) return {};
  return {ElementIterator(raw_.substr(1))};
}

std::optional<JsonView> JsonView::find(std::string_view name) const {
  for (const Member& member : members()) {
    if (member.is_named(name)) return member.value;
  }
  return std::nullopt;
}

bool JsonView::Member::is_named(std::string_view name) const {
  const std::string_view inner = raw_name.substr(1, raw_name.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return inner == name;
  return decode_string(inner) == name;
}

JsonView::MemberIterator::MemberIterator(std::string_view rest) : rest_(rest), is_end_(false) {
  read();
}

void JsonView::MemberIterator::read() {
  const std::size_t name = skip_space(rest_, 0);
  if (name >= rest_.size() || rest_[name] != '"') {
    is_end_ = true;
    return;
  }
  const std::size_t name_end = end_of_string(rest_, name + 1);
  const std::size_t colon = skip_space(rest_, name_end);
  const std::size_t value = skip_space(rest_, colon + 1);
  const std::size_t end = end_of_value(rest_, value);
  member_.raw_name = rest_.substr(name, name_end - name);
  member_.value = JsonView(rest_.substr(std::min(value, rest_.size()), end - value));
  member_.raw = rest_.substr(name, end - name);
  rest_.remove_prefix(end);
}

JsonView::MemberIterator& JsonView::MemberIterator::operator++() {
  const std::size_t comma = skip_space(rest_, 0);
  is_end_ = comma >= rest_.size() || rest_[comma] != ',';
  if (is_end_) return *this;
  rest_.remove_prefix(comma + 1);
  read();
  return *this;
}

JsonView::ElementIterator::ElementIterator(std::string_view rest) : rest_(rest), is_end_(false) {
  read();
}

void JsonView::ElementIterator::read() {
  const std::size_t value = skip_space(rest_, 0);
  if (value >= rest_.size() || rest_[value] == ']') {
    is_end_ = true;
    return;
  }
  const std::size_t end = end_of_value(rest_, value);
  element_ = JsonView(rest_.substr(value, end - value));
  rest_.remove_prefix(end);
}

JsonView::ElementIterator& JsonView::ElementIterator::operator++() {
  const std::size_t comma = skip_space(rest_, 0);
  is_end_ = comma >= rest_.size() || rest_[comma] != ',';
  if (is_end_) return *this;
  rest_.remove_prefix(comma + 1);
  read();
  return *this;
}

}  // namespace headgate
