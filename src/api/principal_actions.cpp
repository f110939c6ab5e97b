// SPDX-License-Identifier: Apache-2.0
#include "api/actions.hpp"
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

Task<Result<void>> write_user(ApiCall& call, std::string name, bool must_be_new) {
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

Result<std::set<std::string>> channel_names(const JsonView& value) {
  const Error bad{Errc::invalid_argument, "\"admin_channels\" must be a list of names"};
  std::set<std::string> channels;
  if (!value.is_array() && !value.is_null()) return bad;
  for (const JsonView& element : value.elements()) {
    auto channel = element.as_string();
    if (!channel) return bad;
    channels.insert(*std::move(channel));
  }
  return channels;
}

/// None: not named.
Result<std::optional<std::set<std::string>>> channels_of_role(const JsonView& body,
                                                              std::string_view name) {
  std::optional<std::set<std::string>> channels;
  for (const JsonView::Member& member : body.members()) {
    if (member.is_named("name")) {
      if (member.value.as_string() != name)
        return Error{Errc::invalid_argument, "\"name\" is not the name in the URL"};
    } else if (member.is_named("admin_channels")) {
      HG_TRY(channels, channel_names(member.value));
    } else if (!member.is_named("all_channels")) {
      return Error{Errc::invalid_argument,
                   "\"" + member.name() + "\" is not a known member of a role"};
    }
  }
  return channels;
}

/// As for users, what is absent stays as it is.
Task<Result<std::set<std::string>>> present_channels(PrincipalStore& principals, std::string name) {
  const auto role = co_await principals.get_role(std::move(name));
  if (!role && role.error().code != Errc::not_found) co_return role.error();
  std::set<std::string> channels;
  if (role)
    for (const auto& [channel, since] : role->admin_channels) channels.insert(channel);
  co_return channels;
}

}  // namespace

Task<Result<void>> list_users(ApiCall& call) {
  JsonWriter out;
  out.begin_array();
  std::string from;
  for (;;) {
    HG_CO_TRY(const std::vector<std::string> names,
              co_await call.database().principals().list_users(from, kListPage));
    for (const std::string& name : names) out.string(name);
    if (names.size() < kListPage) break;
    from = names.back() + '\0';
  }
  out.end_array();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> get_user(ApiCall& call) {
  PrincipalStore& principals = call.database().principals();
  HG_CO_TRY(const UserRecord user, co_await principals.get_user(name_in_path(call)));
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
  HG_CO_TRY(const auto principal, co_await principals.inspect(user.name));
  write_rights(out, *principal);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> put_user(ApiCall& call) {
  co_return co_await write_user(call, name_in_path(call), false);
}

Task<Result<void>> post_user(ApiCall& call) {
  if (call.request().path.size() > 2) co_return co_await write_user(call, name_in_path(call), true);
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  const auto named = body.find("name");
  auto name = named ? named->as_string() : std::nullopt;
  if (!name) co_return Error{Errc::invalid_argument, "name: missing"};
  co_return co_await write_user(call, *std::move(name), true);
}

Task<Result<void>> delete_user(ApiCall& call) {
  HG_CO_CHECK(co_await call.database().principals().delete_user(name_in_path(call)));
  respond_deleted(call);
  co_return Result<void>();
}

Task<Result<void>> get_role(ApiCall& call) {
  HG_CO_TRY(const RoleRecord role,
            co_await call.database().principals().get_role(name_in_path(call)));
  JsonWriter out;
  out.begin_object().key("name").string(role.name);
  write_names(out, "admin_channels", role.admin_channels);
  out.end_object();
  call.respond_json(200, std::move(out).text());
  co_return Result<void>();
}

Task<Result<void>> put_role(ApiCall& call) {
  HG_CO_TRY(const JsonView body, object_of_body(call.request()));
  const std::string name = name_in_path(call);
  PrincipalStore& principals = call.database().principals();
  HG_CO_TRY(std::optional<std::set<std::string>> channels, channels_of_role(body, name));
  if (!channels) {
    HG_CO_TRY(channels, co_await present_channels(principals, name));
  }
  HG_CO_TRY(const UserWrite written, co_await principals.put_role(name, *std::move(channels)));
  respond_written(call, name, written);
  co_return Result<void>();
}

Task<Result<void>> delete_role(ApiCall& call) {
  HG_CO_CHECK(co_await call.database().principals().delete_role(name_in_path(call)));
  respond_deleted(call);
  co_return Result<void>();
}

}  // namespace headgate
