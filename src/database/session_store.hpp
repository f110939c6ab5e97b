// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "access/session.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "database/database_context.hpp"
#include "database/principal_store.hpp"

namespace headgate {

/// The sessions of one database's users, in the base bucket: they outlive the process and are known
/// to every node. A session ends at its time, by remove(), and with a new password, the disabling
/// or the deletion of its user (UserRecord::sessions_since).
/// Confined to its executor. Context and principals must outlive it, and the calls in flight.
class SessionStore {
 public:
  static constexpr std::chrono::minutes kOneTimeLife{5};

  struct Begun {
    std::string id;  ///< the secret
    WallTime ends_at;
  };
  struct Resumed {
    std::shared_ptr<const Principal> user;
    std::chrono::seconds life{};
    bool is_renewed = false;  ///< it now lasts for `life` again
  };

  SessionStore(DatabaseContext& context, PrincipalStore& principals)
      : context_(context), principals_(principals) {}

  /// For a user, as loaded now. Errors: unavailable, overloaded, no_space, timeout_unknown_outcome
  /// (nobody knows the id: it ends by itself).
  Task<Result<Begun>> begin(std::shared_ptr<const Principal> user, std::chrono::seconds life,
                            bool is_one_time = false);
  /// The user of a session, renewed if a tenth of its life has passed.
  /// Errors: unauthorized (none such, or over), unavailable, corrupted.
  Task<Result<Resumed>> resume(std::string id);
  /// The user of a one-time session, which ends: of two calls one succeeds.
  /// Errors: also timeout_unknown_outcome (it may have ended).
  Task<Result<std::shared_ptr<const Principal>>> take(std::string id);
  /// Whose session it is, for an admin. Errors: not_found (none such, or over), unavailable.
  Task<Result<Session>> find(std::string id);
  /// Ends it; one that is over or unknown is no error.
  /// Errors: unavailable, overloaded, timeout_unknown_outcome.
  Task<Result<void>> remove(std::string id);

 private:
  struct Stored {
    Session session;
    Cas cas;
  };
  Key key(std::string_view id) const;
  Task<Result<Stored>> load(std::string id);
  Task<Result<std::shared_ptr<const Principal>>> user_of(Session session);
  Task<bool> renew(std::string id, Stored stored);

  DatabaseContext& context_;
  PrincipalStore& principals_;
};

}  // namespace headgate
