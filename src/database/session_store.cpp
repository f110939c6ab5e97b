// SPDX-License-Identifier: Apache-2.0
#include "database/session_store.hpp"

#include <utility>

#include "database/base_keys.hpp"

namespace headgate {
namespace {

constexpr int kMaxAttempts = 5;

Error over() {
  return {Errc::unauthorized, "The session is over"};
}

}  // namespace

Key SessionStore::key(std::string_view id) const {
  const std::string name = session_digest(id);
  return {context_.id, KeyKind::session, base_tag_of(name), name};
}

Task<Result<SessionStore::Stored>> SessionStore::load(std::string id) {
  if (!is_session_id(id)) co_return over();
  const Reply reply = co_await context_.base.get(key(id), context_.deadline());
  if (reply.status == Errc::not_found) co_return over();
  if (!reply.ok()) co_return Error{Errc::unavailable, "reading a session"};
  HG_CO_TRY(Session session, decode_session(reply.bytes));
  if (session.ends_at <= context_.environment.wall_now()) co_return over();
  co_return Stored{std::move(session), reply.cas};
}

Task<Result<std::shared_ptr<const Principal>>> SessionStore::user_of(Session session) {
  auto user = co_await principals_.load(std::move(session.user));
  if (!user && user.error().code != Errc::not_found && user.error().code != Errc::unauthorized)
    co_return std::move(user).error();
  if (!user || (*user)->sessions_since != session.sessions_since) co_return over();
  co_return *std::move(user);
}

Task<Result<SessionStore::Begun>> SessionStore::begin(std::shared_ptr<const Principal> user,
                                                      std::chrono::seconds life, bool is_one_time) {
  Environment& random = context_.environment;
  Begun begun{make_session_id({random.random(), random.random(), random.random(), random.random()}),
              random.wall_now() + life};
  const Session session{user->name, user->sessions_since, begun.ends_at, life, is_one_time};
  // Whoever loses one to a power failure logs in again.
  WriteOptions options{.durability = Durability::memory, .expires = begun.ends_at};
  const Reply reply = co_await context_.base.insert(key(begun.id), encode(session),
                                                    std::move(options), context_.deadline());
  if (!reply.ok()) co_return Error{reply.status, "storing a session"};
  co_return begun;
}

Task<Result<SessionStore::Resumed>> SessionStore::resume(std::string id) {
  HG_CO_TRY(Stored stored, co_await load(id));
  if (stored.session.is_one_time) co_return over();
  HG_CO_TRY(auto user, co_await user_of(stored.session));
  Resumed resumed{std::move(user), stored.session.life, false};
  const auto left = stored.session.ends_at - context_.environment.wall_now();
  if (left * 10 <= stored.session.life * 9)
    resumed.is_renewed = co_await renew(std::move(id), std::move(stored));
  co_return resumed;
}

/// A failure costs nothing: the next request tries again. One that was removed stays so.
Task<bool> SessionStore::renew(std::string id, Stored stored) {
  stored.session.ends_at = context_.environment.wall_now() + stored.session.life;
  WriteOptions options{.durability = Durability::memory, .expires = stored.session.ends_at};
  const Reply reply = co_await context_.base.replace(key(id), encode(stored.session), stored.cas,
                                                     std::move(options), context_.deadline());
  co_return reply.ok();
}

Task<Result<std::shared_ptr<const Principal>>> SessionStore::take(std::string id) {
  HG_CO_TRY(const Stored stored, co_await load(id));
  if (!stored.session.is_one_time) co_return over();
  WriteOptions options{.durability = context_.durability_of_rights(Durability::disk)};
  const Reply reply =
      co_await context_.base.remove(key(id), stored.cas, std::move(options), context_.deadline());
  if (reply.status == Errc::not_found || reply.status == Errc::cas_mismatch) co_return over();
  if (!reply.ok()) co_return Error{reply.status, "ending a session"};
  co_return co_await user_of(stored.session);
}

Task<Result<Session>> SessionStore::find(std::string id) {
  auto stored = co_await load(std::move(id));
  if (stored) {
    const auto user = co_await user_of(stored->session);
    if (user) co_return std::move(stored->session);
    if (user.error().code != Errc::unauthorized) co_return user.error();
  } else if (stored.error().code != Errc::unauthorized) {
    co_return std::move(stored).error();
  }
  co_return Error{Errc::not_found, "no such session"};
}

Task<Result<void>> SessionStore::remove(std::string id) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const auto stored = co_await load(id);
    if (!stored && stored.error().code == Errc::unauthorized) co_return Result<void>();
    if (!stored) co_return stored.error();
    // It must not come back after it was acknowledged (I7).
    WriteOptions options{.durability = context_.durability_of_rights(Durability::disk)};
    const Reply reply = co_await context_.base.remove(key(id), stored->cas, std::move(options),
                                                      context_.deadline());
    if (reply.ok() || reply.status == Errc::not_found) co_return Result<void>();
    if (reply.status != Errc::cas_mismatch) co_return Error{reply.status, "ending a session"};
  }
  co_return Error{Errc::overloaded, "the session is renewed all the time"};
}

}  // namespace headgate
