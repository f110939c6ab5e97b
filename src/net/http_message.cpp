// SPDX-License-Identifier: Apache-2.0
#include "net/http_message.hpp"

#include <algorithm>
#include <array>

#include "base/assert.hpp"

namespace headgate {
namespace {

constexpr std::array<std::string_view, 9> kMethodNames = {
    "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "COPY", "PATCH", "OTHER"};

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// A tab is allowed in values; whatever else is below a space would end or break the field.
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

}  // namespace

std::string_view to_string(HttpMethod method) {
  return kMethodNames[static_cast<std::size_t>(method)];
}

HttpMethod parse_method(std::string_view name) {
  const auto found = std::find(kMethodNames.begin(), kMethodNames.end() - 1, name);
  return static_cast<HttpMethod>(found - kMethodNames.begin());
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return to_lower(x) == to_lower(y);
         });
}

HttpHeaders::HttpHeaders(std::initializer_list<Field> fields) {
  for (const Field& field : fields) add(field.first, field.second);
}

HttpHeaders& HttpHeaders::add(std::string_view name, std::string_view value) {
  HG_ASSERT(!name.empty());
  if (entries_.empty()) {
    entries_.reserve(8);
    text_.reserve(240);
  }
  entries_.push_back({static_cast<std::uint32_t>(text_.size()),
                      static_cast<std::uint32_t>(name.size()),
                      static_cast<std::uint32_t>(value.size())});
  text_.append(name).append(": ").append(value);
  const auto value_begin = text_.end() - static_cast<std::ptrdiff_t>(value.size());
  std::replace_if(value_begin, text_.end(), is_control, ' ');
  text_.append("\r\n");
  return *this;
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Field field = (*this)[i];
    if (equals_ignoring_case(field.first, name)) return field.second;
  }
  return std::nullopt;
}

HttpHeaders::Field HttpHeaders::operator[](std::size_t i) const {
  const Entry& entry = entries_[i];
  const auto text = std::string_view(text_).substr(entry.begin);
  return {text.substr(0, entry.name_length),
          text.substr(entry.name_length + 2, entry.value_length)};
}

}  // namespace headgate
