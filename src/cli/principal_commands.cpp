// SPDX-License-Identifier: Apache-2.0
#include "cli/principal_commands.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/print.hpp"
#include "document/json.hpp"

namespace headgate {

namespace {

std::string target_of(const PrincipalAddress& address) {
  return admin_target({address.database, address.is_role ? "_role" : "_user", address.name});
}

std::string kind_of(const PrincipalAddress& address) {
  return (address.is_role ? "role " : "user ") + address.name;
}

void write_names(JsonWriter& out, std::string_view member,
                 const std::optional<std::vector<std::string>>& names) {
  if (!names) return;
  out.key(member).begin_array();
  for (const std::string& name : *names) out.string(name);
  out.end_array();
}

std::string json_of(const PrincipalFields& fields) {
  JsonWriter out;
  out.begin_object();
  if (fields.password) out.key("password").string(*fields.password);
  write_names(out, "admin_channels", fields.channels);
  write_names(out, "admin_roles", fields.roles);
  if (fields.email) out.key("email").string(*fields.email);
  if (fields.is_disabled) out.key("disabled").boolean(*fields.is_disabled);
  out.end_object();
  return std::move(out).text();
}

Result<std::string> print_done(Result<std::string> answer, std::string done, bool as_json) {
  if (!answer) return std::move(answer).error();
  return as_json ? *answer + "\n" : done + "\n";
}

}  // namespace

Result<std::string> list_principals(AdminClient& client, const PrincipalAddress& address,
                                    bool as_json) {
  HG_TRY(const std::string answer,
         client.get(admin_target({address.database, address.is_role ? "_role" : "_user"})));
  return as_json ? answer + "\n" : print_lines(JsonView(answer));
}

Result<std::string> show_principal(AdminClient& client, const PrincipalAddress& address,
                                   bool as_json) {
  HG_TRY(const std::string answer, client.get(target_of(address)));
  return as_json ? answer + "\n" : print_fields(JsonView(answer));
}

Result<std::string> create_principal(AdminClient& client, const PrincipalAddress& address,
                                     const PrincipalFields& fields, bool as_json) {
  return print_done(client.post(target_of(address), json_of(fields)), kind_of(address) + " created",
                    as_json);
}

// PUT would make one that is not there: a mistyped name must not.
Result<std::string> change_principal(AdminClient& client, const PrincipalAddress& address,
                                     const PrincipalFields& fields, bool as_json) {
  HG_CHECK(client.get(target_of(address)));
  return print_done(client.put(target_of(address), json_of(fields)), kind_of(address) + " changed",
                    as_json);
}

Result<std::string> delete_principal(AdminClient& client, const PrincipalAddress& address,
                                     bool as_json) {
  return print_done(client.remove(target_of(address)), kind_of(address) + " deleted", as_json);
}

}  // namespace headgate
