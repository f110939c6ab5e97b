// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "access/channel_name.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "database/database_context.hpp"
#include "database/principal_envelope.hpp"

namespace headgate {

/// The stored records of users and roles, and the one way by which they are changed: a sequence, a
/// compare-and-swap with a feed entry, cache work in the principal's hidden channel with the access
/// counter raised. Confined to its executor. The context must outlive it, and the calls in flight.
class PrincipalRecords {
 public:
  struct Stored {
    PrincipalEnvelope envelope;
    Cas cas;            ///< 0: there is no value
    HistoryId history;  ///< of its partition in the base bucket
    /// Neither absent nor a tombstone.
    bool is_live() const { return cas != Cas() && !envelope.is_deleted; }
  };
  /// What a write makes of a record.
  struct NewRecord {
    std::string record;
    bool is_deleted = false;  ///< the record is what is kept of it, perhaps nothing
  };
  /// The record after a write at `at`, or none if nothing changes. Asked twice, first with sequence
  /// 0 to see whether a sequence is needed at all. Errors end the write.
  using Change =
      std::function<Result<std::optional<NewRecord>>(const Stored& present, Sequence at)>;
  struct Written {
    bool is_created = false;
    bool is_changed = false;
    Sequence sequence;
  };

  explicit PrincipalRecords(DatabaseContext& context) : context_(context) {}

  /// Errors: unavailable, corrupted, unsupported.
  Task<Result<Stored>> load(PrincipalName name);
  /// Whether the record was read under the history that `audited` was published for: on an unknown
  /// one rights may be older than they were (I7, R15).
  bool is_of(const StableRecord& audited, const PrincipalName& name, const Stored& stored) const;
  /// In the order of `names`.
  Task<Result<std::vector<Stored>>> load_many(std::vector<PrincipalName> names);
  /// Every number it draws is used, or released (PR 7316 of couchbase/sync_gateway), unless the
  /// outcome is unknown. Errors: the change's; overloaded (too many others write it), unavailable,
  /// no_space, too_large, timeout_unknown_outcome (also: stored, but its cache work is not done).
  Task<Result<Written>> write(PrincipalName name, Change change);

 private:
  Task<Result<Written>> write_holding(PrincipalName name, Change change,
                                      std::optional<Allocation>& held);
  Task<Reply> store(PrincipalName name, Stored stored);
  Task<Result<void>> find_outcome(PrincipalName name, Sequence sequence);
  Task<Result<void>> put_in_force(PrincipalName name, Stored stored);
  Task<Result<void>> make_durable(PrincipalName name, const Stored& stored);
  Task<Result<void>> await_audit(PrincipalName name, Sequence sequence);
  Task<Result<void>> write_cache(PrincipalName name, Stored stored, Reply reply, Allocation used);

  DatabaseContext& context_;
};

}  // namespace headgate
