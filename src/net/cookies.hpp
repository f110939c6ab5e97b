// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.hpp"

namespace headgate {

/// The value of the first cookie of that name in a request.
std::optional<std::string_view> find_cookie(const HttpHeaders& headers, std::string_view name);

/// A cookie that scripts of a page cannot read (HttpOnly).
struct SetCookie {
  std::string name;
  std::string value;
  std::string path;                    ///< percent-encoded
  std::chrono::seconds max_age{};      ///< 0 removes the cookie
  std::string_view same_site = "Lax";  ///< a literal: Lax, Strict or None
  bool is_secure = false;

  /// The value of a Set-Cookie header.
  std::string text() const;
};

}  // namespace headgate
