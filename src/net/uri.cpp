// SPDX-License-Identifier: Apache-2.0
#include "net/uri.hpp"

#include <algorithm>

namespace headgate {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

enum class Plus : unsigned char { stays, is_space };

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

// Calls `take` for each part of `text` between separators; stops when it returns false.
template <class Take>
bool split(std::string_view text, char separator, Take take) {
  for (;;) {
    const std::size_t end = text.find(separator);
    if (!take(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  return decode(text, Plus::stays);
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

void QueryParameters::add(std::string name, std::string value) {
  parameters_.emplace_back(std::move(name), std::move(value));
}

const std::string* QueryParameters::find(std::string_view name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                  [name](const Parameter& p) { return p.first == name; });
  return found == parameters_.end() ? nullptr : &found->second;
}

std::optional<QueryParameters> parse_query(std::string_view query) {
  QueryParameters parameters;
  const bool is_valid = split(query, '&', [&parameters](std::string_view part) {
    if (part.empty()) return true;
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = decode(part.substr(0, equals), Plus::is_space);
    auto value = decode(part.substr(std::min(equals + 1, part.size())), Plus::is_space);
    if (!name || !value) return false;
    parameters.add(std::move(*name), std::move(*value));
    return true;
  });
  if (!is_valid) return std::nullopt;
  return parameters;
}

std::optional<std::vector<std::string>> parse_path(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  std::vector<std::string> segments;
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return segments;
  segments.reserve(static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) + 1);
  const bool is_valid = split(path, '/', [&segments](std::string_view part) {
    auto segment = percent_decode(part);
    if (segment) segments.push_back(std::move(*segment));
    return segment.has_value();
  });
  if (!is_valid) return std::nullopt;
  return segments;
}

}  // namespace headgate
