// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/swarm.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "sim/choices.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr std::array kChannels{"a", "b", "c", "d"};
constexpr std::uint32_t kUsers = 4;  // the first two keep their rights
constexpr std::uint32_t kFixedUsers = 2;
constexpr std::uint32_t kOperations = 180;  // besides users, followers and pushed documents
constexpr milliseconds kWarmUp{300};
constexpr std::uint32_t kRounds = 8;
// Every poll of a cache writer is a barrier: what it covers no failover takes.
constexpr milliseconds kRareBarriers{1'000};

class Swarm {
 public:
  Swarm(std::uint64_t seed, const SwarmOptions& options) : choices_(seed), options_(options) {
    script_.settings.seed = seed;
  }

  Script draw() {
    draw_settings();
    draw_noise();
    if (script_.settings.is_cluster && chance("losses", 0.15)) make_losses_likely();
    if (script_.settings.is_cluster && (chance("aim", 0.35) || options_.is_aimed || options_.plan))
      draw_aim();
    draw_people();
    draw_operations();
    draw_faults();
    script_.sort();
    return std::move(script_);
  }

 private:
  std::uint32_t below(std::string_view label, std::uint64_t bound) {
    return static_cast<std::uint32_t>(choices_.below(label, bound));
  }
  bool chance(std::string_view label, double probability) {
    return choices_.chance(label, probability);
  }
  template <class T, std::size_t N>
  T one_of(std::string_view label, const std::array<T, N>& values) {
    return values.at(below(label, N));
  }
  milliseconds moment() {
    const auto span = script_.settings.duration - kWarmUp;
    return kWarmUp + milliseconds(below("moment", static_cast<std::uint64_t>(span.count())));
  }
  std::set<std::string> channels(double share) {
    std::set<std::string> names;
    for (const char* name : kChannels)
      if (chance("channel", share)) names.insert(name);
    return names;
  }
  ScriptStep& add(milliseconds at, StepKind kind) {
    script_.steps.push_back({.at = at, .kind = kind, .number = ++number_});
    script_.steps.back().node = 1 + below("node", script_.settings.nodes);
    return script_.steps.back();
  }

  void draw_settings();
  void draw_noise();
  void make_losses_likely();
  void draw_aim();
  void draw_people();
  void draw_operations();
  void draw_operation(milliseconds at);
  void draw_faults();
  void draw_fault(StepKind kind);

  Choices choices_;
  const SwarmOptions& options_;
  Script script_;
  std::uint32_t number_ = 0;
};

void Swarm::draw_settings() {
  ScriptSettings& s = script_.settings;
  s.is_cluster = options_.is_cluster.value_or(true);
  s.nodes = 3 + below("nodes", 3);
  // What is written again hides what was not told.
  const bool has_many = chance("many documents exist", 0.25);
  s.documents = has_many ? 30 + below("many documents", 60) : 6 + below("documents", 8);
  s.partitions = 1 + below("partitions", 3);
  s.replicas = 1 + below("replicas", 2);
  s.cache_writers = 1 + below("cache writers", 2);
  s.format =
      options_.format.value_or(chance("indexed", 0.4) ? BlockFormat::indexed : BlockFormat::append);
  s.mode = options_.mode.value_or(chance("stable", 0.4) ? ReadMode::stable : ReadMode::available);
  s.cache_writes = options_.cache_writes.value_or(chance("feed", 0.25) ? CacheWrites::feed
                                                                       : CacheWrites::frontend);
  s.durability = one_of("durability", std::array{Durability::memory, Durability::disk,
                                                 Durability::replicated, Durability::replicated});
  s.stable_durability = chance("weak stable", 0.2) ? Durability::disk : Durability::replicated;
  s.capacity = one_of("capacity", std::array{2u, 3u, 4u, 8u, 64u});
  s.per_tag = one_of("sequences of a tag", std::array{4u, 16u, 64u, 1'000u});
  s.horizon = one_of("horizon", std::array{10u, 50u, 200u});
  s.max_early = one_of("max early", std::array{3u, 10u, 10'000u, 10'000u});
  s.star_channel = !chance("no star", 0.2);
  s.gap_timeout = milliseconds(one_of("gap timeout", std::array{20, 100, 300, 800}));
  s.poll = milliseconds(one_of("poll", std::array{20, 100, 250}));
  s.duration = milliseconds(2'500 + below("duration", 3'000));
}

void Swarm::draw_noise() {
  ScriptSettings& s = script_.settings;
  const auto strength = [&](std::string_view label, double exists, std::uint32_t most) {
    return chance(label, exists) ? 1 + below(label, most) : 0;
  };
  s.feed_faults = strength("feed faults", 0.5, 40);
  s.late_turns = strength("late turns", 0.3, 20);
  s.clock_skew = strength("clock skew", 0.4, 1);
  s.buggify = chance("buggify", 0.5) ? 300 : 0;
  s.compact_ms = strength("compaction", 0.7, 400);
  s.crash_at = strength("crash at", 0.3, 300);
  s.rounds = options_.rounds.value_or(chance("rounds exist", 0.3) ? kRounds : 0);
  if (!s.is_cluster) return;  // between a process and its own store there is no network
  s.delay_us = 50 + strength("delay", 0.7, 4'000);
  s.lag_us = strength("lag", 0.7, 20'000);
  s.late = strength("late", 0.3, 8);
  s.lost = strength("lost", 0.4, 8);
  s.broken = strength("broken", 0.6, 1'000);
  s.duplicated = strength("duplicated", 0.4, 20);
  s.interleaved = strength("interleaved", 0.5, 300);
  s.refused = strength("refused", 0.3, 30);
  s.skip_superseded = strength("skip superseded", 0.5, 700);
  s.lose_at = strength("lose at", 0.3, 300);
}

// Several rules matter only where a failover takes what was stable, or a buried number with a write
// underway to it: each alone is rare. Here all that it takes exists at once.
void Swarm::make_losses_likely() {
  ScriptSettings& s = script_.settings;
  s.stable_durability = Durability::disk;
  s.cache_writes = options_.cache_writes.value_or(CacheWrites::frontend);
  s.partitions = 2 + below("partitions of losses", 2);
  s.gap_timeout = milliseconds(20);
  s.buggify = 1'000;
  s.lose_at = 300;
  s.lag_us = 20'000;
  s.skip_superseded = 700;
}

// Each plan with the settings that it takes.
void Swarm::draw_aim() {
  ScriptSettings& s = script_.settings;
  s.aim = one_of("aim", std::array{10u, 50u, 300u, 1'000u});
  s.aim_plan = one_of("plan", std::array{AimPlan::any, AimPlan::any, AimPlan::any, AimPlan::late,
                                         AimPlan::hidden, AimPlan::rights, AimPlan::lag,
                                         AimPlan::stable, AimPlan::moved, AimPlan::directory});
  s.aim_plan = options_.plan.value_or(s.aim_plan);
  if (s.aim_plan != AimPlan::any) s.aim = std::max(s.aim, 50u);
  // No write is late where others wrote meanwhile.
  const bool is_late = s.aim_plan == AimPlan::late;
  if (is_late || chance("many aimed documents", 0.7)) s.documents = 40 + below("many aimed", 80);
  switch (s.aim_plan) {
    case AimPlan::any:
      return;
    case AimPlan::late:
      s.stable_durability = Durability::disk;
      s.gap_timeout = milliseconds(20);
      s.partitions = 3;
      s.poll = kRareBarriers;
      return;
    case AimPlan::hidden:
      s.skip_superseded = 1'000;
      s.format = options_.format.value_or(BlockFormat::append);
      s.cache_writes = options_.cache_writes.value_or(CacheWrites::frontend);
      s.partitions = 2 + below("partitions of hidden versions", 2);
      return;
    case AimPlan::rights:  // until a replica has it such a record may be read, and lost
      s.poll = kRareBarriers;
      s.lag_us = 200'000;
      s.durability = Durability::memory;
      s.stable_durability = Durability::disk;
      return;
    case AimPlan::lag:
      s.mode = options_.mode.value_or(ReadMode::available);
      s.gap_timeout = milliseconds(800);
      s.max_early = one_of("max early that lags", std::array{3u, 10'000u});
      if (chance("weak stable that lags", 0.5)) {
        s.stable_durability = Durability::disk;
        s.poll = kRareBarriers;
      }
      return;
    case AimPlan::stable:
      s.stable_durability =
          one_of("how durable", std::array{Durability::disk, Durability::replicated});
      s.cache_writers = 2;
      s.poll = kRareBarriers;
      return;
    case AimPlan::moved:
      s.stable_durability = Durability::disk;
      s.poll = kRareBarriers;
      s.max_early = 3;
      s.partitions = 2 + below("partitions of what moves", 2);
      s.gap_timeout = milliseconds(20);
      return;
    case AimPlan::directory:
      s.format = options_.format.value_or(BlockFormat::append);
      s.capacity = 2;
      s.stable_durability = Durability::disk;
      s.poll = kRareBarriers;
      s.duplicated = 200;
      s.late = 30;
      return;
  }
}

void Swarm::draw_people() {
  ScriptStep& role = add(milliseconds(0), StepKind::role);
  role.subject = 1;
  role.channels = channels(0.4);
  for (std::uint32_t user = 1; user <= kUsers; ++user) {
    ScriptStep& step = add(milliseconds(user), StepKind::user);
    step.subject = user;
    step.channels = channels(0.4);
    if (user <= kFixedUsers && step.channels.empty()) step.channels.insert("a");
    if (user > kFixedUsers) step.amount = below("has role", 2);
  }
  const std::uint32_t followers = 5 + below("followers", 4);
  for (std::uint32_t i = 0; i < followers; ++i) {
    ScriptStep& step = add(milliseconds(20 + i), StepKind::follower);
    step.subject = below("follower's user", kUsers + 2);
    if (step.subject > kUsers) step.subject = 0;
    if (step.subject == 0 && chance("named channels", 0.5)) step.channels = channels(0.4);
    // No other channel shows what left this one.
    if (script_.settings.aim_plan == AimPlan::hidden && chance("one channel", 0.7)) {
      step.subject = 0;
      step.channels = {one_of("the channel", kChannels)};
    }
    step.feed =
        one_of("feed", std::array{FeedKind::normal, FeedKind::longpoll, FeedKind::continuous});
    step.mode = options_.mode.value_or(chance("follower's mode", 0.5) ? ReadMode::stable
                                                                      : ReadMode::available);
    if (step.feed != FeedKind::continuous)
      step.amount = one_of("limit", std::array{0u, 0u, 1u, 2u, 5u, 100u});
  }
}

void Swarm::draw_operations() {
  for (std::uint32_t i = 0; i < kOperations; ++i) draw_operation(moment());
  const std::uint32_t pushed = 10 + below("pushed", 10);
  for (std::uint32_t i = 0; i < pushed; ++i) add(moment(), StepKind::push).channels = channels(0.4);
}

void Swarm::draw_operation(milliseconds at) {
  const std::uint32_t kind = below("operation", 100);
  if (kind < 12) {
    ScriptStep& step = add(at, StepKind::user);
    step.subject = kFixedUsers + 1 + below("user", kUsers - kFixedUsers);
    step.channels = channels(0.4);
    step.amount = below("has role", 2);
    return;
  }
  if (kind < 15) {
    ScriptStep& step = add(at, StepKind::role);
    step.subject = 1;
    step.channels = channels(0.4);
    return;
  }
  if (kind < 22) {
    ScriptStep& step = add(at, StepKind::reconnect);
    step.subject = 1 + kUsers + 1 + below("who reconnects", 8);  // followers' numbers
    step.amount = below("how far back", 24);
    return;
  }
  ScriptStep& step = add(at, kind < 34   ? StepKind::remove
                             : kind < 42 ? StepKind::branch
                                         : StepKind::write);
  step.subject = 1 + below("document", script_.settings.documents);
  if (step.kind == StepKind::remove) return;
  step.channels = channels(0.4);
  const AimPlan plan = script_.settings.aim_plan;
  if (plan == AimPlan::hidden || plan == AimPlan::lag || plan == AimPlan::moved) {
    // A version that comes soon after this one, and may hide it.
    const ScriptStep first = step;
    ScriptStep& next = add(at + milliseconds(5 + below("apart", 80)), StepKind::write);
    next.subject = first.subject;
    next.channels = first.channels;
    return;
  }
  if (step.kind == StepKind::write && chance("bulk exists", 0.1)) step.bulk = 1 + below("bulk", 4);
  if (!chance("grants", 0.15)) return;
  step.grantee = kUsers;
  step.granted = channels(0.4);
  step.amount = below("grants a role", 2);
}

void Swarm::draw_faults() {
  static constexpr std::array kNodeFaults{StepKind::crash, StepKind::stop, StepKind::pause,
                                          StepKind::clock};
  static constexpr std::array kStoreFaults{
      StepKind::fail_over, StepKind::fail_over, StepKind::split, StepKind::cut,  StepKind::down,
      StepKind::hold_feed, StepKind::refuse,    StepKind::full,  StepKind::storm};
  std::vector<StepKind> kinds;
  for (const StepKind kind : kNodeFaults)
    if (chance("node fault exists", 0.5)) kinds.push_back(kind);
  if (script_.settings.is_cluster)
    for (const StepKind kind : kStoreFaults)
      if (chance("store fault exists", 0.4)) kinds.push_back(kind);
  if (script_.settings.is_cluster && chance("flush exists", 0.08)) kinds.push_back(StepKind::flush);
  if (script_.settings.is_cluster && chance("second writer exists", 0.3))
    kinds.push_back(StepKind::writer);
  if (script_.settings.is_cluster && chance("restore exists", 0.06)) {
    draw_fault(StepKind::snapshot);
    draw_fault(StepKind::restore);
  }
  if (kinds.empty()) kinds.push_back(StepKind::crash);
  const std::uint32_t count = 5 + below("faults", 12);
  for (std::uint32_t i = 0; i < count; ++i) draw_fault(kinds[below("fault", kinds.size())]);
}

void Swarm::draw_fault(StepKind kind) {
  ScriptStep& step = add(moment(), kind);
  step.subject = below("partition", script_.settings.partitions);
  step.is_on_cache = chance("on cache", 0.5);
  step.lasts = milliseconds(20 + below("lasts", chance("long", 0.3) ? 1'500 : 300));
  switch (kind) {
    case StepKind::crash:
      step.amount = below("turns", 200);
      break;
    case StepKind::fail_over:
    case StepKind::split:
      step.amount = below("lost writes", chance("many lost", 0.3) ? 60 : 8);
      break;
    case StepKind::clock:
      step.amount = below("jump", 100'000);
      break;
    case StepKind::storm:
      step.amount = 20 + below("storm", 200);
      break;
    default:
      break;
  }
}

}  // namespace

Script draw_script(std::uint64_t seed, const SwarmOptions& options) {
  return Swarm(seed, options).draw();
}

}  // namespace headgate
