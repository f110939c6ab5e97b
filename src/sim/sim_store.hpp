// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/signal.hpp"
#include "bucket/bucket.hpp"
#include "sim/sim_environment.hpp"
#include "sim/sim_faults.hpp"
#include "sim/sim_messages.hpp"
#include "sim/sim_partition.hpp"
#include "sim/sim_world.hpp"

namespace headgate {

/// The operations of one call on one partition, on their way.
struct SimBatch {
  NodeNumber node;
  std::vector<std::size_t> places = {};  ///< in the call
  std::vector<Operation> operations = {};
  std::vector<Reply> replies = {};  ///< of the first execution, as far as it has come
};

/// What a feed brings from one partition.
struct SimFetched {
  FeedPosition at;
  std::vector<FeedEntry> entries = {};
  bool is_rolled_back = false;
  bool is_stalled = false;
};

/// A simulated cluster: partitions, each with a master and replicas; a replica holds a prefix of
/// its master's writes. Nodes reach it through SimBucket over a network that fails as faults() say.
/// The other functions are the driver's and the checkers': they act at once and see everything.
/// The world must outlive it; it must outlive its buckets, and no step may follow its end.
///
/// Invariants
/// 1. Versions (cas) and history ids are never given twice, under no history and by no master.
/// 2. A write that a passed barrier or an acknowledgement with Durability::replicated covers (with
///    no replicas: disk) is lost by no failover, only by flush() and restore().
class SimStore {
 public:
  struct Options {
    std::string name = "store";  ///< separates its choices from those of another store
    std::size_t partitions = 1;
    /// Of each partition. With none a failover is a restart that loses unsynced writes.
    std::size_t replicas = 1;
  };

  SimStore(SimWorld& world, Options options);
  SimStore(const SimStore&) = delete;
  SimStore& operator=(const SimStore&) = delete;

  SimFaults& faults() { return faults_; }
  SimWorld& world() { return world_; }

  struct Failover {
    /// So many of the last writes, but none that is covered; besides all that no replica has.
    std::size_t lose = 0;
    /// These nodes still reach the old master, which goes on under the old history, until heal()
    /// (F11). Its later writes are lost.
    std::set<NodeNumber> stay_with_old = {};
  };
  /// F5, F7: a replica becomes the partition's master under a new history id. Requests that wait
  /// for a replica on the old master are not answered. Returns the number of writes lost.
  std::size_t fail_over(PartitionNumber partition, Failover how);
  /// The embedded form of it: the store ends with the process that uses it, so that what was
  /// underway never arrives. REQUIRES: one partition.
  void restart(std::size_t lose);
  /// The old master of `partition`, if it still serves nodes, gives up. Idempotent.
  void heal(PartitionNumber partition);
  bool has_two_masters(PartitionNumber partition) const;
  /// When what `node` reads of `partition` at `when` was last the truth: `when`, or the moment in
  /// which the old master that answers it was left behind (F11).
  TimePoint answers_as_of(NodeNumber node, PartitionNumber partition, TimePoint when) const;
  /// C6: every partition loses everything, covered or not, under a new history.
  void flush();

  /// Messages between `node` and `partition` do not pass until connect(): those underway are lost
  /// or arrive later, by chance; calls begun meanwhile end in unavailable or
  /// timeout_unknown_outcome.
  void cut(NodeNumber node, PartitionNumber partition);
  void connect(NodeNumber node, PartitionNumber partition);
  /// The master of `partition` answers `unavailable`, and nothing is carried out, until it is up.
  void set_down(PartitionNumber partition, bool is_down);
  /// Feeds of `node` show nothing until then (F9). With now() or earlier: they go on.
  void hold_feeds(NodeNumber node, TimePoint until);
  /// Every cut, refusal, second master, held feed and fault strength ends.
  void heal_all();

  /// F12. A snapshot is of one moment; restoring begins new histories that have nothing in common
  /// with any other: readers of feeds begin again. Whoever restores has stopped everything before:
  /// requests underway never arrive.
  using Snapshot = std::vector<SimMaster>;
  Snapshot take_snapshot() const;
  void restore(const Snapshot& snapshot);

  PartitionNumber partition_of(const Key& key) const;
  std::size_t partition_count() const { return partitions_.size(); }
  /// Of the master that survives.
  HistoryId history(PartitionNumber partition) const;
  /// All of its histories, oldest first.
  const std::vector<HistoryStart>& histories(PartitionNumber partition) const;
  /// How many writes the master of `partition` holds, and how many of them are covered.
  std::size_t write_count(PartitionNumber partition) const;
  std::size_t covered_count(PartitionNumber partition) const;
  /// How many writes the master of its partition holds from this one on; 0: it is lost.
  std::size_t writes_since(const SimMutation& write) const;
  /// The surviving value: as Get answers.
  Reply read(const Key& key) const;
  /// As Bucket::scan, of what survives.
  std::vector<Bucket::ScanPage::Item> scan(const Bucket::Scan& scan) const;
  /// The feed of `database` in one partition, as it survives, superseded entries among them.
  std::vector<SimMaster::FeedRecord> feed(PartitionNumber partition, DatabaseId database) const;
  /// Every write ever carried out, in that order; `is_lost` marks what does not survive.
  const std::deque<SimMutation>& mutations() const { return journal_.mutations; }
  /// Sees every write when it has been carried out. It must not change anything.
  void set_observer(std::function<void(const SimMutation&)> observer) {
    journal_.observer = std::move(observer);
  }

 private:
  friend class SimBucket;
  friend class SimFeed;
  friend class SimCaller;

  SimPartition& at(PartitionNumber partition) { return partitions_.at(partition.value()); }
  SimMaster::Request request_of(NodeNumber node) const;
  ChoiceScope scope_of(PartitionNumber partition) const;
  bool is_full() const { return faults_.refusal == Errc::no_space; }

  // What a request does at the master it reached. `done` is called once, perhaps later: with the
  // master, or null if a failover ended it.
  void carry_out(PartitionNumber partition, SimMaster& master, std::shared_ptr<SimBatch> batch,
                 std::function<void(SimMaster*)> done);
  // The same once more: what was done is done twice.
  void repeat(PartitionNumber partition, SimMaster& master, const SimBatch& batch);
  void carry_out_up_to(std::size_t end, PartitionNumber partition, SimMaster& master,
                       SimBatch& batch);
  bool is_interrupted(PartitionNumber partition);
  Reply carry_out(SimMaster& master, const Operation& operation, const SimMaster::Request& request,
                  bool survives);
  void drop_database(PartitionNumber partition, SimMaster& master, DatabaseId database,
                     NodeNumber node);
  SimFetched fetch(const SimMaster& master, PartitionNumber partition, DatabaseId database,
                   FeedPosition at, std::size_t limit, ChoiceScope scope);

  std::uint64_t watch(Signal& changed);
  void unwatch(std::uint64_t watch) { watchers_.erase(watch); }
  void wake_feeds();
  bool is_feed_held(NodeNumber node) const;
  void mark_lost();

  SimWorld& world_;
  const std::size_t replicas_;
  SimFaults faults_;
  SimJournal journal_;
  std::deque<SimPartition> partitions_;
  SimMessages messages_;
  std::map<NodeNumber, TimePoint> held_feeds_;
  std::map<std::uint64_t, Signal*> watchers_;
  std::uint64_t watches_ = 0;
};

}  // namespace headgate
