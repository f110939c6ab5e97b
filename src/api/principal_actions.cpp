// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
#include "api/api_error.hpp"
#include "api/parameters.hpp"

namespace headgate {

namespace {

constexpr std::size_t kListPage = 1'000;

void write_names(JsonWriter& out, std::string_view member, const Grants& grants) {
  out.key(member).begin_array();
  for (const auto& [name, since] : grants) out.string(name);
  out.end_array();
}

void write_rights(JsonWriter& out, const Principal& principal) {
  write_names(out, "all_channels", principal.access.channels());
  out.key("roles").begin_array();
  for (const std::string& role : principal.roles) out.string(role);
  out.end_array();
}

std::string name_in_path(ApiCall& call) {
  return call.request().path[2];
}

void respond_written(ApiCall& call, const std::string& name, const UserWrite& written) {
  JsonWriter out;
  out.begin_object().key("ok").boolean(true).key("name").string(name).end_object();
  call.respond_json(written.is_created ? 201 : 200, std::move(out).text());
}

void respond_deleted(ApiCall& call) {
  call.respond_json(200, R"({"ok":true})");
}

/// A user without a password could never log in: more likely it was forgotten.
Task<Result<void>> check_has_password(PrincipalStore& principals, std::string name) {
  const auto known = co_await principals.get_user(std::move(name));
  if (!known && known.error().code == Errc::not_found)
    co_return Error{Errc::invalid_argument, "password: a new user needs one"};
  co_return Result<void>();
}

/// The guest is no user among others: it is there as long as the database is.
bool is_answered_as_guest(ApiCall& call, std::string_view name) {
  if (name != kGuestName) return false;
  call.respond(error_response(
      {405, "method_not_allowed", "The guest is set by `guest` in the database's configuration"}));
  return true;
}

Task<Result<void>> write_user(ApiCall& call, std::string name, bool must_be_new) {
  if (is_answered_as_guest(call, name)) co_return Result<void>();
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  HG_CO_TRY(UserUpdate update, UserUpdate::parse(body, name));
  if (!update.password)
    HG_CO_CHECK(co_await check_has_password(call.database().principals(), name));
  auto written =
      co_await call.database().principals().put_user(name, std::move(update), must_be_new);
  if (!written && written.error().code == Errc::exists)
    co_return Error{Errc::conflict, "The user exists already"};
  if (!written) co_return std::move(written).error();
  respond_written(call, name, *written);
  co_return Result<void>();
}

Task<Result<void>> write_role(ApiCall& call, std::string name, bool must_be_new) {
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  HG_CO_TRY(RoleUpdate update, RoleUpdate::parse(body, name));
  auto written =
      co_await call.database().principals().put_role(name, std::move(update), must_be_new);
  if (!written && written.error().code == Errc::exists)
    co_return Error{Errc::conflict, "The role exists already"};
  if (!written) co_return std::move(written).error();
  respond_written(call, name, *written);
  co_return Result<void>();
}

/// The name in a body that is sent to the list.
Result<std::string> name_in_body(ApiCall& call) {
  HG_TRY(const JsonView body, object_of_body(call.request()));
  const auto named = body.find("name");
  auto name = named ? named->as_string() : std::nullopt;
  if (!name) return Error{Errc::invalid_argument, "name: missing"};
  return *std::move(name);
}

Task<Result<std::string>> user_json(PrincipalStore& principals, std::string name) {
  HG_CO_TRY(const UserRecord user, co_await principals.get_user(name));
  HG_CO_TRY(const auto principal, co_await principals.inspect(std::move(name)));
  JsonWriter out;
  out.begin_object().key("name").string(user.name);
  write_names(out, "admin_channels", user.admin_channels);
  write_names(out, "admin_roles", user.admin_roles);
  if (user.token_issued_at != 0) {
    write_names(out, "token_channels", user.token_channels);
    write_names(out, "token_roles", user.token_roles);
  }
  if (!user.email.empty()) out.key("email").string(user.email);
  out.key("disabled").boolean(user.is_disabled);
  write_rights(out, *principal);
  out.end_object();
  co_return std::move(out).text();
}

/// The guest as it is configured, in the form of a user.
Task<Result<std::string>> guest_json(Database& database) {
  const auto config = database.config();
  HG_CO_TRY(const auto principal, co_await database.principals().inspect({}));
  JsonWriter out;
  out.begin_object().key("name").string(kGuestName).key("admin_channels").begin_array();
  for (const std::string& channel : config->guest.admin_channels) out.string(channel);
  out.end_array().key("admin_roles").begin_array().end_array();
  out.key("disabled").boolean(config->guest.is_disabled);
  write_rights(out, *principal);
  out.end_object();
  co_return std::move(out).text();
}

Task<Result<std::string>> role_json(PrincipalStore& principals, std::string name) {
  HG_CO_TRY(const RoleRecord role, co_await principals.get_role(name));
  HG_CO_TRY(const Grants channels, co_await principals.channels_of_role(std::move(name)));
  JsonWriter out;
  out.begin_object().key("name").string(role.name);
  write_names(out, "admin_channels", role.admin_channels);
  write_names(out, "all_channels", channels);
  out.end_object();
  co_return std::move(out).text();
}

using ListPage = Task<Result<std::vector<std::string>>> (PrincipalStore::*)(std::string,
                                                                            std::size_t);
using Describe = Task<Result<std::string>> (*)(PrincipalStore&, std::string);

/// Names, or with `name_only=false` all of each; `limit` at most.
Task<Result<void>> list(ApiCall& call, ListPage page, Describe describe) {
  HG_CO_TRY(const auto limit, number_parameter(call.query(), "limit"));
  const std::string* name_only = call.query().find("name_only");
  const bool in_full = name_only && *name_only == "false";
  PrincipalStore& principals = call.database().principals();
  std::uint64_t left = limit.value_or(0) == 0 ? UINT64_MAX : *limit;
  JsonWriter out;
  out.begin_array();
  for (std::string from;;) {
    const std::size_t wanted = std::min<std::uint64_t>(left, kListPage);
    HG_CO_TRY(const std::vector<std::string> names, co_await (principals.*page)(from, wanted));
    for (const std::string& name : names) {
      if (!in_full) {
        out.string(name);
      } else if (const auto described = co_await describe(principals, name)) {
        out.raw(*described);
      } else if (described.error().code != Errc::not_found) {  // deleted meanwhile
        co_return described.error();
      }
    }
    left -= names.size();
    if (names.size() < wanted || left == 0) break;
    from = names.back() + '\0';
  }
  out.end_array();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> list_users(ApiCall& call) {
  co_return co_await list(call, &PrincipalStore::list_users, user_json);
}

Task<Result<void>> get_user(ApiCall& call) {
  const bool is_guest = name_in_path(call) == kGuestName;
  HG_CO_TRY(std::string json,
            is_guest ? co_await guest_json(call.database())
                     : co_await user_json(call.database().principals(), name_in_path(call)));
  call.respond_json(200, std::move(json));
  co_return Result<void>();
}

Task<Result<void>> put_user(ApiCall& call) {
  co_return co_await write_user(call, name_in_path(call), false);
}

Task<Result<void>> post_user(ApiCall& call) {
  if (call.request().path.size() > 2) co_return co_await write_user(call, name_in_path(call), true);
  HG_CO_TRY(std::string name, name_in_body(call));
  co_return co_await write_user(call, std::move(name), true);
}

Task<Result<void>> delete_user(ApiCall& call) {
  if (is_answered_as_guest(call, name_in_path(call))) co_return Result<void>();
  HG_CO_CHECK(co_await call.database().principals().delete_user(name_in_path(call)));
  respond_deleted(call);
  co_return Result<void>();
}

Task<Result<void>> list_roles(ApiCall& call) {
  co_return co_await list(call, &PrincipalStore::list_roles, role_json);
}

Task<Result<void>> get_role(ApiCall& call) {
  HG_CO_TRY(std::string json, co_await role_json(call.database().principals(), name_in_path(call)));
  call.respond_json(200, std::move(json));
  co_return Result<void>();
}

Task<Result<void>> put_role(ApiCall& call) {
  co_return co_await write_role(call, name_in_path(call), false);
}

Task<Result<void>> post_role(ApiCall& call) {
  if (call.request().path.size() > 2) co_return co_await write_role(call, name_in_path(call), true);
  HG_CO_TRY(std::string name, name_in_body(call));
  co_return co_await write_role(call, std::move(name), true);
}

Task<Result<void>> delete_role(ApiCall& call) {
  HG_CO_CHECK(co_await call.database().principals().delete_role(name_in_path(call)));
  respond_deleted(call);
  co_return Result<void>();
}

}  // namespace headgate
