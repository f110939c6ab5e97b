// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/uri.hpp"

namespace headgate {

/// Bytes serialised once and sent to many.
using SharedBytes = std::shared_ptr<const std::string>;

enum class HttpMethod : unsigned char { get, head, put, post, del, options, copy, patch, other };

/// The name as sent (`DELETE`); "OTHER" for other.
std::string_view to_string(HttpMethod method);
/// Names are case-sensitive, as HTTP has them; unknown ones are HttpMethod::other.
HttpMethod parse_method(std::string_view name);
/// "Not Found" for 404; "Unknown" for what HTTP does not name.
std::string_view reason_phrase(int status);
/// HTTP compares names of header fields without regard to (ASCII) case.
bool equals_ignoring_case(std::string_view a, std::string_view b);

/// Header fields in their order, kept as one text in wire form: two allocations in all.
class HttpHeaders {
 public:
  using Field = std::pair<std::string_view, std::string_view>;

  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Field> fields);

  /// Adds a field beside those of the same name. Control characters in the value become spaces, so
  /// no value can begin a field of its own. REQUIRES: `name` is a token.
  HttpHeaders& add(std::string_view name, std::string_view value);

  /// The first field of that name. Views live until the next add() or the end of this object.
  std::optional<std::string_view> find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).has_value(); }
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  /// REQUIRES: i < size().
  Field operator[](std::size_t i) const;
  /// "Name: value\r\n" of every field.
  const std::string& wire_text() const { return text_; }

 private:
  struct Entry {
    std::uint32_t begin;
    std::uint32_t name_length;
    std::uint32_t value_length;
  };
  std::string text_;
  std::vector<Entry> entries_;
};

/// A request as received, decoded once. All parts are its own: it may be moved and kept.
struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  /// As sent: "/db/a%2Fb?rev=1-x". Absolute form is cut to path and query.
  std::string target;
  /// Decoded segments of the path, see parse_path(): {"db", "a/b"}.
  std::vector<std::string> path;
  QueryParameters query;
  HttpHeaders headers;
  /// Whole, chunks joined; 64 bytes of capacity are left behind its end for parsers that read
  /// beyond. Empty while HttpHandler::body_limit() is asked.
  std::string body;
  /// The peer's address without its port: "127.0.0.1", "::1".
  std::string remote_address;
  bool is_loopback = false;
  bool is_tls = false;  ///< this server itself encrypts the connection
};

/// An answer of known length. Content-Length and Connection are added when it is written; a body
/// is left out when the request was HEAD or the status forbids one.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers = {};
  std::string body = {};
  /// If set, sent in place of `body`.
  SharedBytes shared_body = {};
};

}  // namespace headgate
