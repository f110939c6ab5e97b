// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "database/database_context.hpp"
#include "database/grant_codec.hpp"
#include "database/principal.hpp"
#include "database/principal_records.hpp"

namespace headgate {

/// A user with its rights as they were built for one pass.
struct BuiltPrincipal {
  std::shared_ptr<const Principal> principal;
  std::string password_hash;
  bool is_disabled = false;
  std::uint64_t token_issued_at = 0;  ///< as UserRecord has it
  /// An entry of a hidden channel was not complete yet: not to be remembered (R5b, R15b).
  bool is_provisional = false;
};

/// Builds users from their records and the live entries of hidden channels. Confined to its
/// executor. The context and records must outlive it, and the calls in flight.
class PrincipalBuilder {
 public:
  PrincipalBuilder(DatabaseContext& context, PrincipalRecords& records)
      : context_(context), records_(records) {}

  /// Errors: not_found (no such user), unavailable, rolled_back, corrupted.
  Task<Result<BuiltPrincipal>> build(std::string name, PassStart pass);
  /// The guest as configured. Never suspends.
  std::shared_ptr<const Principal> guest() const;

 private:
  /// What the documents grant through one hidden channel.
  struct Granted {
    DocumentGrants grants;
    bool is_provisional = false;
  };
  bool is_audited(const PassStart& pass, const PrincipalName& name,
                  const PrincipalRecords::Stored& stored) const;
  Task<Result<std::vector<Granted>>> read_grants(PassStart pass, std::vector<ChannelId> channels);
  Task<Result<std::vector<HeldRole>>> read_roles(PassStart pass, Grants roles,
                                                 BuiltPrincipal& built, Principal& principal);

  DatabaseContext& context_;
  PrincipalRecords& records_;
};

}  // namespace headgate
