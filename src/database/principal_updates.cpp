// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "database/principal_store.hpp"

namespace headgate {
namespace {

constexpr std::size_t kMaxEmailBytes = 254;
/// Of a guest's first channels.
constexpr Sequence kCreation{1};

Error wrong(std::string what) {
  return {Errc::invalid_argument, std::move(what)};
}

Result<void> check_count(std::size_t count) {
  if (count > kMaxDocumentChannels) return wrong("too many channels or roles");
  return {};
}

Result<void> check_channels(const std::set<std::string>& channels) {
  HG_CHECK(check_count(channels.size()));
  for (const std::string& channel : channels) HG_CHECK(check_channel_name(channel));
  return {};
}

Result<void> check_roles(const std::set<std::string>& roles) {
  HG_CHECK(check_count(roles.size()));
  for (const std::string& role : roles) HG_CHECK(check_principal_name(role));
  return {};
}

Result<std::set<std::string>> read_names(const JsonView& value, const std::string& member) {
  std::set<std::string> names;
  if (value.is_null()) return names;
  if (!value.is_array()) return wrong("\"" + member + "\" must be a list of names");
  for (const JsonView& element : value.elements()) {
    auto name = element.as_string();
    if (!name) return wrong("\"" + member + "\" must be a list of names");
    names.insert(*std::move(name));
  }
  return names;
}

Result<std::string> read_text(const JsonView& value, const std::string& member) {
  auto text = value.as_string();
  if (!text) return wrong("\"" + member + "\" must be a string");
  return *std::move(text);
}

Result<void> read_member(const JsonView::Member& member, std::string_view name, UserUpdate& into) {
  const std::string key = member.name();
  if (key == "name") {
    if (member.value.as_string() != name) return wrong("\"name\" is not the name in the URL");
  } else if (key == "password") {
    HG_TRY(into.password, read_text(member.value, key));
  } else if (key == "email") {
    HG_TRY(into.email, read_text(member.value, key));
  } else if (key == "disabled") {
    into.is_disabled = member.value.as_bool();
    if (!into.is_disabled) return wrong("\"disabled\" must be true or false");
  } else if (key == "admin_channels") {
    HG_TRY(into.admin_channels, read_names(member.value, key));
  } else if (key == "admin_roles") {
    HG_TRY(into.admin_roles, read_names(member.value, key));
  } else if (key != "all_channels" && key != "roles" && key != "token_channels" &&
             key != "token_roles") {
    return wrong("\"" + key + "\" is not a known member of a user");
  }
  return {};
}

/// Enough to find a mistyped one: whether it can be reached, only a letter could tell.
Result<void> check_email(std::string_view email) {
  const std::size_t at = email.find('@');
  const bool is_address = at != 0 && at < email.size() - 1 && email.size() <= kMaxEmailBytes &&
                          email.find('@', at + 1) == std::string_view::npos &&
                          email.find_first_of(" \t\r\n,") == std::string_view::npos;
  if (!email.empty() && !is_address) return wrong("\"email\" is no address");
  return {};
}

Result<void> check_update(std::string_view name, const UserUpdate& update) {
  HG_CHECK(check_principal_name(name));
  if (update.email) HG_CHECK(check_email(*update.email));
  if (update.password) HG_CHECK(check_password(*update.password));
  if (update.admin_channels) HG_CHECK(check_channels(*update.admin_channels));
  if (update.admin_roles) HG_CHECK(check_roles(*update.admin_roles));
  return {};
}

/// The fields of an update with the password hashed.
struct UserChange {
  std::string name;
  UserUpdate update;
  std::optional<std::string> password_hash;
  bool must_be_new = false;
};

using Stored = PrincipalRecords::Stored;
using Changed = Result<std::optional<PrincipalRecords::NewRecord>>;

Changed new_record(std::string record, bool is_deleted = false) {
  return std::optional(PrincipalRecords::NewRecord{std::move(record), is_deleted});
}

Changed unchanged() {
  return std::optional<PrincipalRecords::NewRecord>();
}

Changed changed_user(const UserChange& change, const Stored& present, Sequence at) {
  UserRecord before;
  before.name = change.name;
  if (present.is_live()) {
    if (change.must_be_new) return Error{Errc::exists, "the user exists"};
    HG_TRY(before, decode_user(present.envelope.record));
  }
  UserRecord after = before;
  const UserUpdate& update = change.update;
  if (change.password_hash) after.password_hash = *change.password_hash;
  if (update.email) after.email = *update.email;
  if (update.is_disabled) after.is_disabled = *update.is_disabled;
  if (update.admin_channels)
    after.admin_channels = regrant(before.admin_channels, *update.admin_channels, at);
  if (update.admin_roles) after.admin_roles = regrant(before.admin_roles, *update.admin_roles, at);
  if (present.is_live() && after == before && !update.ends_sessions) return unchanged();
  // In the same write: no crash leaves an old session with a new password.
  if (!present.is_live() || update.ends_sessions || after.password_hash != before.password_hash ||
      (after.is_disabled && !before.is_disabled))
    after.sessions_since = at;
  end_grants(after.past_channels, before.admin_channels, after.admin_channels, at);
  end_grants(after.past_roles, before.admin_roles, after.admin_roles, at);
  after.sequence = at;
  return new_record(encode(after));
}

struct RoleChange {
  std::string name;
  RoleUpdate update;
  bool must_be_new = false;
};

/// A deleted role leaves its record, without channels.
Result<RoleRecord> role_before(const std::string& name, const Stored& present) {
  if (!present.envelope.record.empty()) return decode_role(present.envelope.record);
  RoleRecord none;
  none.name = name;
  return none;
}

Changed changed_role(const RoleChange& change, const Stored& present, Sequence at) {
  if (present.is_live() && change.must_be_new) return Error{Errc::exists, "the role exists"};
  HG_TRY(const RoleRecord before, role_before(change.name, present));
  RoleRecord after = before;
  if (!present.is_live()) after.created_at = at;
  if (change.update.admin_channels)
    after.admin_channels = regrant(before.admin_channels, *change.update.admin_channels, at);
  if (present.is_live() && after == before) return unchanged();
  end_grants(after.past_channels, before.admin_channels, after.admin_channels, at);
  after.sequence = at;
  return new_record(encode(after));
}

/// The first record of the guest: what it had so far was there since the database was made.
Changed first_guest(const std::set<std::string>& channels, const Stored& present, Sequence at) {
  if (present.is_live()) return unchanged();
  UserRecord guest;
  guest.admin_channels = regrant({}, channels, kCreation);
  guest.sequence = at;
  return new_record(encode(guest));
}

Changed changed_guest(const std::set<std::string>& channels, const Stored& present, Sequence at) {
  if (!present.is_live()) return unchanged();
  HG_TRY(const UserRecord before, decode_user(present.envelope.record));
  UserRecord after = before;
  after.admin_channels = regrant(before.admin_channels, channels, at);
  if (after == before) return unchanged();
  end_grants(after.past_channels, before.admin_channels, after.admin_channels, at);
  after.sequence = at;
  return new_record(encode(after));
}

Changed deleted_user(const Stored& present, Sequence) {
  if (!present.is_live()) return Error{Errc::not_found, "no such user"};
  return new_record({}, true);
}

Changed deleted_role(const Stored& present, Sequence at) {
  if (!present.is_live()) return Error{Errc::not_found, "no such role"};
  HG_TRY(RoleRecord role, decode_role(present.envelope.record));
  end_grants(role.past_channels, std::exchange(role.admin_channels, {}), {}, at);
  add_span(role.past_lives, {std::exchange(role.created_at, Sequence()), at});
  role.sequence = at;
  return new_record(encode(role), true);
}

/// A token that is not newer than what was taken changes nothing.
Changed signed_in_user(const TokenClaims& claims, const Stored& present, Sequence at) {
  UserRecord before;
  before.name = claims.user;
  before.sessions_since = at;
  if (present.is_live()) {
    HG_TRY(before, decode_user(present.envelope.record));
  } else if (!claims.makes_user) {
    return Error{Errc::unauthorized, "Invalid login"};
  }
  UserRecord after = before;
  if (claims.issued_at > before.token_issued_at) {
    if (claims.channels)
      after.token_channels = regrant(before.token_channels, *claims.channels, at);
    if (claims.roles) after.token_roles = regrant(before.token_roles, *claims.roles, at);
  }
  if (present.is_live() && after == before) return unchanged();
  end_grants(after.past_channels, before.token_channels, after.token_channels, at);
  end_grants(after.past_roles, before.token_roles, after.token_roles, at);
  after.token_issued_at = claims.issued_at;
  after.sequence = at;
  return new_record(encode(after));
}

UserWrite answer_of(const PrincipalRecords::Written& written) {
  return {written.is_created, written.is_changed, written.sequence};
}

}  // namespace

Result<UserUpdate> UserUpdate::parse(const JsonView& object, std::string_view name) {
  if (!object.is_object()) return wrong("a user must be a JSON object");
  UserUpdate update;
  for (const JsonView::Member& member : object.members())
    HG_CHECK(read_member(member, name, update));
  HG_CHECK(check_update(name, update));
  return update;
}

Result<RoleUpdate> RoleUpdate::parse(const JsonView& object, std::string_view name) {
  if (!object.is_object()) return wrong("a role must be a JSON object");
  RoleUpdate update;
  for (const JsonView::Member& member : object.members()) {
    const std::string key = member.name();
    if (key == "name") {
      if (member.value.as_string() != name) return wrong("\"name\" is not the name in the URL");
    } else if (key == "admin_channels") {
      HG_TRY(update.admin_channels, read_names(member.value, key));
    } else if (key != "all_channels") {
      return wrong("\"" + key + "\" is not a known member of a role");
    }
  }
  return update;
}

/// None: the user has this password already.
Task<Result<std::optional<std::string>>> PrincipalStore::new_password_hash(std::string name,
                                                                           std::string password) {
  HG_CO_TRY(const auto stored, co_await records_.load(PrincipalName::user(name)));
  if (stored.is_live()) {
    HG_CO_TRY(const UserRecord user, decode_user(stored.envelope.record));
    if (!user.password_hash.empty()) {
      HG_CO_TRY(const bool is_same,
                co_await passwords_.verify(std::move(name), user.password_hash, password));
      if (is_same) co_return std::optional<std::string>();
    }
  }
  const PasswordSalt salt{context_.environment.random(), context_.environment.random()};
  HG_CO_TRY(std::string hash,
            co_await context_.environment.run_blocking(
                [password = std::move(password), salt] { return hash_password(password, salt); }));
  co_return std::optional<std::string>(std::move(hash));
}

Task<Result<UserWrite>> PrincipalStore::put_user(std::string name, UserUpdate update,
                                                 bool must_be_new) {
  HG_CO_CHECK(check_update(name, update));
  UserChange change{name, std::move(update), std::nullopt, must_be_new};
  if (change.update.password) {
    HG_CO_TRY(change.password_hash, co_await new_password_hash(name, *change.update.password));
  }
  HG_CO_TRY(const auto written, co_await records_.write(PrincipalName::user(name),
                                                        [change = std::move(change)](
                                                            const Stored& present, Sequence at) {
                                                          return changed_user(change, present, at);
                                                        }));
  co_return answer_of(written);
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::sign_in(TokenClaims claims) {
  const std::string name = claims.user;
  auto built = co_await find_now(name);
  if (!built && built.error().code != Errc::not_found) co_return std::move(built).error();
  const bool gives = claims.channels || claims.roles;
  if (!built || (gives && claims.issued_at > built->token_issued_at)) {
    HG_CO_CHECK(
        co_await records_.write(PrincipalName::user(name),
                                [claims = std::move(claims)](const Stored& present, Sequence at) {
                                  return signed_in_user(claims, present, at);
                                }));
    built = co_await find_now(name);
  }
  if (!built) co_return std::move(built).error();
  if (built->is_disabled) co_return Error{Errc::unauthorized, "Invalid login"};
  co_return std::move(built->principal);
}

Task<Result<void>> PrincipalStore::delete_user(std::string name) {
  HG_CO_CHECK(co_await records_.write(PrincipalName::user(name), deleted_user));
  co_return Result<void>();
}

Task<Result<UserRecord>> PrincipalStore::get_user(std::string name) {
  HG_CO_TRY(const auto stored, co_await records_.load(PrincipalName::user(name)));
  if (!stored.is_live()) co_return Error{Errc::not_found, "no such user"};
  co_return decode_user(stored.envelope.record);
}

Task<Result<void>> PrincipalStore::begin_guest(std::set<std::string> channels) {
  HG_CO_CHECK(co_await records_.write(
      PrincipalName::guest(), [channels = std::move(channels)](const Stored& present, Sequence at) {
        return first_guest(channels, present, at);
      }));
  co_return Result<void>();
}

Task<Result<void>> PrincipalStore::regrant_guest() {
  HG_CO_CHECK(co_await records_.write(
      PrincipalName::guest(),
      [channels = context_.config->guest.admin_channels](const Stored& present, Sequence at) {
        return changed_guest(channels, present, at);
      }));
  co_return Result<void>();
}

Task<Result<UserWrite>> PrincipalStore::put_role(std::string name, RoleUpdate update,
                                                 bool must_be_new) {
  HG_CO_CHECK(check_principal_name(name));
  if (update.admin_channels) HG_CO_CHECK(check_channels(*update.admin_channels));
  const PrincipalName full = PrincipalName::role(name);
  HG_CO_TRY(const auto written,
            co_await records_.write(
                full, [change = RoleChange{std::move(name), std::move(update), must_be_new}](
                          const Stored& present, Sequence at) {
                  return changed_role(change, present, at);
                }));
  co_return answer_of(written);
}

Task<Result<void>> PrincipalStore::delete_role(std::string name) {
  HG_CO_CHECK(co_await records_.write(PrincipalName::role(name), deleted_role));
  co_return Result<void>();
}

Task<Result<RoleRecord>> PrincipalStore::get_role(std::string name) {
  HG_CO_TRY(const auto stored, co_await records_.load(PrincipalName::role(name)));
  if (!stored.is_live()) co_return Error{Errc::not_found, "no such role"};
  co_return decode_role(stored.envelope.record);
}

}  // namespace headgate
