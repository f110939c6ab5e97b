// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/json_web_token.hpp"
#include "base/result.hpp"
#include "document/json.hpp"

namespace headgate {

/// When a browser sends a cookie with requests that a page of another site begins.
enum class CookieSameSite : unsigned char { lax, strict, none };

/// Sessions of a database, and the cookies that hold them.
struct SessionConfig {
  std::chrono::seconds life{std::chrono::hours(24)};
  /// Only over TLS. A connection that this server encrypts itself counts as such anyway.
  bool is_cookie_secure = false;
  CookieSameSite same_site = CookieSameSite::lax;

  /// Reads `{"ttl_s", "cookie_secure", "cookie_same_site"}`. Errors: invalid_argument.
  static Result<SessionConfig> parse(const JsonView& object);
  void print(JsonWriter& out) const;

  friend bool operator==(const SessionConfig&, const SessionConfig&) = default;
};

/// Which pages of other sites may use the database from their visitors' browsers.
struct CorsConfig {
  /// "https://app.example:8443", in lower case, or "*" for every one.
  std::set<std::string> origins;
  /// Pages may use cookies and passwords of their visitors; not together with "*".
  bool allows_credentials = false;
  /// How long a browser may remember the answer to its question.
  std::chrono::seconds max_age{600};

  bool allows(std::string_view origin) const;

  /// Reads `{"origins", "credentials", "max_age_s"}`. Errors: invalid_argument.
  static Result<CorsConfig> parse(const JsonView& object);
  void print(JsonWriter& out) const;

  friend bool operator==(const CorsConfig&, const CorsConfig&) = default;
};

/// A list of `{"issuer", "audience", "keys": [{"alg", "kid", "secret" or "public_key"}],
/// "username_claim", "user_prefix", "roles_claim", "channels_claim", "register"}`.
/// Errors: invalid_argument.
Result<std::vector<TokenIssuer>> parse_token_issuers(const JsonView& list);
void print_token_issuers(JsonWriter& out, const std::vector<TokenIssuer>& issuers);

inline constexpr std::chrono::seconds kSessionLifeMax{std::chrono::hours(24 * 366)};

}  // namespace headgate
