// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_partition.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

SimMutation describe(const operation::Insert& o) {
  return {.kind = SimMutation::Kind::insert, .bytes = o.value};
}
SimMutation describe(const operation::Replace& o) {
  return {.kind = SimMutation::Kind::replace, .bytes = o.value};
}
SimMutation describe(const operation::Remove&) {
  return {.kind = SimMutation::Kind::remove};
}
SimMutation describe(const operation::Append& o) {
  return {.kind = SimMutation::Kind::append, .bytes = o.bytes};
}
SimMutation describe(const operation::Increment&) {
  return {.kind = SimMutation::Kind::increment};
}

SimMutation describe_write(const Operation& operation) {
  return std::visit(
      [](const auto& o) -> SimMutation {
        if constexpr (requires { o.options; }) return describe(o);
        return {};
      },
      operation);
}

}  // namespace

SimJournal::SimJournal(Choices& choices, std::string_view store)
    : choices_(choices), name_hash_(fnv1a(store)) {}

SimMutation& SimJournal::add(SimMutation mutation) {
  mutations.push_back(std::move(mutation));
  if (observer) observer(mutations.back());
  return mutations.back();
}

HistoryId SimJournal::next_history() {
  while (true) {
    const HistoryId id(1 + choices_.below("history id", 1'000'000, scope(0)));
    if (given_.insert(id).second) return id;
  }
}

Reply SimMaster::execute(const Operation& operation, const Request& request, bool survives,
                         SimJournal& journal) {
  data_.skip_versions(journal.last_version);
  const std::size_t before = data_.operation_count();
  Reply reply = data_.execute(operation, request.wall);
  journal.last_version = data_.last_version();
  if (data_.operation_count() == before) return reply;
  SimMutation mutation = describe_write(operation);
  mutation.key = key_of(operation);
  mutation.number = reply.number;
  mutation.cas = journal.last_version;
  mutation.feed_entry = options_of(operation)->feed_entry;
  mutation.position = reply.position;
  mutation.node = request.node;
  mutation.when = request.when;
  enter(std::move(mutation), survives, journal);
  return reply;
}

void SimMaster::drop_database(DatabaseId database, const Request& request, bool survives,
                              SimJournal& journal) {
  data_.drop_database(database);
  dropped_[database] = log_.size();
  enter({.kind = SimMutation::Kind::drop_database,
         .key = {.database = database, .kind = {}, .tag = {}, .name = {}},
         .node = request.node,
         .when = request.when},
        survives, journal);
}

void SimMaster::enter(SimMutation mutation, bool survives, SimJournal& journal) {
  mutation.partition = number_;
  mutation.history = history();
  mutation.is_lost = !survives;
  const std::size_t index = log_.size();
  log_.push_back(&journal.add(std::move(mutation)));
  if (!log_.back()->feed_entry) return;
  const auto [at, is_new] = entered_.try_emplace(log_.back()->key, feed_.size());
  if (!is_new) feed_[std::exchange(at->second, feed_.size())].superseded = index;
  feed_.push_back({.write = index});
}

std::vector<SimMaster::FeedRecord> SimMaster::feed(DatabaseId database,
                                                   PartitionPosition after) const {
  const auto dropped = dropped_.find(database);
  const std::size_t begin = dropped == dropped_.end() ? 0 : dropped->second;
  const auto first = std::upper_bound(
      feed_.begin(), feed_.end(), after,
      [&](PartitionPosition p, const FeedSlot& slot) { return p < log_[slot.write]->position; });
  std::vector<FeedRecord> records;
  for (auto slot = first; slot != feed_.end(); ++slot) {
    const SimMutation* write = log_[slot->write];
    if (write->key.database != database || slot->write < begin) continue;
    records.push_back({write, slot->superseded != kNone && slot->superseded < fork_});
  }
  return records;
}

void SimMaster::fail_over(HistoryId next, std::size_t kept) {
  data_.fail_over(next, kept);
  log_.resize(kept);
  fork_ = kNone;
  std::erase_if(feed_, [&](const FeedSlot& slot) { return slot.write >= kept; });
  std::erase_if(dropped_, [&](const auto& drop) { return drop.second >= kept; });
  entered_.clear();
  for (std::size_t i = 0; i < feed_.size(); ++i) {
    entered_[log_[feed_[i].write]->key] = i;
    if (feed_[i].superseded >= kept) feed_[i].superseded = kNone;
  }
}

SimPartition::SimPartition(SimWorld& world, SimJournal& journal, PartitionNumber number,
                           std::size_t replicas)
    : world_(world),
      journal_(journal),
      number_(number),
      replica_count_(replicas),
      main_(number, journal.next_history()),
      replicas_(replicas) {}

SimMaster& SimPartition::master_for(NodeNumber node) {
  return old_ && on_old_.contains(node) ? *old_ : main_;
}

std::size_t SimPartition::best_replica() const {
  if (replica_count_ == 0) return main_.write_count();
  return replicas_.empty() ? 0 : *std::max_element(replicas_.begin(), replicas_.end());
}

void SimPartition::replicate(DelayRange lag) {
  const std::size_t length = main_.write_count();
  const bool is_instant = lag.max <= std::chrono::nanoseconds::zero();
  for (std::size_t replica = 0; replica < replicas_.size(); ++replica) {
    if (replicas_[replica] >= length) continue;
    if (is_instant) {
      reach(replica, length);
      continue;
    }
    const ChoiceScope scope = journal_.scope(number_.value() * 16 + replica);
    world_.after(world_.choices().duration("replication lag", lag, scope), {.label = "replicate"},
                 [this, replica, length, generation = generation_] {
                   if (generation == generation_) reach(replica, length);
                 });
  }
}

void SimPartition::reach(std::size_t replica, std::size_t length) {
  replicas_[replica] = std::max(replicas_[replica], length);
  while (!waiters_.empty() && waiters_.front().length <= length) {
    const Waiter waiter = std::move(waiters_.front());
    waiters_.pop_front();
    covered_ = std::max(covered_, waiter.length);
    waiter.then();
  }
}

void SimPartition::cover_without_replicas(const SimMaster& master) {
  if (replica_count_ == 0 && is_surviving(master)) covered_ = master.write_count();
}

void SimPartition::when_covered(const SimMaster& master, std::function<void()> then) {
  if (!is_surviving(master)) return;
  const std::size_t length = master.write_count();
  if (best_replica() < length) {
    waiters_.push_back({length, std::move(then)});
    return;
  }
  covered_ = length;
  then();
}

std::size_t SimPartition::fail_over(std::size_t lose, std::set<NodeNumber> stay_with_old,
                                    DelayRange lag) {
  heal(lag);
  const std::size_t length = main_.write_count();
  const std::size_t wanted = length - std::min(length, lose);
  const std::size_t kept = std::max(covered_, std::min(wanted, best_replica()));
  HG_ASSERT(stay_with_old.empty() || replica_count_ > 0);
  old_ = stay_with_old.empty() ? nullptr : std::make_unique<SimMaster>(main_);
  if (old_) old_->keep_superseded();
  if (old_) splits_.push_back({.nodes = stay_with_old, .from = world_.now()});
  on_old_ = std::move(stay_with_old);
  main_.fail_over(journal_.next_history(), kept);
  // The replica that held most is the master now. The old master becomes a replica when it has
  // given up.
  if (!replicas_.empty()) replicas_.erase(std::max_element(replicas_.begin(), replicas_.end()));
  begin_again(kept);
  common_ = kept;
  if (!old_ && replicas_.size() < replica_count_) replicas_.resize(replica_count_, kept);
  replicate(lag);
  return length - kept;
}

void SimPartition::begin_again(std::size_t kept) {
  ++generation_;
  waiters_.clear();
  for (std::size_t& replica : replicas_) replica = std::min(replica, kept);
}

bool SimPartition::end_split() {
  if (!old_) return false;
  old_.reset();
  on_old_.clear();
  splits_.back().to = world_.now();
  return true;
}

TimePoint SimPartition::answers_as_of(NodeNumber node, TimePoint when) const {
  for (const Split& split : splits_)
    if (split.nodes.contains(node) && split.from <= when && when <= split.to) return split.from;
  return when;
}

bool SimPartition::heal(DelayRange lag) {
  if (!end_split()) return false;
  replicas_.resize(replica_count_, common_);
  replicate(lag);
  return true;
}

void SimPartition::flush() {
  end_split();
  main_.fail_over(journal_.next_history(), 0);
  covered_ = 0;
  replicas_.resize(replica_count_);
  begin_again(0);
}

void SimPartition::restore(const SimMaster& snapshot) {
  end_split();
  main_ = snapshot;
  main_.restart_histories(journal_.next_history());
  covered_ = main_.write_count();
  replicas_.assign(replica_count_, covered_);
  begin_again(covered_);
}

}  // namespace headgate
