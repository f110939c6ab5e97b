// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace headgate {

struct BasicCredentials {
  std::string user;
  std::string password;
};

/// Reads the value of an Authorization header. Absent if the scheme is not Basic, or the rest is
/// not base64 of `user:password`. The password may hold colons, either part may be empty.
std::optional<BasicCredentials> parse_basic_auth(std::string_view authorization);
/// The value of an Authorization header for these credentials.
std::string format_basic_auth(const BasicCredentials& credentials);

}  // namespace headgate
