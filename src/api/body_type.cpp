// SPDX-License-Identifier: Apache-2.0
#include "api/body_type.hpp"

namespace headgate {

std::string_view media_type(const HttpRequest& request) {
  std::string_view type = request.headers.find("Content-Type").value_or("");
  type = type.substr(0, type.find(';'));
  return type.substr(0, type.find_last_not_of(" \t") + 1);
}

bool is_json_body(const HttpRequest& request) {
  const std::string_view type = media_type(request);
  if (equals_ignoring_case(type, "application/json")) return true;
  const bool is_unchosen = type.empty() || equals_ignoring_case(type, "text/plain") ||
                           equals_ignoring_case(type, "application/x-www-form-urlencoded");
  return is_unchosen && !request.headers.has("Origin");
}

bool is_encoded_body(const HttpRequest& request) {
  const std::string_view coding = request.headers.find("Content-Encoding").value_or("");
  return !coding.empty() && !equals_ignoring_case(coding, "identity");
}

bool is_multipart_related(const HttpRequest& request) {
  return equals_ignoring_case(media_type(request), "multipart/related");
}

}  // namespace headgate
