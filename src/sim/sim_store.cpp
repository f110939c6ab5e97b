// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_store.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

constexpr DelayRange kBetweenOperations{std::chrono::microseconds(0),
                                        std::chrono::microseconds(500)};

}  // namespace

SimStore::SimStore(SimWorld& world, Options options)
    : world_(world),
      replicas_(options.replicas),
      journal_(world.choices(), options.name),
      messages_(world, journal_, faults_, partitions_) {
  HG_ASSERT(options.partitions > 0);
  for (std::uint32_t i = 0; i < options.partitions; ++i)
    partitions_.emplace_back(world, journal_, PartitionNumber(i), options.replicas);
}

std::size_t SimStore::fail_over(PartitionNumber partition, Failover how) {
  const bool is_split = !how.stay_with_old.empty();
  const std::size_t lost =
      at(partition).fail_over(how.lose, std::move(how.stay_with_old), faults_.replication_lag);
  world_.count_fault(is_split ? "two masters" : "failover");
  if (lost > 0) world_.count_fault("failover with loss");
  mark_lost();
  wake_feeds();
  return lost;
}

void SimStore::restart(std::size_t lose) {
  HG_ASSERT(partitions_.size() == 1);
  messages_.drop_underway();
  fail_over(PartitionNumber(0), {.lose = lose});
}

void SimStore::heal(PartitionNumber partition) {
  if (at(partition).heal(faults_.replication_lag)) wake_feeds();
}

bool SimStore::has_two_masters(PartitionNumber partition) const {
  return partitions_.at(partition.value()).has_two_masters();
}

TimePoint SimStore::answers_as_of(NodeNumber node, PartitionNumber partition,
                                  TimePoint when) const {
  return partitions_.at(partition.value()).answers_as_of(node, when);
}

void SimStore::flush() {
  for (SimPartition& partition : partitions_) partition.flush();
  world_.count_fault("flush");
  mark_lost();
  wake_feeds();
}

void SimStore::cut(NodeNumber node, PartitionNumber partition) {
  messages_.cut(node, partition);
  world_.count_fault("cut");
}

void SimStore::connect(NodeNumber node, PartitionNumber partition) {
  messages_.connect(node, partition);
  wake_feeds();
}

void SimStore::set_down(PartitionNumber partition, bool is_down) {
  at(partition).is_down = is_down;
  if (is_down) world_.count_fault("partition down");
  wake_feeds();
}

void SimStore::hold_feeds(NodeNumber node, TimePoint until) {
  held_feeds_[node] = until;
  if (until > world_.now()) world_.count_fault("feeds held");
  world_.at(until, {.label = "feeds released"}, [this] { wake_feeds(); });
}

void SimStore::heal_all() {
  faults_ = {};
  messages_.connect_all();
  held_feeds_.clear();
  for (SimPartition& partition : partitions_) {
    partition.is_down = false;
    partition.heal(faults_.replication_lag);
    partition.replicate(faults_.replication_lag);
  }
  wake_feeds();
}

SimStore::Snapshot SimStore::take_snapshot() const {
  Snapshot snapshot;
  for (const SimPartition& partition : partitions_) snapshot.push_back(partition.surviving());
  return snapshot;
}

void SimStore::restore(const Snapshot& snapshot) {
  HG_ASSERT(snapshot.size() == partitions_.size());
  messages_.drop_underway();
  for (std::size_t i = 0; i < snapshot.size(); ++i) partitions_[i].restore(snapshot[i]);
  world_.count_fault("restore");
  mark_lost();
  wake_feeds();
}

void SimStore::mark_lost() {
  std::vector<SimMutation*> survived;
  for (SimMutation& mutation : journal_.mutations)
    if (!std::exchange(mutation.is_lost, true)) survived.push_back(&mutation);
  for (const SimPartition& partition : partitions_)
    for (SimMutation* mutation : partition.surviving().log()) mutation->is_lost = false;
  for (SimMutation* mutation : survived)
    if (mutation->is_lost) mutation->lost_at = world_.now();
}

PartitionNumber SimStore::partition_of(const Key& key) const {
  return PartitionNumber(static_cast<std::uint32_t>(mix_bits(fnv1a(key.tag)) % partitions_.size()));
}

HistoryId SimStore::history(PartitionNumber partition) const {
  return partitions_.at(partition.value()).surviving().history();
}

const std::vector<HistoryStart>& SimStore::histories(PartitionNumber partition) const {
  return partitions_.at(partition.value()).surviving().histories();
}

std::size_t SimStore::write_count(PartitionNumber partition) const {
  return partitions_.at(partition.value()).surviving().write_count();
}

std::size_t SimStore::covered_count(PartitionNumber partition) const {
  return partitions_.at(partition.value()).covered();
}

std::size_t SimStore::writes_since(const SimMutation& write) const {
  const auto& log = partitions_.at(write.partition.value()).surviving().log();
  const auto found = std::find(log.rbegin(), log.rend(), &write);
  return found == log.rend() ? 0 : static_cast<std::size_t>(found - log.rbegin()) + 1;
}

Reply SimStore::read(const Key& key) const {
  return partitions_.at(partition_of(key).value()).surviving().read(key, world_.wall_now());
}

std::vector<Bucket::ScanPage::Item> SimStore::scan(const Bucket::Scan& scan) const {
  const PartitionNumber partition = partition_of({scan.database, scan.kind, scan.tag, {}});
  return partitions_.at(partition.value()).surviving().scan(scan, world_.wall_now());
}

std::vector<SimMaster::FeedRecord> SimStore::feed(PartitionNumber partition,
                                                  DatabaseId database) const {
  return partitions_.at(partition.value()).surviving().feed(database, PartitionPosition());
}

ChoiceScope SimStore::scope_of(PartitionNumber partition) const {
  return journal_.scope(2'000'000 + partition.value());
}

SimMaster::Request SimStore::request_of(NodeNumber node) const {
  return {node, world_.now(), world_.wall_now()};
}

// Between two operations of one request may be those of others (bucket.hpp).
void SimStore::carry_out(PartitionNumber partition, SimMaster& master,
                         std::shared_ptr<SimBatch> batch, std::function<void(SimMaster*)> done) {
  const std::size_t length = batch->operations.size();
  std::size_t end = batch->replies.size() + 1;
  while (end < length && !is_interrupted(partition)) ++end;
  carry_out_up_to(std::min(end, length), partition, master, *batch);
  if (end >= length) return done(&master);
  const auto delay =
      world_.choices().duration("between operations", kBetweenOperations, scope_of(partition));
  world_.after(delay, {.label = "rest of a request", .node = batch->node},
               [this, partition, batch, done = std::move(done), history = master.history()] {
                 SimMaster& reached = at(partition).master_for(batch->node);
                 if (reached.history() == history && !at(partition).is_down)
                   return carry_out(partition, reached, batch, done);
                 batch->replies.resize(batch->operations.size(),
                                       Reply{.status = Errc::timeout_unknown_outcome});
                 done(nullptr);
               });
}

bool SimStore::is_interrupted(PartitionNumber partition) {
  if (!world_.choices().chance("interleaved", faults_.network.interleaved, scope_of(partition)))
    return false;
  world_.count_fault("request interrupted by others");
  return true;
}

void SimStore::carry_out_up_to(std::size_t end, PartitionNumber partition, SimMaster& master,
                               SimBatch& batch) {
  const bool survives = at(partition).is_surviving(master);
  const SimMaster::Request request = request_of(batch.node);
  bool is_durable = false;
  for (std::size_t i = batch.replies.size(); i < end; ++i) {
    const Operation& operation = batch.operations[i];
    Reply reply = carry_out(master, operation, request, survives);
    if (is_write(operation) && reply.ok())
      is_durable |= options_of(operation)->durability != Durability::memory;
    batch.replies.push_back(std::move(reply));
  }
  if (is_durable) at(partition).cover_without_replicas(master);
  if (survives) at(partition).replicate(faults_.replication_lag);
  wake_feeds();
}

// "Not done" must stay true: only what was done is done twice.
void SimStore::repeat(PartitionNumber partition, SimMaster& master, const SimBatch& batch) {
  SimBatch again{.node = batch.node};
  for (std::size_t i = 0; i < batch.replies.size(); ++i)
    if (is_write(batch.operations[i]) && batch.replies[i].ok())
      again.operations.push_back(batch.operations[i]);
  carry_out_up_to(again.operations.size(), partition, master, again);
}

Reply SimStore::carry_out(SimMaster& master, const Operation& operation,
                          const SimMaster::Request& request, bool survives) {
  Errc refusal = check(operation);
  if (refusal == Errc::ok && is_write(operation) && is_full()) refusal = Errc::no_space;
  if (refusal != Errc::ok) return {.status = refusal, .history = master.history()};
  return master.execute(operation, request, survives, journal_);
}

void SimStore::drop_database(PartitionNumber partition, SimMaster& master, DatabaseId database,
                             NodeNumber node) {
  const bool survives = at(partition).is_surviving(master);
  master.drop_database(database, request_of(node), survives, journal_);
  if (survives) at(partition).replicate(faults_.replication_lag);
}

SimFetched SimStore::fetch(const SimMaster& master, PartitionNumber partition, DatabaseId database,
                           FeedPosition at, std::size_t limit, ChoiceScope scope) {
  const SimFeedFaults& faults = faults_.feed;
  Choices& choices = world_.choices();
  const auto happens = [&](std::string_view fault, double chance) {
    const bool strikes = choices.chance(fault, chance, scope);
    if (strikes) world_.count_fault(fault);
    return strikes;
  };
  if (follow_history(master.histories(), at)) return {.at = at, .is_rolled_back = true};
  if (happens("feed stall", faults.stall)) return {.at = at, .is_stalled = true};
  SimFetched fetched{.at = at};
  std::uint64_t first = at.position.value();
  if (limit > 1 && happens("feed repeat", faults.repeat))
    first -= std::min(first, choices.below("feed repeat", std::min<std::size_t>(limit, 8), scope));
  if (happens("feed short batch", faults.short_batch))
    limit = 1 + choices.below("feed short batch", limit, scope);
  for (const auto& [write, is_superseded] : master.feed(database, PartitionPosition(first))) {
    if (fetched.entries.size() >= limit) break;
    if (is_superseded && happens("feed skip", faults.skip_superseded)) continue;
    fetched.entries.push_back({write->key, *write->feed_entry,
                               write->kind == SimMutation::Kind::remove, write->cas, partition,
                               write->position, master.history()});
    fetched.at.position = std::max(fetched.at.position, write->position);
  }
  return fetched;
}

std::uint64_t SimStore::watch(Signal& changed) {
  watchers_[++watches_] = &changed;
  return watches_;
}

void SimStore::wake_feeds() {
  for (const auto& [number, changed] : watchers_) changed->raise();
}

bool SimStore::is_feed_held(NodeNumber node) const {
  const auto held = held_feeds_.find(node);
  return held != held_feeds_.end() && held->second > world_.now();
}

}  // namespace headgate
