// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "access/json_web_token.hpp"
#include "access/password.hpp"
#include "access/principal.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "database/database_context.hpp"
#include "database/principal.hpp"
#include "database/principal_builder.hpp"
#include "database/principal_records.hpp"

namespace headgate {

/// Changes of a user; what is absent stays as it is.
struct UserUpdate {
  std::optional<std::string> password;
  std::optional<std::string> email;
  std::optional<bool> is_disabled;
  std::optional<std::set<std::string>> admin_channels;
  std::optional<std::set<std::string>> admin_roles;  ///< without "role:"
  bool ends_sessions = false;  ///< a new password and a disabling do so anyway

  /// Reads a JSON object with the members name (must be `name` if given), password, email,
  /// disabled, admin_channels, admin_roles; what a GET adds (all_channels, roles) is ignored.
  /// Errors: invalid_argument, naming the member.
  static Result<UserUpdate> parse(const JsonView& object, std::string_view name);
};

/// Changes of a role; what is absent stays as it is.
struct RoleUpdate {
  std::optional<std::set<std::string>> admin_channels;

  /// Reads a JSON object with the members name (must be `name` if given) and admin_channels; what a
  /// GET adds (all_channels) is ignored. Errors: invalid_argument, naming the member.
  static Result<RoleUpdate> parse(const JsonView& object, std::string_view name);
};

struct UserWrite {
  bool is_created = false;
  bool is_changed = false;  ///< false: nothing was written, no sequence was taken
  Sequence sequence;
};

/// The users and roles of one database, and the rights that follow from them. Writes take a
/// sequence, a feed entry and cache work like those of documents, and raise the access counter
/// before they are acknowledged (R5b, I7).
/// Confined to its executor. The context must outlive it, and the calls in flight.
class PrincipalStore {
 public:
  static constexpr std::size_t kCachedMax = 10'000;

  explicit PrincipalStore(DatabaseContext& context);

  /// A user with its rights for one pass: as stored, and the live entries of its hidden channel and
  /// its roles' (never a document of the base). What was built under the pass's access counter is
  /// reused (R15). The empty name is the guest.
  /// Errors: not_found (no such user), unauthorized (disabled), unavailable, rolled_back (begin
  /// another pass), corrupted.
  Task<Result<std::shared_ptr<const Principal>>> load(std::string name, PassStart pass);
  /// The same, for a request that is no feed: begins a pass of its own.
  Task<Result<std::shared_ptr<const Principal>>> load(std::string name);
  /// The same, also for a disabled user or guest: an admin's view of it.
  Task<Result<std::shared_ptr<const Principal>>> inspect(std::string name);
  /// Where the user's channels come from; the empty name is the guest. Errors: not_found,
  /// unavailable, rolled_back, corrupted.
  Task<Result<std::vector<GrantOrigin>>> origins(std::string name);
  /// Errors: unauthorized "Invalid login" (name, password or a disabled user), overloaded,
  /// unavailable.
  Task<Result<std::shared_ptr<const Principal>>> authenticate(std::string name,
                                                              std::string password);
  /// The same without looking at a password that was not found right before, for those who have
  /// failed too often. Errors: as authenticate().
  Task<Result<std::shared_ptr<const Principal>>> authenticate_known(std::string name,
                                                                    std::string password);
  /// The user of a verified token. Gives it the token's channels and roles in place of those of an
  /// older one, and makes it if the token may. Errors: unauthorized "Invalid login" (no such user,
  /// a disabled one), and those of put_user().
  Task<Result<std::shared_ptr<const Principal>>> sign_in(TokenClaims claims);
  /// For requests without credentials: reads nothing, and so tells not since when the guest has
  /// its channels; load() does. Errors: unauthorized "Login required" (disabled).
  Task<Result<std::shared_ptr<const Principal>>> guest();
  /// Makes the record of the guest's grants, if there is none, with the `channels` of before its
  /// first change. Errors: as put_user().
  Task<Result<void>> begin_guest(std::set<std::string> channels);
  /// Brings that record to the present configuration: what is new is granted by this write. Nothing
  /// without a record. Errors: as put_user().
  Task<Result<void>> regrant_guest();

  /// Makes or changes a user. `must_be_new`: an existing one is `exists`.
  /// Errors: invalid_argument (name, password, channel or role names), exists, unavailable,
  /// overloaded, no_space, timeout_unknown_outcome.
  Task<Result<UserWrite>> put_user(std::string name, UserUpdate update, bool must_be_new = false);
  /// Errors: not_found, unavailable, no_space, timeout_unknown_outcome.
  Task<Result<void>> delete_user(std::string name);
  /// Errors: not_found, unavailable, corrupted.
  Task<Result<UserRecord>> get_user(std::string name);
  /// Names in order, from `from` (inclusive) on, at most `limit`.
  Task<Result<std::vector<std::string>>> list_users(std::string from, std::size_t limit);

  /// Makes or changes a role; the same rules.
  Task<Result<UserWrite>> put_role(std::string name, RoleUpdate update, bool must_be_new = false);
  Task<Result<void>> delete_role(std::string name);
  Task<Result<RoleRecord>> get_role(std::string name);
  /// All channels that the role gives to those who have it, documents' grants among them.
  /// Errors: not_found, unavailable, rolled_back, corrupted.
  Task<Result<Grants>> channels_of_role(std::string name);
  Task<Result<std::vector<std::string>>> list_roles(std::string from, std::size_t limit);

  /// Principals built from their hidden channels so far; those found in memory do not count.
  std::uint64_t builds() const { return builds_; }

 private:
  /// What was built is good as long as both are the same: a failover may set the counter back, but
  /// begins an epoch.
  struct Validity {
    std::uint64_t access_counter = 0;
    Epoch epoch;
    friend bool operator==(const Validity&, const Validity&) = default;
  };
  static Validity validity_of(const PassStart& pass) {
    return {pass.access_counter, pass.record->epoch};
  }
  struct Cached {
    Validity validity;
    BuiltPrincipal built;
    std::list<std::string>::iterator use;
  };
  /// A build under way that others wait for.
  struct Build {
    explicit Build(Environment& environment) : done(environment) {}
    std::uint64_t pass = 0;
    std::optional<Result<BuiltPrincipal>> result;
    Signal done;
  };
  class Leader;

  Task<Result<BuiltPrincipal>> find(std::string name, PassStart pass);
  Task<Result<BuiltPrincipal>> lead(std::string name, PassStart pass);
  Task<Result<std::shared_ptr<const Principal>>> load_guest(PassStart pass);
  Task<Result<BuiltPrincipal>> find_now(std::string name);
  Task<Result<std::vector<std::string>>> list(PrincipalName from, std::size_t limit);
  void remember(const std::string& name, Validity validity, BuiltPrincipal built);
  Task<Result<std::optional<std::string>>> new_password_hash(std::string name,
                                                             std::string password);

  DatabaseContext& context_;
  PrincipalRecords records_;
  PrincipalBuilder builder_;
  PasswordVerifier passwords_;
  std::list<std::string> by_use_;  // most recent first
  std::unordered_map<std::string, Cached> cached_;
  std::unordered_map<std::string, std::shared_ptr<Build>> builds_under_way_;
  std::uint64_t builds_ = 0;
};

}  // namespace headgate
