// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "document/json.hpp"  // is_valid_utf8

namespace headgate {

/// Every document; granted to a principal it means "all channels".
inline constexpr std::string_view kStarChannel = "*";
/// Readable by every user, guest included.
inline constexpr std::string_view kPublicChannel = "!";

inline constexpr std::size_t kMaxChannelNameBytes = 1000;
inline constexpr std::size_t kMaxPrincipalNameBytes = 239;

/// Ok for 1 to kMaxChannelNameBytes bytes of UTF-8 without a comma; every other character is
/// allowed. Errc::invalid_argument says what is wrong, for the client.
Result<void> check_channel_name(std::string_view name);

/// Ok for 1 to kMaxPrincipalNameBytes bytes of UTF-8 with at least one letter or digit (any
/// character beyond ASCII counts as one) and none of `/`, `:`, `,`, back-quote.
/// Errc::invalid_argument says what is wrong. The guest's empty name is not ok here.
Result<void> check_principal_name(std::string_view name);

/// Which of the two name spaces of principals.
enum class PrincipalKind : unsigned char { user, role };

/// A user's or role's full name, shown as "user:NAME" or "role:NAME". The guest is the user with
/// the empty name, "user:". Holds whatever it is given: check_principal_name() is the caller's.
struct PrincipalName {
  PrincipalKind kind = PrincipalKind::user;
  std::string name;

  static PrincipalName user(std::string_view name) {
    return {PrincipalKind::user, std::string(name)};
  }
  static PrincipalName role(std::string_view name) {
    return {PrincipalKind::role, std::string(name)};
  }
  static PrincipalName guest() { return {}; }

  bool is_guest() const { return kind == PrincipalKind::user && name.empty(); }
  /// "user:NAME" or "role:NAME".
  std::string text() const;
  /// Reads text(); the name is checked. Errc::invalid_argument otherwise.
  static Result<PrincipalName> parse(std::string_view text);
  /// Reads a principal as a sync function names it: "NAME" is a user, "role:NAME" a role.
  /// Errc::invalid_argument when the name is bad.
  static Result<PrincipalName> parse_short(std::string_view text);

  friend auto operator<=>(const PrincipalName&, const PrincipalName&) = default;
};

}  // namespace headgate
