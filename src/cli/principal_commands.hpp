// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/admin_client.hpp"

// `headgate user` and `headgate role`. Each call returns what is to be printed: text for people, or
// with `as_json` the server's answer. Errors: as AdminClient; corrupted (an answer of another
// form).
namespace headgate {

/// Which principal a command is about.
struct PrincipalAddress {
  bool is_role = false;
  std::string database;
  std::string name = {};
};

/// What a command gives a principal; what is absent stays.
struct PrincipalFields {
  std::optional<std::string> password = {};               ///< of users
  std::optional<std::vector<std::string>> channels = {};  ///< those and no others
  std::optional<std::vector<std::string>> roles = {};     ///< of users
  std::optional<std::string> email = {};                  ///< of users
  std::optional<bool> is_disabled = {};                   ///< of users
};

Result<std::string> list_principals(AdminClient& client, const PrincipalAddress& address,
                                    bool as_json);
Result<std::string> show_principal(AdminClient& client, const PrincipalAddress& address,
                                   bool as_json);
/// Errors: exists.
Result<std::string> create_principal(AdminClient& client, const PrincipalAddress& address,
                                     const PrincipalFields& fields, bool as_json);
/// Errors: not_found.
Result<std::string> change_principal(AdminClient& client, const PrincipalAddress& address,
                                     const PrincipalFields& fields, bool as_json);
/// Errors: not_found.
Result<std::string> delete_principal(AdminClient& client, const PrincipalAddress& address,
                                     bool as_json);

}  // namespace headgate
