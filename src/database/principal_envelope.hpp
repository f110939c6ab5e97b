// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/principal.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "cache/cache_entry.hpp"

namespace headgate {

/// What is stored under a user's or role's key: its record, or the tombstone that a deletion
/// leaves so that the numbers it used stay known (couchbase/sync_gateway#3824).
struct PrincipalEnvelope {
  Sequence sequence;  ///< of the last write
  bool is_deleted = false;
  /// Earlier sequences, ascending; those that a slow feed may still have to learn of.
  std::vector<Sequence> recent;
  std::string record;  ///< encode(UserRecord) or encode(RoleRecord); of a deleted user empty

  /// Makes `next` the sequence, and the one before a recent one. Of kRecentSequencesMax or more
  /// those below `stable` go, but never the newest kRecentSequencesMin.
  void advance(Sequence next, Sequence stable);
  /// R10: moves it to `to`. What it grants since a number of `lost` it grants since `to`: a client
  /// that has passed the lost number is given it all the same. Errors: corrupted, unsupported.
  Result<void> resequence(const PrincipalName& name, const std::set<Sequence>& lost, Sequence to,
                          Sequence stable);
  /// What a write of it puts on the feed: an entry in the principal's own hidden channel.
  FeedRecord feed_record(const PrincipalName& name) const;

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<PrincipalEnvelope> decode(std::string_view bytes);

  friend bool operator==(const PrincipalEnvelope&, const PrincipalEnvelope&) = default;
};

}  // namespace headgate
