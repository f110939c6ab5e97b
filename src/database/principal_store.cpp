// SPDX-License-Identifier: Apache-2.0
#include "database/principal_store.hpp"

#include <utility>

#include "database/base_scan.hpp"

namespace headgate {
namespace {

/// Checked in place of an unknown user's hash, so that the time of an answer tells no names.
constexpr std::string_view kNobodysHash =
    "$2b$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234";

constexpr std::size_t kNamesPage = 200;

}  // namespace

/// Hands the result to those who wait, also if its frame is destroyed before there is one.
class PrincipalStore::Leader {
 public:
  Leader(PrincipalStore& store, std::string name, std::uint64_t pass)
      : store_(store),
        name_(std::move(name)),
        build_(std::make_shared<Build>(store.context_.environment)) {
    build_->pass = pass;
    store_.builds_under_way_[name_] = build_;
  }
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;
  ~Leader() {
    store_.builds_under_way_.erase(name_);
    build_->done.raise();
  }
  void set(const Result<BuiltPrincipal>& result) { build_->result = result; }

 private:
  PrincipalStore& store_;
  std::string name_;
  std::shared_ptr<Build> build_;
};

PrincipalStore::PrincipalStore(DatabaseContext& context)
    : context_(context),
      records_(context),
      builder_(context, records_),
      passwords_(context.environment) {}

Task<Result<BuiltPrincipal>> PrincipalStore::find(std::string name, PassStart pass) {
  while (true) {
    const auto cached = cached_.find(name);
    if (cached != cached_.end() && cached->second.validity == validity_of(pass)) {
      by_use_.splice(by_use_.begin(), by_use_, cached->second.use);
      co_return cached->second.built;
    }
    const auto under_way = builds_under_way_.find(name);
    if (under_way == builds_under_way_.end()) co_return co_await lead(name, pass);
    const std::shared_ptr<Build> build = under_way->second;
    co_await build->done.wait_past(0);
    // What was built for a later pass is fresh enough for this one.
    if (build->result && build->pass >= pass.number) co_return *build->result;
  }
}

Task<Result<BuiltPrincipal>> PrincipalStore::lead(std::string name, PassStart pass) {
  Leader leader(*this, name, pass.number);
  ++builds_;
  const Validity validity = validity_of(pass);
  auto built = co_await builder_.build(name, std::move(pass));
  leader.set(built);
  if (built && !built->principal->is_provisional) remember(name, validity, *built);
  co_return built;
}

void PrincipalStore::remember(const std::string& name, Validity validity, BuiltPrincipal built) {
  const auto present = cached_.find(name);
  if (present != cached_.end()) {
    present->second.validity = validity;
    present->second.built = std::move(built);
    by_use_.splice(by_use_.begin(), by_use_, present->second.use);
    return;
  }
  by_use_.push_front(name);
  cached_.emplace(name, Cached{validity, std::move(built), by_use_.begin()});
  if (cached_.size() <= kCachedMax) return;
  cached_.erase(by_use_.back());
  by_use_.pop_back();
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::load(std::string name,
                                                                    PassStart pass) {
  if (name.empty()) co_return co_await load_guest(std::move(pass));
  HG_CO_TRY(BuiltPrincipal built, co_await find(std::move(name), std::move(pass)));
  if (built.is_disabled) co_return Error{Errc::unauthorized, "the user is disabled"};
  co_return std::move(built.principal);
}

/// A pass that fails because a history changed is begun anew.
Task<Result<BuiltPrincipal>> PrincipalStore::find_now(std::string name) {
  HG_CO_TRY(PassStart pass, co_await context_.reader.start_pass());
  auto built = co_await find(name, std::move(pass));
  if (built || built.error().code != Errc::rolled_back) co_return built;
  HG_CO_TRY(PassStart again, co_await context_.reader.start_pass());
  co_return co_await find(std::move(name), std::move(again));
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::load(std::string name) {
  if (name.empty()) co_return co_await guest();
  HG_CO_TRY(BuiltPrincipal built, co_await find_now(std::move(name)));
  if (built.is_disabled) co_return Error{Errc::unauthorized, "the user is disabled"};
  co_return std::move(built.principal);
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::inspect(std::string name) {
  const bool is_guest = name.empty();
  auto built = co_await find_now(std::move(name));
  if (is_guest && !built && built.error().code == Errc::not_found) co_return builder_.guest();
  if (!built) co_return std::move(built).error();
  co_return std::move(built->principal);
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::guest() {
  if (context_.config->guest.is_disabled) co_return Error{Errc::unauthorized, "Login required"};
  co_return builder_.guest();
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::load_guest(PassStart pass) {
  if (context_.config->guest.is_disabled) co_return Error{Errc::unauthorized, "Login required"};
  auto built = co_await find({}, std::move(pass));
  if (built) co_return std::move(built->principal);
  if (built.error().code != Errc::not_found) co_return std::move(built).error();
  co_return builder_.guest();  // its channels have never been changed
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::authenticate(std::string name,
                                                                            std::string password) {
  Result<BuiltPrincipal> built = Errc::not_found;
  if (check_principal_name(name)) built = co_await find_now(name);
  if (!built && built.error().code != Errc::not_found) co_return std::move(built).error();
  const bool can_log_in = built && !built->is_disabled && !built->password_hash.empty();
  std::string hash(can_log_in ? std::string_view(built->password_hash) : kNobodysHash);
  HG_CO_TRY(const bool is_right,
            co_await passwords_.verify(std::move(name), std::move(hash), std::move(password)));
  if (!can_log_in || !is_right) co_return Error{Errc::unauthorized, "Invalid login"};
  co_return std::move(built->principal);
}

Task<Result<std::shared_ptr<const Principal>>> PrincipalStore::authenticate_known(
    std::string name, std::string password) {
  Result<BuiltPrincipal> built = Errc::not_found;
  if (check_principal_name(name)) built = co_await find_now(name);
  if (!built && built.error().code != Errc::not_found) co_return std::move(built).error();
  if (!built || built->is_disabled || built->password_hash.empty() ||
      !passwords_.is_verified(name, built->password_hash, password))
    co_return Error{Errc::unauthorized, "Invalid login"};
  co_return std::move(built->principal);
}

Task<Result<std::vector<GrantOrigin>>> PrincipalStore::origins(std::string name) {
  HG_CO_TRY(PassStart pass, co_await context_.reader.start_pass());
  co_return co_await builder_.origins(std::move(name), std::move(pass));
}

Task<Result<Grants>> PrincipalStore::channels_of_role(std::string name) {
  HG_CO_TRY(PassStart pass, co_await context_.reader.start_pass());
  co_return co_await builder_.channels_of_role(std::move(name), std::move(pass));
}

Task<Result<std::vector<std::string>>> PrincipalStore::list_users(std::string from,
                                                                  std::size_t limit) {
  return list(PrincipalName::user(from), limit);
}

Task<Result<std::vector<std::string>>> PrincipalStore::list_roles(std::string from,
                                                                  std::size_t limit) {
  return list(PrincipalName::role(from), limit);
}

Task<Result<std::vector<std::string>>> PrincipalStore::list(PrincipalName from, std::size_t limit) {
  const std::string prefix = PrincipalName{from.kind, {}}.text();
  BaseScan scan(context_.base, context_.id, {KeyKind::principal, from.text(), false}, kNamesPage);
  std::vector<std::string> names;
  while (names.size() < limit) {
    HG_CO_TRY(const auto item, co_await scan.next(context_.deadline()));
    if (!item || !item->name.starts_with(prefix)) break;
    HG_CO_TRY(const auto envelope, PrincipalEnvelope::decode(item->bytes));
    if (!envelope.is_deleted && item->name != prefix)
      names.push_back(item->name.substr(prefix.size()));
  }
  co_return names;
}

}  // namespace headgate
