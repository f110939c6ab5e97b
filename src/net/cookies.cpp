// SPDX-License-Identifier: Apache-2.0
#include "net/cookies.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace headgate {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::string_view> find_in(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find(';'), cookies.size());
    const std::string_view cookie = trimmed(cookies.substr(0, end));
    const std::size_t equals = cookie.find('=');
    if (equals != std::string_view::npos && cookie.substr(0, equals) == name)
      return cookie.substr(equals + 1);
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> find_cookie(const HttpHeaders& headers, std::string_view name) {
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [field, value] = headers[i];
    if (!equals_ignoring_case(field, "Cookie")) continue;
    if (const auto found = find_in(value, name)) return found;
  }
  return std::nullopt;
}

std::string SetCookie::text() const {
  return fmt::format("{}={}; Path={}; Max-Age={}; HttpOnly; SameSite={}{}", name, value, path,
                     max_age.count(), same_site, is_secure ? "; Secure" : "");
}

}  // namespace headgate
