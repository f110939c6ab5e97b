// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/http_message.hpp"

// Bodies of several parts (RFC 2046, 5.1).
namespace headgate {

/// A parameter of a header's value: `boundary` of `multipart/mixed; boundary="x"`, without quotes;
/// "" if it is absent.
std::string header_parameter(std::string_view value, std::string_view name);

/// Whether a list of media types, as Accept has it, names this one or, with a star, all of
/// `multipart`, and does not refuse it with `q=0`; `*/*` names none.
bool names_multipart(std::string_view accept, std::string_view type);

struct BodyPart {
  HttpHeaders headers;
  std::string_view body;  ///< inside the whole
};
/// Takes a body apart; `content_type` names the boundary. Errors: invalid_argument (no boundary, no
/// part, a part without an end, malformed header fields, more than 1,001 parts).
Result<std::vector<BodyPart>> parse_multipart(std::string_view body, std::string_view content_type);

/// Puts a body together. `boundary` must be such that no part has it: random.
class MultipartWriter {
 public:
  explicit MultipartWriter(std::string boundary) : boundary_(std::move(boundary)) {}

  MultipartWriter& part(const HttpHeaders& headers, std::string_view body);
  /// The value of Content-Type.
  std::string type(std::string_view subtype) const;
  std::string finish() &&;

 private:
  std::string boundary_;
  std::string text_;
};

}  // namespace headgate
