// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/sim_aim.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "cache/block.hpp"
#include "cache/cache_entry.hpp"
#include "cache/stable_record.hpp"

namespace headgate {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr double kAims = 0.25;     // share of the kinds of writes that a run draws
constexpr double kStrikes = 0.35;  // and of the strikes
// At each kind.
constexpr std::uint32_t kStrikesMost = 6;
constexpr std::uint32_t kPlannedMost = 12;
constexpr milliseconds kBeginsWithin{2'500};
constexpr std::array kLongestDelays{microseconds(500), microseconds(5'000), microseconds(60'000)};
constexpr milliseconds kLongestOfRights{150};
constexpr DelayRange kPause{milliseconds(20), milliseconds(700)};
constexpr DelayRange kLongPause{milliseconds(100), milliseconds(1'200)};
constexpr milliseconds kStall{10};
constexpr milliseconds kStallMost{1'000};
constexpr milliseconds kBetweenStalls{300};
constexpr DelayRange kHold{milliseconds(50), milliseconds(500)};
constexpr milliseconds kDown{100};
constexpr double kMoreLost = 0.3;
constexpr std::uint64_t kMore = 60;
// A number that is so far above stable waits for others.
constexpr std::uint64_t kEarly = 3;
constexpr std::uint64_t kTurnsToCrash = 12;

std::string_view name_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::document:
      return "document";
    case KeyKind::principal:
      return "principal";
    case KeyKind::local_document:
      return "local document";
    case KeyKind::stable_copy:
      return "stable copy";
    case KeyKind::epochs:
      return "epochs";
    case KeyKind::block:
      return "block";
    case KeyKind::block_record:
      return "block record";
    case KeyKind::channel_counter:
      return "channel counter";
    case KeyKind::sequence_document:
      return "sequence document";
    case KeyKind::dead_ranges:
      return "dead ranges";
    case KeyKind::stable:
      return "stable";
    case KeyKind::horizon:
      return "horizon";
    case KeyKind::access_counter:
      return "access counter";
    case KeyKind::sequence_counter:
      return "sequence counter";
    case KeyKind::sequence_fold:
      return "sequence fold";
    default:
      return {};
  }
}

bool is_of_cache(KeyKind kind) {
  return kind >= KeyKind::block;
}

bool has_removals(const FeedRecord& record) {
  return !record.entry.removals.empty() ||
         std::ranges::any_of(record.recent, [](const auto& r) { return !r.removals.empty(); });
}

}  // namespace

SimAim::SimAim(SimWorld& world, SimStore& base, SimStore& cache, std::deque<SimNode>& nodes,
               std::uint32_t strength, AimPlan plan)
    : world_(world),
      base_(base),
      cache_(cache),
      nodes_(nodes),
      strength_(strength),
      plan_(planned(plan)),
      pause_(kPause) {
  static constexpr std::array kNames{"lose",           "lose many", "lose both", "pause and lose",
                                     "crash and lose", "split",     "pause",     "stall",
                                     "crash",          "hold"};
  Choices& choices = world_.choices();
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (choices.is_set(std::string("strike: ").append(kNames[i]), kStrikes))
      strikes_.push_back(static_cast<Strike>(i));
  if (strikes_.empty()) strikes_.push_back(Strike::lose);
  is_patient_ = choices.is_set("patient aims", 0.5);
  longest_delay_ = kLongestDelays.at(choices.below("longest delay", kLongestDelays.size()));
  if (plan != AimPlan::any) pause_ = kLongPause;
  if (plan == AimPlan::late && is_patient_) longest_delay_ = kLongestDelays.front();
  if (plan == AimPlan::rights) longest_delay_ = kLongestOfRights;
  begins_ = world_.now() + choices.duration("aim begins", {milliseconds(0), kBeginsWithin});
}

bool SimAim::is_cache(const SimMutation& write) const {
  return is_of_cache(write.key.kind);
}

std::vector<SimAim::Planned> SimAim::planned(AimPlan plan) {
  switch (plan) {
    case AimPlan::any:
      return {};
    case AimPlan::late:
      return {{"number drawn", Strike::stall}, {"late document", Strike::lose, true}};
    case AimPlan::hidden:
      return {{"removal", Strike::hold, true}, {"removal listed", Strike::lose, true}};
    case AimPlan::rights:
      return {{"principal", Strike::pause_and_lose}, {"granting document", Strike::pause_and_lose}};
    case AimPlan::lag:
      return {{"number drawn", Strike::pause},
              {"early document", Strike::lose},
              {"sequence document", Strike::lose},
              {"document", Strike::lose_both}};
    case AimPlan::stable:
      return {{"stable", Strike::crash_and_lose}, {"stable copy", Strike::lose_both}};
    case AimPlan::moved:
      return {{"sequence document", Strike::lose_many}, {"block", Strike::lose_many}};
    case AimPlan::directory:
      return {{"block record", Strike::lose},
              {"block", Strike::pause_and_lose},
              {"sequence document", Strike::lose}};
  }
  return {};
}

std::vector<SimAim::Aim> SimAim::aims_at(const SimMutation& write) {
  const KeyKind kind = write.key.kind;
  const Target target{is_cache(write) ? &cache_ : &base_, &write};
  std::vector<Aim> aims;
  if (kind == KeyKind::sequence_document) {
    const Sequence sequence(ByteReader(write.key.name).be64());
    sequence_documents_[sequence] = &write;
    const auto document = SequenceDocument::decode(sequence, write.bytes);
    if (document && document->is_dead) return {{"dead document", target}};
    // All of the removal's cache work is done: its entry is what a failover should take.
    const auto entry = removal_entries_.find(sequence);
    if (entry != removal_entries_.end() && entry->second->partition != write.partition)
      aims.push_back({"removal listed", {&cache_, entry->second}});
    if (sequence.value() > highest_stable_.value() + kEarly)
      aims.push_back({"early document", target});
  }
  if (kind == KeyKind::stable) {
    const auto record = StableRecord::decode(write.bytes);
    if (record) highest_stable_ = std::max(highest_stable_, record->stable);
  }
  if (kind == KeyKind::block && write.kind == SimMutation::Kind::append) {
    const auto entries = decode_append_block(write.bytes, write.bytes.size());
    if (entries)
      for (const BlockEntry& entry : *entries)
        if (entry.is_removal) removal_entries_[entry.sequence] = &write;
  }
  if (kind == KeyKind::document && write.feed_entry) {
    const auto record = FeedRecord::decode(*write.feed_entry);
    if (!record) return {};
    // Its number is closed: what closed it is what a failover should take.
    const auto closed = sequence_documents_.find(record->entry.sequence);
    if (closed != sequence_documents_.end() &&
        (!is_patient_ || is_apart(*closed->second, record->entry)))
      aims.push_back({"late document", {&cache_, closed->second}});
    if (has_removals(*record)) aims.push_back({"removal", target});
    if (!record->entry.grants.empty()) aims.push_back({"granting document", target});
  }
  const SimNode* writer = node(write.node);
  if (kind == KeyKind::sequence_counter && writer != nullptr && !writer->is_cache_writer())
    aims.push_back({"number drawn", target});
  if (const std::string_view name = name_of(kind); !name.empty()) aims.push_back({name, target});
  return aims;
}

void SimAim::wrote(const SimMutation& write) {
  if (is_over_) return;
  for (const Aim& aim : aims_at(write)) {
    const auto planned = std::ranges::find(plan_, aim.name, &Planned::name);
    const bool is_aimed =
        plan_.empty() ? world_.choices().is_set(std::string("aim: ").append(aim.name), kAims)
                      : planned != plan_.end();
    if (!is_aimed) continue;
    last_.at(is_cache(*aim.target.write)) = aim.target;
    if (!may_strike(aim.name, !plan_.empty() && planned->is_rare)) return;
    const Strike what = plan_.empty()
                            ? strikes_[world_.choices().below("which strike", strikes_.size())]
                            : planned->strike;
    return strike(what, aim.target);
  }
}

// None of the write's blocks is in the partition of what closed its number: its cache work goes on.
bool SimAim::is_apart(const SimMutation& closed, const CacheEntry& entry) const {
  const auto is_there = [&](const ChannelId& channel) {
    const Key block{closed.key.database, KeyKind::block, channel.tag(), {}};
    return cache_.partition_of(block) == closed.partition;
  };
  return !is_there(ChannelId::star()) && std::ranges::none_of(entry.channels, is_there) &&
         std::ranges::none_of(entry.removals, is_there);
}

bool SimAim::may_strike(std::string_view name, bool is_rare) {
  const std::uint32_t most = plan_.empty() ? kStrikesMost : kPlannedMost;
  if (world_.now() < begins_ || struck_[name] == most) return false;
  const double share = is_rare ? 1 : static_cast<double>(strength_) / 1'000;
  if (!world_.choices().chance("strike", share)) return false;
  ++struck_[name];
  return true;
}

std::chrono::nanoseconds SimAim::delay() {
  return world_.choices().duration("time to the strike", {microseconds(0), longest_delay_});
}

void SimAim::later(std::chrono::nanoseconds delay, std::function<void()> action) {
  world_.after(delay, {.label = "aimed"}, [this, action = std::move(action)] {
    if (!is_over_) action();
  });
}

void SimAim::strike(Strike what, const Target& target) {
  const NodeNumber writer = target.write->node;
  switch (what) {
    case Strike::lose:
      return lose(target, delay());
    case Strike::lose_many:
      return lose(target, delay(), 10 + world_.choices().below("how many", kMore));
    case Strike::lose_both: {
      lose(target, delay());
      const auto other = last_.at(!is_cache(*target.write));
      if (other) lose(*other, delay());
      return;
    }
    case Strike::pause_and_lose:
      pause(writer);
      look(*target.write);
      return lose(target, delay());
    case Strike::crash_and_lose:
      crash(writer);
      return lose(target, delay());
    case Strike::split:
      return split(target);
    case Strike::pause:
      return pause(writer);
    case Strike::stall:
      if (!is_patient_) return pause(writer);
      // Whoever was stalled is left alone with what it does then.
      if (world_.now() < next_stall_) return;
      next_stall_ = world_.now() + kBetweenStalls;
      world_.count_fault("aimed stall");
      return stall(writer, Sequence(target.write->number), world_.now() + kStallMost);
    case Strike::crash:
      return crash(writer);
    case Strike::hold:
      return hold_feeds();
  }
}

void SimAim::lose(const Target& target, std::chrono::nanoseconds delay, std::size_t before) {
  later(delay, [this, target, before] {
    std::size_t lost = target.store->writes_since(*target.write);
    if (lost == 0) return;  // it is lost already
    Choices& choices = world_.choices();
    lost += before;
    if (choices.chance("more is lost", kMoreLost)) lost += choices.below("more is lost", kMore);
    world_.count_fault("aimed failover");
    target.store->fail_over(target.write->partition, {.lose = lost});
  });
}

// The writer, or whoever else, stays with the old master.
void SimAim::split(const Target& target) {
  const auto drawn = world_.choices().below("stays with the old one", nodes_.size() * 2);
  const NodeNumber stays = drawn < nodes_.size() ? NodeNumber(static_cast<std::uint32_t>(drawn) + 1)
                                                 : target.write->node;
  if (node(stays) == nullptr) return;
  later(delay(), [this, target, stays] {
    const std::size_t lost = target.store->writes_since(*target.write);
    world_.count_fault("aimed split");
    const PartitionNumber partition = target.write->partition;
    target.store->fail_over(partition, {.lose = lost, .stay_with_old = {stays}});
    const auto lasts = world_.choices().duration("split lasts", kPause);
    later(lasts, [target, partition] { target.store->heal(partition); });
  });
}

SimNode* SimAim::node(NodeNumber number) {
  if (number.value() == 0 || number.value() > nodes_.size()) return nullptr;
  SimNode& node = nodes_[number.value() - 1];
  return node.process() == nullptr ? nullptr : &node;
}

void SimAim::pause(NodeNumber number) {
  const auto lasts = world_.choices().duration("aimed pause", pause_);
  later({}, [this, number, lasts] {
    SimNode* const paused = node(number);
    if (paused == nullptr) return;
    world_.count_fault("aimed pause");
    paused->process()->environment.pause(lasts);
  });
}

// Whoever drew a number stands still until stable has passed it.
void SimAim::stall(NodeNumber number, Sequence drawn, TimePoint until) {
  SimNode* const stalled = node(number);
  if (highest_stable_ >= drawn || world_.now() >= until || stalled == nullptr) return;
  later({}, [stalled] {
    if (stalled->process() != nullptr) stalled->process()->environment.pause(kStall);
  });
  later(kStall * 9 / 10, [this, number, drawn, until] { stall(number, drawn, until); });
}

void SimAim::look(const SimMutation& write) {
  constexpr std::string_view kUser = "user:";
  if (write.key.kind != KeyKind::principal || !write.key.name.starts_with(kUser)) return;
  later({}, [this, user = write.key.name.substr(kUser.size())] { look_(user); });
}

void SimAim::crash(NodeNumber number) {
  const auto turns = 1 + world_.choices().below("turns to the aimed crash", kTurnsToCrash);
  later({}, [this, number, turns] {
    SimNode* const struck = node(number);
    if (struck == nullptr) return;
    struck->process()->environment.after_turns(turns, [this, struck] {
      if (is_over_) return;
      world_.count_fault("aimed crash");
      struck->crash();
      later(kDown, [struck] { struck->start(); });
    });
  });
}

void SimAim::hold_feeds() {
  const TimePoint until = world_.now() + world_.choices().duration("feeds held", kHold);
  for (const SimNode& node : nodes_) base_.hold_feeds(node.number(), until);
}

}  // namespace headgate
