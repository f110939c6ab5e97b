// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "database/document_writer.hpp"
#include "database/revision_edit.hpp"

namespace headgate {

/// One call of DocumentWriter::write() on its way: works in rounds, each with the first waiting
/// item of as many documents as fit; an item whose compare-and-swap was lost waits for the next
/// round. Every stage of a round takes out the items that it answered or sent back to wait.
/// Lives in the frame of that call.
class WriteBatch {
 public:
  WriteBatch(DatabaseContext& context, DocumentWriter::Statistics& statistics,
             std::shared_ptr<const Principal> writer, std::vector<WriteItem> items);

  Task<std::vector<Result<WriteAnswer>>> run();

 private:
  /// A number that an item drew and has not used yet.
  struct Held {
    Sequence sequence;
    WriteFence fence;
  };
  /// What is known in the present attempt.
  struct Attempt {
    DocumentEnvelope envelope;
    Cas cas;                       ///< 0: there was no value
    bool is_new = false;           ///< there was no document, or a purged one
    std::set<Key> old_parts;       ///< parts_of() the envelope as it was read
    std::optional<Revision> base;  ///< base_revision()
    RevisionEdit edit;
    SyncOutput output;                    ///< of the new revision
    std::optional<SyncOutput> of_winner;  ///< decides channels and grants; none: they stay
    std::vector<Key> new_parts;           ///< that it did not have
    std::vector<Key> unused_parts;        ///< that it has no more
    Condition is_still;                   ///< the document is as this attempt wrote it
    FeedRecord record;
    bool changes_rights = false;  ///< grants something, or stops granting it
    Reply reply;
  };
  struct Pending {
    std::size_t index = 0;
    WriteItem item;
    int attempts = 0;
    bool is_in_round = false;
    bool is_answered = false;
    Attempt now;
    std::optional<Held> held;
    std::vector<Sequence> abandoned;
  };
  using Round = std::vector<Pending*>;
  /// Channels left and principals concerned by what the sync function says of the winner.
  struct Assigned {
    std::vector<std::string> removals;
    std::vector<std::string> grants;
  };
  static Assigned assign_output(DocumentEnvelope& envelope, const SyncOutput& output, Sequence at);
  struct WantedBody {
    Pending* pending;
    Revision rev;
  };

  Round next_round();
  Task<void> run_round(Round round);

  // Reading and deciding (write_batch.cpp).
  Task<void> load(Round& round);
  bool draws_ahead(const Round& round) const;
  Task<void> draw_ahead(Pending& pending);
  void take_envelope(Pending& pending, const Reply& reply);
  Task<void> inline_base_bodies(Round& round);
  Task<void> inline_winner_bodies(Round& round);
  Task<void> inline_bodies(std::vector<WantedBody> wanted);
  void edit(Round& round);
  Task<void> run_sync_function(Round& round);
  Task<void> run_for_promoted(Round& round);
  void leave_out_unchanged(Round& round);
  Result<RevisionEdit> edit_of(Pending& pending, const EditRules& rules);
  Task<std::vector<Result<SyncOutput>>> judge(std::vector<SyncInput> inputs);
  void take_output(Pending& pending, Result<SyncOutput> output);
  Result<void> set_expiry(Pending& pending);

  // Writing (write_batch_store.cpp).
  Task<void> store_parts(Round& round);
  std::vector<Operation> settle(Pending& pending);
  Task<void> take_over_parts(Round owners, std::vector<Key> keys);
  Task<void> allocate(Round& round);
  Task<Result<void>> allocate_for(Round items);
  void seal(Pending& pending);
  Durability durability_of(const Pending& pending) const;
  Task<void> write_base(Round& round);
  Task<void> find_outcomes(Round unknown);
  Task<void> write_cache(Round& round);
  Task<void> write_cache_under(Round items, WriteFence fence);
  /// Answers those of not_in_force_, once the cache writer has done their cache work.
  Task<void> await_rights();
  Task<std::vector<bool>> are_in_force(Round items);
  Task<void> drop_unused_parts(Round& round);
  Task<void> release_unused();

  void retry(Pending& pending, Error why);
  void answer(Pending& pending, Result<WriteAnswer> answer);
  void succeed(Pending& pending);
  void succeed_without_cache(Pending& pending);
  void give_up(Pending& pending, std::string_view why);

  DatabaseContext& context_;
  DocumentWriter::Statistics& statistics_;
  std::shared_ptr<const DatabaseConfig> config_;
  std::shared_ptr<const SyncFunction> sync_function_;
  std::shared_ptr<const Principal> writer_;
  std::list<Pending> waiting_;
  std::vector<std::optional<Result<WriteAnswer>>> answers_;
  Round not_in_force_;            ///< stored, but what they grant is not in force yet
  std::vector<Sequence> unused_;  ///< of items that failed
};

}  // namespace headgate
