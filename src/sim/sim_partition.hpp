// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bucket/bucket.hpp"
#include "bucket/memory/memory_partition.hpp"
#include "sim/sim_world.hpp"

namespace headgate {

/// A write that a simulated store carried out.
struct SimMutation {
  enum class Kind : std::uint8_t { insert, replace, remove, append, increment, drop_database };
  Kind kind{};
  Key key = {};
  std::string bytes = {};    ///< insert, replace: the value; append: what was added
  std::uint64_t number = 0;  ///< increment: the counter's new value; append: the new length
  Cas cas = {};
  std::optional<std::string> feed_entry = {};
  PartitionNumber partition = {};
  PartitionPosition position = {};  ///< with a feed entry
  HistoryId history = {};           ///< under which it was carried out
  NodeNumber node = {};             ///< whose request it was
  TimePoint when = {};
  bool is_lost = false;    ///< no longer, or never, part of what the surviving master holds
  TimePoint lost_at = {};  ///< when that began, if it survived at first
};

/// All writes of one store that were ever carried out, and what is given only once in it.
class SimJournal {
 public:
  explicit SimJournal(Choices& choices, std::string_view store);

  SimMutation& add(SimMutation mutation);
  /// Random: nothing may rely on the order of history ids.
  HistoryId next_history();
  /// For choices about a part of this store.
  ChoiceScope scope(std::uint64_t part) const { return ChoiceScope(mix_bits(name_hash_ + part)); }

  Cas last_version;
  std::deque<SimMutation> mutations;
  std::function<void(const SimMutation&)> observer;

 private:
  Choices& choices_;
  const std::uint64_t name_hash_;
  std::set<HistoryId> given_;
};

/// One copy of a partition that takes writes: its values, and its writes in their order.
class SimMaster {
 public:
  SimMaster(PartitionNumber number, HistoryId first) : number_(number), data_(number, first) {}

  struct Request {
    NodeNumber node;
    TimePoint when;
    WallTime wall;
  };
  /// Carries out one operation that check() passed. With `survives` false the write is lost from
  /// the start, as those of an old master are.
  Reply execute(const Operation& operation, const Request& request, bool survives,
                SimJournal& journal);
  void drop_database(DatabaseId database, const Request& request, bool survives,
                     SimJournal& journal);
  Reply read(const Key& key, WallTime wall) const { return data_.get(key, wall); }
  std::vector<Bucket::ScanPage::Item> scan(const Bucket::Scan& scan, WallTime wall) const {
    return data_.scan(scan, wall);
  }

  struct FeedRecord {
    const SimMutation* write;
    bool is_superseded;
  };
  /// The entries of `database` after `after`, superseded ones among them.
  std::vector<FeedRecord> feed(DatabaseId database, PartitionPosition after) const;
  PartitionPosition head(DatabaseId database) const { return data_.head(database); }

  /// Goes on under `next` with the first `kept` writes.
  void fail_over(HistoryId next, std::size_t kept);
  void restart_histories(HistoryId only) { data_.restart_histories(only); }
  /// Writes from now on hide no entry of an earlier one from the feed. A reader that follows an old
  /// master comes back to a history whose start does not know what those writes superseded.
  void keep_superseded() { fork_ = log_.size(); }

  HistoryId history() const { return data_.history(); }
  const std::vector<HistoryStart>& histories() const { return data_.histories(); }
  std::size_t write_count() const { return log_.size(); }
  const std::vector<SimMutation*>& log() const { return log_; }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  struct FeedSlot {
    std::size_t write;               // index in log_
    std::size_t superseded = kNone;  // by the write of this index
  };

  void enter(SimMutation mutation, bool survives, SimJournal& journal);

  PartitionNumber number_;
  MemoryPartition data_;
  std::vector<SimMutation*> log_;
  std::vector<FeedSlot> feed_;
  std::map<Key, std::size_t> entered_;         // the key's newest slot in feed_
  std::map<DatabaseId, std::size_t> dropped_;  // by the write of this index
  std::size_t fork_ = kNone;
};

/// One partition: its master, perhaps an old master beside it, and its replicas as lengths of the
/// prefix they hold.
class SimPartition {
 public:
  SimPartition(SimWorld& world, SimJournal& journal, PartitionNumber number, std::size_t replicas);

  SimMaster& master_for(NodeNumber node);
  SimMaster& surviving() { return main_; }
  const SimMaster& surviving() const { return main_; }
  bool is_surviving(const SimMaster& master) const { return &master == &main_; }
  bool has_two_masters() const { return old_ != nullptr; }
  /// What `node` reads at `when` is what the surviving master held then, or, where an old master
  /// answers it (F11), what was there when that one was left behind.
  TimePoint answers_as_of(NodeNumber node, TimePoint when) const;

  /// To be called after writes on the surviving master: replicas follow after `lag`.
  void replicate(DelayRange lag);
  /// The writes that `master` holds survive failovers from now on, where one copy is enough for
  /// that: a store without replicas.
  void cover_without_replicas(const SimMaster& master);
  /// Calls `then` when the writes that `master` holds now are covered, perhaps at once; never if a
  /// failover comes first or `master` is an old one.
  void when_covered(const SimMaster& master, std::function<void()> then);

  /// Returns the number of writes lost.
  std::size_t fail_over(std::size_t lose, std::set<NodeNumber> stay_with_old, DelayRange lag);
  /// True if there was an old master.
  bool heal(DelayRange lag);
  void flush();
  void restore(const SimMaster& snapshot);

  std::size_t covered() const { return covered_; }
  bool is_down = false;

 private:
  struct Waiter {
    std::size_t length;
    std::function<void()> then;
  };
  struct Split {
    std::set<NodeNumber> nodes;
    TimePoint from;
    TimePoint to = TimePoint::max();
  };
  bool end_split();
  std::size_t best_replica() const;
  void reach(std::size_t replica, std::size_t length);
  void begin_again(std::size_t kept);

  SimWorld& world_;
  SimJournal& journal_;
  const PartitionNumber number_;
  const std::size_t replica_count_;
  SimMaster main_;
  std::unique_ptr<SimMaster> old_;
  std::set<NodeNumber> on_old_;
  std::vector<Split> splits_;  // oldest first; of one that goes on the end is far away
  std::size_t common_ = 0;     // what the old master has in common with the new one
  std::vector<std::size_t> replicas_;
  std::size_t covered_ = 0;
  std::uint64_t generation_ = 0;  // replication that was underway at a failover does not arrive
  std::deque<Waiter> waiters_;    // by length
};

}  // namespace headgate
