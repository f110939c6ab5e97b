// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "database/database_context.hpp"
#include "database/grant_codec.hpp"
#include "database/principal.hpp"
#include "database/principal_records.hpp"

namespace headgate {

/// Who gave a channel or a role.
struct GrantGiver {
  enum class Kind : std::uint8_t { admin, token, configuration, document };
  Kind kind = Kind::admin;
  std::string document;  ///< by whose access() or role()

  static GrantGiver of_document(std::string id) { return {Kind::document, std::move(id)}; }
};

/// Where one channel of a user comes from, for an administrator who asks why.
struct GrantOrigin {
  std::string channel;
  Sequence since;  ///< when the user could first read it this way
  GrantGiver by;
  std::string role;    ///< through which role; empty: the user's own
  GrantGiver role_by;  ///< who gave the role
};

/// A user with its rights as they were built for one pass.
struct BuiltPrincipal {
  std::shared_ptr<const Principal> principal;
  std::string password_hash;
  bool is_disabled = false;
  std::uint64_t token_issued_at = 0;  ///< as UserRecord has it
};

/// Builds users from their records and the live entries of hidden channels. Confined to its
/// executor. The context and records must outlive it, and the calls in flight.
class PrincipalBuilder {
 public:
  PrincipalBuilder(DatabaseContext& context, PrincipalRecords& records)
      : context_(context), records_(records) {}

  /// The empty name: the guest, if it has a record.
  /// Errors: not_found (no such user), unavailable, rolled_back, corrupted.
  Task<Result<BuiltPrincipal>> build(std::string name, PassStart pass);
  /// All ways by which the user holds channels, `!` left out; a role that does not exist gives
  /// none. The empty name is the guest, with or without a record. Errors: as build().
  Task<Result<std::vector<GrantOrigin>>> origins(std::string name, PassStart pass);
  /// What a role gives: its own channels and those that documents grant to it.
  /// Errors: not_found (no such role), unavailable, rolled_back, corrupted.
  Task<Result<Grants>> channels_of_role(std::string name, PassStart pass);
  /// The guest as configured, its channels granted from the beginning. Never suspends. Its hidden
  /// channel is announced when the configuration changes.
  std::shared_ptr<const Principal> guest() const;

 private:
  /// What the documents grant through one hidden channel.
  struct Granted {
    std::vector<std::pair<std::string, DocumentGrants>> by_document;  ///< with the documents' ids
    bool is_provisional = false;
    DocumentGrants all() const;
  };
  void keep_configured(UserRecord& guest) const;
  bool is_audited(const PassStart& pass, const PrincipalName& name,
                  const PrincipalRecords::Stored& stored) const;
  Task<Result<std::vector<Granted>>> read_grants(PassStart pass, std::vector<ChannelId> channels);
  /// What `held` roles give and gave.
  struct Roles {
    std::vector<HeldRole> present;
    std::map<std::string, RoleTimeline> timelines;
  };
  Result<std::vector<GrantOrigin>> origins_of_guest(const PrincipalRecords::Stored& stored) const;
  Task<Result<void>> add_role_origins(PassStart pass, GrantOrigin held,
                                      std::vector<GrantOrigin>& origins);
  Task<Result<Roles>> read_roles(PassStart pass, GrantTimeline held, Principal& principal);

  DatabaseContext& context_;
  PrincipalRecords& records_;
};

}  // namespace headgate
