// SPDX-License-Identifier: Apache-2.0
#include "access/channel_name.hpp"

#include <algorithm>

#include "document/json.hpp"

namespace headgate {
namespace {

constexpr std::string_view kUserPrefix = "user:";
constexpr std::string_view kRolePrefix = "role:";
constexpr std::string_view kForbidden("/:,`\0", 5);

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

Error bad_channel(std::string_view what) {
  return {Errc::invalid_argument, "Illegal channel name: " + std::string(what)};
}

Error bad_principal(std::string_view what) {
  return {Errc::invalid_argument, "Illegal user or role name: " + std::string(what)};
}

}  // namespace

Result<void> check_channel_name(std::string_view name) {
  if (name.empty()) return bad_channel("empty");
  if (name.size() > kMaxChannelNameBytes) return bad_channel("longer than 1000 bytes");
  if (name.find(',') != std::string_view::npos) return bad_channel("has a comma");
  if (!is_valid_utf8(name)) return bad_channel("not UTF-8");
  return {};
}

Result<void> check_principal_name(std::string_view name) {
  if (name.empty()) return bad_principal("empty");
  if (name.size() > kMaxPrincipalNameBytes) return bad_principal("longer than 239 bytes");
  if (name.find_first_of(kForbidden) != std::string_view::npos)
    return bad_principal("has one of / : , ` or a zero byte");
  if (!is_valid_utf8(name)) return bad_principal("not UTF-8");
  if (std::ranges::none_of(name, is_letter_or_digit)) return bad_principal("no letter or digit");
  return {};
}

std::string PrincipalName::text() const {
  return std::string(kind == PrincipalKind::user ? kUserPrefix : kRolePrefix) + name;
}

Result<PrincipalName> PrincipalName::parse(std::string_view text) {
  if (text == kUserPrefix) return guest();
  if (text.starts_with(kRolePrefix)) return parse_short(text);
  if (!text.starts_with(kUserPrefix)) return bad_principal("neither user: nor role:");
  const std::string_view name = text.substr(kUserPrefix.size());
  HG_CHECK(check_principal_name(name));
  return user(name);
}

Result<PrincipalName> PrincipalName::parse_short(std::string_view text) {
  const bool is_role = text.starts_with(kRolePrefix);
  const std::string_view name = is_role ? text.substr(kRolePrefix.size()) : text;
  HG_CHECK(check_principal_name(name));
  return is_role ? role(name) : user(name);
}

}  // namespace headgate
