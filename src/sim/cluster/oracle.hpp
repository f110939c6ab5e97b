// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cache/stable_record.hpp"
#include "document/envelope.hpp"
#include "sim/cluster/script.hpp"
#include "sim/sim_store.hpp"

namespace headgate {

/// One row of a feed as a client reads it.
struct SeenChange {
  std::string seq;
  std::string id;
  std::string rev;
  bool is_deleted = false;
  std::set<std::string> removed;
  bool is_revoked = false;
};

struct SeenBatch {
  std::vector<SeenChange> rows;
  std::string last_seq;
  bool is_end = false;
  TimePoint pass_began;  ///< for users; the pass that brought the rows began no earlier
};

/// A promise that was not kept.
struct Violation {
  std::string invariant;  ///< "I1" ..., or the rule that says it
  TimePoint when;
  std::string what;
};

/// What one following client holds. A value.
struct Replica {
  struct Held {
    std::size_t version = 0;  ///< the client has this one or a later one: index in the history
    std::string rev;
    bool is_deleted = false;
    bool has_left = false;  ///< left one of the client's channels by that change
  };
  std::map<std::string, Held> documents;
};

/// Who follows what.
struct Reader {
  std::string name;                ///< for messages
  std::string user;                ///< empty: an admin
  std::set<std::string> channels;  ///< named in the request; empty: all that it may see
};

/// Knows what really happened, from the stores' journals, and judges what clients saw. It shares
/// with the code under test the formats of stored values, nothing else. The stores must outlive it.
class Oracle {
 public:
  Oracle(SimWorld& world, SimStore& base, SimStore& cache, DatabaseId database,
         const ScriptSettings& settings);
  ~Oracle();

  // --- What happened ---

  /// A write was answered: it is stored under this sequence (0: it was known already).
  void acknowledged_document(const std::string& id, const std::string& rev, Sequence sequence,
                             Durability durability);
  /// The same for a user or role: `name` as principals are stored.
  void acknowledged_principal(const std::string& name, Sequence sequence);
  /// The stores were restored from a backup: what they hold now is all that ever was (F12).
  void begin_again();
  /// The write that carries `number` was refused: it must never be stored.
  void refused(std::uint32_t number);

  /// Is shown every write of both stores, too. It must not change anything.
  void set_watcher(std::function<void(const SimMutation&)> watcher) {
    watcher_ = std::move(watcher);
  }

  // --- What clients see ---

  /// A client is sent this: I2, I7. Updates what it holds.
  void deliver(const Reader& reader, Replica& replica, const SeenChange& change,
               TimePoint pass_began);
  /// Whether the client holds what it has to when everything has been told; what is wrong, or
  /// nothing. I1.
  std::optional<std::string> missing(const Reader& reader, const Replica& replica) const;
  /// The documents that the client holds and may see as they are now.
  std::set<std::string> readable(const Reader& reader, const Replica& replica) const;
  /// Of the version that a client has of a document.
  Sequence sequence_held(const std::string& id, const Replica::Held& held) const {
    return documents_.at(id).at(held.version).sequence;
  }
  /// How often somebody who stays connected may be sent this row in one epoch.
  std::size_t times_written(const std::string& id, const std::string& rev) const;
  /// How many epochs a stable record was published in.
  std::size_t epochs_published() const { return epochs_published_.size(); }
  /// No failover took what a client would be told of a revocation by: the entry of a revision
  /// that is not the present one is announced by nobody again.
  bool has_lost_nothing() const;
  /// False: a user that was never made, or that a failover took.
  bool exists(const Reader& reader) const;
  /// The client's rights never changed.
  bool has_fixed_rights(const Reader& reader) const;

  // --- At the end ---

  /// Stable has come to the last surviving write, in a record that readers believe.
  bool is_stable_complete() const;
  /// Faults are over and everything was audited: from now on nobody is sent what was lost (I6).
  void all_is_settled() { is_settled_ = true; }
  /// I4, I6, I9 on what survives.
  void check_end();
  /// A revision of that document survives.
  bool has_revision(const std::string& id, const std::string& rev) const;

  const std::optional<Violation>& violation() const { return violation_; }
  void fail(std::string invariant, std::string what);
  /// Journal of one document, for people.
  std::string history_of(const std::string& id) const;
  /// The same of a user's rights.
  std::string rights_of(const std::string& user) const;
  Sequence last_sequence() const;

 private:
  /// A document after one write.
  struct Version {
    const SimMutation* write = nullptr;
    Sequence sequence = {};
    std::string rev = {};
    bool is_deleted = false;
    std::set<std::string> channels = {};
    std::map<std::string, std::set<std::string>> granted = {};  ///< by principal, as stored
    std::map<std::string, std::set<std::string>> granted_roles = {};
    std::vector<Sequence> recent = {};
    std::set<std::string> leaves = {};
    std::optional<TimePoint> acknowledged = {};
    bool is_replicated = false;  ///< acknowledged with that durability
    std::uint32_t moves = 0;     ///< to another number since anybody changed it
  };
  /// A user or role after one write.
  struct Rights {
    const SimMutation* write = nullptr;
    Sequence sequence = {};
    std::set<std::string> channels = {};
    std::set<std::string> roles = {};
    std::optional<TimePoint> acknowledged = {};
  };

  void take_journals();
  void saw_base(const SimMutation& mutation);
  void saw_document(const SimMutation& mutation);
  void check_moves(const std::string& id, Version& version, const Version* before);
  void saw_principal(const SimMutation& mutation);
  void use_sequence(Sequence sequence, const SimMutation& mutation);
  void saw_cache(const SimMutation& mutation);
  void saw_sequence_document(const SimMutation& mutation);
  bool is_folded(Key document) const;
  void saw_stable(const SimMutation& mutation);
  void check_id(const Reader& reader, const SeenChange& change);
  void check_accounted(const StableRecord& record, const std::string& generation);
  bool is_current(const StableRecord& record) const;

  /// The present one: the last that no failover took. Null: none.
  template <class Entry>
  static const Entry* surviving(const std::vector<Entry>& history) {
    for (auto entry = history.rbegin(); entry != history.rend(); ++entry)
      if (!entry->write->is_lost) return &*entry;
    return nullptr;
  }
  /// Adds what `names_of` an entry of the history gave, unless the write that took it away was
  /// acknowledged before the pass began.
  template <class Entry, class NamesOf>
  static void add_possible(std::set<std::string>& names, const std::vector<Entry>& history,
                           TimePoint pass_began, NamesOf names_of);
  /// Every channel that a pass that began then may show, by any write not yet superseded for sure.
  std::set<std::string> allowed(const std::string& user, TimePoint pass_began) const;
  std::set<std::string> rights_now(const std::string& user) const;
  std::optional<std::string> compare(const Reader& reader, const Replica& replica,
                                     const std::string& id,
                                     const std::vector<Version>& history) const;
  bool is_untraceable(const Version& version) const;
  bool may_be_passed(const Version& now, const Version& ghost) const;
  static bool is_visible(const Version* now, const std::set<std::string>& seen);
  std::set<std::string> seen_now(const Reader& reader) const;
  static bool changes_rights(const std::vector<Version>& history, const Version& version);

  SimWorld& world_;
  SimStore& base_;
  SimStore& cache_;
  DatabaseId database_;
  const ScriptSettings settings_;
  std::map<std::string, std::vector<Version>> documents_;
  std::map<std::string, std::vector<Rights>> principals_;
  std::map<Sequence, const SimMutation*> used_;
  std::map<std::uint32_t, std::string> written_;  // numbers of writes, with their document
  std::set<std::uint32_t> refused_;

  // Of the cache, by generation: what tells its keys apart.
  std::map<std::pair<std::string, Sequence>, const SimMutation*> sequence_documents_;
  std::map<std::pair<std::string, Sequence>, const SimMutation*> removed_documents_;
  std::map<std::pair<std::string, Sequence>, const SimMutation*> live_documents_;  // the last ones
  std::string generation_;
  std::set<Key> stable_keys_;
  Sequence highest_published_;                             ///< by anybody, lost or not
  std::vector<std::pair<TimePoint, Sequence>> published_;  ///< each time that it rose
  std::set<Epoch> epochs_published_;
  bool is_settled_ = false;
  Sequence highest_stable_;
  Sequence checked_;
  std::vector<HistoryId> checked_under_;

  std::optional<Violation> violation_;
  std::function<void(const SimMutation&)> watcher_;
};

}  // namespace headgate
