// SPDX-License-Identifier: Apache-2.0
// What each step of a script does.
#include <utility>

#include "sim/cluster/sim_cluster.hpp"

namespace headgate {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr DelayRange kLate{milliseconds(50), milliseconds(2'000)};
constexpr milliseconds kGiveUp{1'500};
// Crashes at places: share of the places that a run draws, and how soon, how long, how many.
constexpr double kCrashPlaces = 0.2;
constexpr std::uint64_t kTurnsToCrash = 12;
constexpr milliseconds kDownAfterCrash{100};
constexpr std::uint32_t kCrashesAtPlaces = 4;
// Failovers at places.
constexpr double kLossPlaces = 0.2;
constexpr std::uint64_t kLostAtPlaces = 4;
constexpr DelayRange kTimeToLoss{milliseconds(0), milliseconds(20)};
constexpr std::uint32_t kLossesAtPlaces = 3;

double thousandths(std::uint32_t value) {
  return static_cast<double>(value) / 1'000;
}

}  // namespace

void SimCluster::later(std::chrono::nanoseconds delay, std::string_view label,
                       std::function<void()> action) {
  world_.after(delay, {.label = label}, [this, action = std::move(action)] {
    if (!is_healed_) action();
  });
}

void SimCluster::make_noise(SimStore& store) const {
  const ScriptSettings& s = script_.settings;
  SimFaults& faults = store.faults();
  faults = {};
  faults.network.connection_timeout = kGiveUp;
  faults.network.delay = {microseconds(0), microseconds(s.delay_us)};
  faults.network.late = thousandths(s.late);
  faults.network.late_delay = kLate;
  faults.network.lost_request = thousandths(s.lost);
  faults.network.lost_reply = thousandths(s.lost);
  faults.network.broken_connection = thousandths(s.broken);
  faults.network.duplicated_request = thousandths(s.duplicated);
  faults.network.refused_request = thousandths(s.refused);
  faults.network.interleaved = thousandths(s.interleaved);
  faults.feed.disconnect = thousandths(s.feed_faults);
  faults.feed.stall = thousandths(s.feed_faults);
  faults.feed.stall_delay = {milliseconds(1), milliseconds(400)};
  faults.feed.repeat = thousandths(s.feed_faults);
  faults.feed.short_batch = thousandths(s.feed_faults) * 4;
  faults.feed.skip_superseded = thousandths(s.skip_superseded);
  faults.replication_lag = {microseconds(0), microseconds(s.lag_us)};
  world_.scheduling().late_turn = thousandths(s.late_turns);
  world_.scheduling().turn_delay = {microseconds(10), milliseconds(20)};
}

void SimCluster::apply(const ScriptStep& step) {
  if (is_fault(step.kind))
    apply_fault(step);
  else
    apply_operation(step);
}

void SimCluster::apply_operation(const ScriptStep& step) {
  switch (step.kind) {
    case StepKind::follower:
      followers_.emplace_back(*clients_, step);
      tasks_.spawn(followers_.back().run());
      break;
    case StepKind::reconnect:
      for (SimFollower& follower : followers_)
        if (follower.step().number == step.subject) follower.go_back(step.amount);
      break;
    case StepKind::push:
      pusher_->add(step);
      break;
    default:
      tasks_.spawn(carry_out(*clients_, step));
  }
}

void SimCluster::apply_fault(const ScriptStep& step) {
  switch (step.kind) {
    case StepKind::crash:
    case StepKind::stop:
    case StepKind::pause:
    case StepKind::clock:
    case StepKind::writer:
      return apply_node_fault(step);
    default:
      return apply_store_fault(step);
  }
}

void SimCluster::reached(std::string_view place, NodeNumber number) {
  if (is_healed_) return;
  if (script_.settings.crash_at != 0) crash_at(place, number);
  if (script_.settings.lose_at != 0) lose_at(place);
}

// What was written at such a place, or just before, is what a failover must not take unnoticed.
void SimCluster::lose_at(std::string_view place) {
  Choices& choices = world_.choices();
  if (losses_at_places_ == kLossesAtPlaces) return;
  if (!choices.is_set(std::string("loss: ").append(place), kLossPlaces)) return;
  if (!choices.chance("lose at", thousandths(script_.settings.lose_at))) return;
  ++losses_at_places_;
  SimStore& store = choices.chance("loss on cache", 0.5) ? cache() : base_;
  const PartitionNumber partition(
      static_cast<std::uint32_t>(choices.below("loss of partition", store.partition_count())));
  const auto lost = static_cast<std::uint32_t>(1 + choices.below("lost at", kLostAtPlaces));
  later(choices.duration("time to the loss", kTimeToLoss), "loss at a place",
        [this, &store, partition, lost] {
          world_.count_fault("failover at a place");
          store.fail_over(partition, {.lose = lost});
        });
}

// Between two steps of a repair is where a crash hurts, and where one at any time seldom falls.
void SimCluster::crash_at(std::string_view place, NodeNumber number) {
  const Choices& choices = world_.choices();
  if (crashes_at_places_ == kCrashesAtPlaces) return;
  if (number.value() == 0 || number.value() > nodes_.size()) return;
  if (!choices.is_set(place, kCrashPlaces)) return;
  const ChoiceScope scope(number.value());
  if (!world_.choices().chance("crash at", thousandths(script_.settings.crash_at), scope)) return;
  ++crashes_at_places_;
  SimNode& node = nodes_[number.value() - 1];
  if (node.process() == nullptr) return;
  const auto turns = world_.choices().below("turns to the crash", kTurnsToCrash, scope);
  node.process()->environment.after_turns(1 + turns, [this, &node] {
    if (is_healed_) return;
    world_.count_fault("crash at a place");
    lose_process(node, 0, kDownAfterCrash);
  });
}

// One process on one store: the store goes down with it, and what was not synced is lost.
void SimCluster::lose_process(SimNode& node, std::uint32_t lost_writes, milliseconds down_for) {
  node.crash();
  if (!own_cache_) base_.restart(lost_writes);
  later(down_for, "started again", [&node] { node.start(); });
}

void SimCluster::apply_node_fault(const ScriptStep& step) {
  SimNode& node = node_of(step);
  if (step.kind == StepKind::writer) {
    if (node.is_cache_writer() || !own_cache_) return;
    world_.count_fault("another cache writer");
    node.set_cache_writer(true);
    return later(step.lasts, "cache writer ends", [&node] { node.set_cache_writer(false); });
  }
  if (node.process() == nullptr) return;
  SimEnvironment& environment = node.process()->environment;
  switch (step.kind) {
    case StepKind::crash:
      environment.after_turns(step.amount, [this, &node, step] {
        if (is_healed_) return;
        world_.count_fault("crash");
        lose_process(node, step.amount % 5, step.lasts);
      });
      break;
    case StepKind::stop:
      world_.count_fault("stop");
      node.stop([this, &node, step] {
        if (is_healed_) return node.start();
        later(step.lasts, "started again", [&node] { node.start(); });
      });
      break;
    case StepKind::pause:
      world_.count_fault("pause");
      environment.pause(step.lasts);
      break;
    default:
      world_.count_fault("clock jump");
      environment.jump_wall_clock(std::chrono::seconds(step.amount));
  }
}

void SimCluster::refuse(SimStore& store, Errc code, milliseconds lasts) {
  world_.count_fault(code == Errc::no_space ? "disk full" : "store refuses");
  store.faults().refusal = code;
  later(lasts, "store accepts", [&store] { store.faults().refusal.reset(); });
}

// E: everything is stopped, the base bucket restored, the cache bucket dropped; what comes up is
// another database, and clients begin again.
void SimCluster::restore() {
  if (!snapshot_ || !own_cache_) return;
  for (SimNode& node : nodes_) node.crash();
  base_.restore(*snapshot_);
  own_cache_->restore(own_cache_->take_snapshot());  // what was underway to it is gone, too
  own_cache_->flush();
  hooks_.probe("E restored from a snapshot");
  oracle_->begin_again();
  for (SimFollower& follower : followers_) follower.begin_again();
  ++clients_->databases;
  for (SimNode& node : nodes_) node.start();
}

void SimCluster::apply_store_fault(const ScriptStep& step) {
  SimStore& store = store_of(step);
  const PartitionNumber partition(step.subject %
                                  static_cast<std::uint32_t>(store.partition_count()));
  const NodeNumber node(node_of(step).number());
  switch (step.kind) {
    case StepKind::fail_over:
    case StepKind::split: {
      if (!own_cache_) return;
      SimStore::Failover how{.lose = step.amount};
      if (step.kind == StepKind::split) {
        how.stay_with_old.insert(node);
        later(step.lasts, "old master ends", [&store, partition] { store.heal(partition); });
      }
      store.fail_over(partition, std::move(how));
      return;
    }
    case StepKind::cut:
      store.cut(node, partition);
      return later(step.lasts, "connected",
                   [&store, node, partition] { store.connect(node, partition); });
    case StepKind::down:
      store.set_down(partition, true);
      return later(step.lasts, "up", [&store, partition] { store.set_down(partition, false); });
    case StepKind::hold_feed:
      return store.hold_feeds(node, world_.now() + step.lasts);
    case StepKind::flush:
      if (own_cache_) own_cache_->flush();
      return;
    case StepKind::snapshot:
      snapshot_ = base_.take_snapshot();
      return;
    case StepKind::restore:
      return restore();
    case StepKind::refuse:
      return refuse(store, Errc::overloaded, step.lasts);
    case StepKind::full:
      return refuse(store, Errc::no_space, step.lasts);
    case StepKind::storm:
      world_.count_fault("storm");
      store.faults().network.lost_reply = thousandths(step.amount);
      store.faults().network.late = thousandths(step.amount);
      return later(step.lasts, "storm over", [this, &store] { make_noise(store); });
    default:
      return;
  }
}

}  // namespace headgate
