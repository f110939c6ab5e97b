// SPDX-License-Identifier: Apache-2.0
// The phases of a run: start, faults, heal, proof.
#include "sim/cluster/sim_cluster.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "database/catalog.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr NodeNumber kClients{100};
constexpr seconds kStartLimit{30};
constexpr milliseconds kLook{20};
// Beyond the gap timeout, the poll and an audit: pauses of clients, retries of nodes that start.
constexpr seconds kConvergeLimit{40};

constexpr std::string_view kSync = R"js(function (doc) {
  channel(doc.channels);
  if (!doc.grant) return;
  access(doc.grant.users, doc.grant.channels);
  if (doc.grant.roles) role(doc.grant.users, doc.grant.roles);
})js";

Task<void> make_database(SimEnvironment& environment, SimBucket& base, SimBucket& cache,
                         DatabaseConfig config, std::optional<DatabaseEntry>& entry) {
  DatabaseCatalog catalog(environment, base, cache);
  if (!co_await catalog.open()) co_return;
  auto created = co_await catalog.create("db", std::move(config));
  if (created) entry = *std::move(created);
}

}  // namespace

SimCluster::SimCluster(SimWorld& world, SimHooks& hooks, const Script& script)
    : world_(world),
      hooks_(hooks),
      script_(script),
      base_(world, {.name = "base",
                    .partitions = script.settings.is_cluster ? script.settings.partitions : 1,
                    .replicas = script.settings.is_cluster ? script.settings.replicas : 0}),
      own_cache_(script.settings.is_cluster
                     ? std::make_unique<SimStore>(
                           world, SimStore::Options{.name = "cache",
                                                    .partitions = script.settings.partitions,
                                                    .replicas = script.settings.replicas})
                     : nullptr),
      environment_(world, kClients),
      tasks_(environment_) {}

SimCluster::~SimCluster() {
  hooks_.watch_probes({});
}

DatabaseConfig SimCluster::config() const {
  const ScriptSettings& s = script_.settings;
  DatabaseConfig config;
  const bool is_granting = std::any_of(script_.steps.begin(), script_.steps.end(),
                                       [](const ScriptStep& step) { return step.grantee != 0; });
  if (is_granting) config.sync = kSync;
  config.durability = s.durability;
  config.changes_mode = s.mode;
  config.block_format = s.format;
  config.block_capacity = s.capacity;
  config.sequences_per_tag = s.per_tag;
  config.star_channel = s.star_channel;
  config.cache_writes = s.cache_writes;
  config.gap_timeout = s.gap_timeout;
  config.poll = s.poll;
  config.max_early = s.max_early;
  if (s.stable_durability != Durability::replicated)
    config.stable_durability = StableDurability::none;
  return config;
}

bool SimCluster::run_until(const std::function<bool()>& condition, std::chrono::nanoseconds limit) {
  const TimePoint deadline = world_.now() + limit;
  const auto is_over = [&] { return has_failed() || condition(); };
  const auto end = world_.run_until(is_over, deadline);
  if (end == SimWorld::End::too_many_steps)
    oracle_->fail("I5", "a livelock:\n" + world_.recent_events());
  return end == SimWorld::End::condition;
}

SimClock SimCluster::draw_clock(std::uint32_t node) {
  SimClock clock;
  if (script_.settings.clock_skew == 0) return clock;
  const auto draw = [&](std::string_view label, std::uint64_t below) {
    return static_cast<std::int64_t>(world_.choices().below(label, below, ChoiceScope(node)));
  };
  clock.offset = seconds(draw("clock offset", 1'000));
  clock.drift_ppm = draw("clock drift", 40'000) - 20'000;
  clock.wall_skew = seconds(draw("wall clock skew", 2'000'000) - 1'000'000);
  return clock;
}

void SimCluster::start() {
  std::optional<DatabaseEntry> entry;
  {
    SimBucket base(environment_, base_);
    SimBucket cache(environment_, this->cache());
    run_on(environment_, make_database(environment_, base, cache, config(), entry), kStartLimit);
  }
  HG_ASSERT(entry.has_value());
  site_.emplace(
      SimSite{world_, base_, cache(), *entry,
              script_.settings.is_cluster ? Deployment::cluster : Deployment::single_process,
              script_.settings.horizon, milliseconds(script_.settings.compact_ms),
              [this](NodeNumber node, Sequence before, Sequence now) {
                oracle_->fail("I3", fmt::format("stable goes from {} to {} for readers of node {}",
                                                before.value(), now.value(), node.value()));
              }});
  oracle_ = std::make_unique<Oracle>(world_, base_, cache(), entry->id, script_.settings);
  const std::uint32_t count = script_.settings.is_cluster ? script_.settings.nodes : 1;
  for (std::uint32_t n = 1; n <= count; ++n)
    nodes_.emplace_back(*site_, NodeNumber(n), draw_clock(n), n <= script_.settings.cache_writers);
  for (SimNode& node : nodes_) node.start();
  clients_ = std::make_unique<SimClientSite>(
      SimClientSite{environment_, nodes_, *oracle_, script_.settings});
  pusher_ = std::make_unique<SimPusher>(*clients_);
  const auto all_serve = [&] {
    return std::all_of(nodes_.begin(), nodes_.end(), [](auto& node) { return node.is_serving(); });
  };
  if (!run_until(all_serve, kStartLimit)) oracle_->fail("I5", "the nodes do not start");
}

void SimCluster::strike() {
  if (has_failed()) return;
  make_noise(base_);
  make_noise(cache());
  hooks_.watch_probes([this](auto place, auto node) { reached(place, node); });
  if (script_.settings.aim != 0 && own_cache_) {
    aim_.emplace(world_, base_, *own_cache_, nodes_, script_.settings.aim,
                 script_.settings.aim_plan);
    aim_->set_look([this](const std::string& user) {
      for (SimFollower& follower : followers_)
        if (follower.reader().user == user)
          follower.go_back(static_cast<std::uint32_t>(world_.choices().below("looks back", 24)));
    });
    oracle_->set_watcher([this](const SimMutation& write) { aim_->wrote(write); });
  }
  tasks_.spawn(pusher_->run());
  for (const ScriptStep& step : script_.steps)
    world_.after(step.at, {.label = to_string(step.kind)}, [this, &step] { apply(step); });
  run_until([] { return false; }, script_.settings.duration);
}

void SimCluster::heal() {
  if (has_failed()) return;
  is_healed_ = true;
  if (aim_) aim_->end();
  hooks_.calm(true);
  clients_->is_calm = true;
  world_.scheduling() = {};
  base_.heal_all();
  cache().heal_all();
  for (SimNode& node : nodes_) node.start();
  for (SimNode& node : nodes_) node.set_cache_writer(&node == &nodes_.front());
}

// What is still to come, or nothing.
std::optional<std::string> SimCluster::unfinished() const {
  for (const SimNode& node : nodes_)
    if (!node.is_serving()) return fmt::format("node {} does not serve", node.number().value());
  if (!oracle_->is_stable_complete())
    return fmt::format("stable does not come to {}", oracle_->last_sequence().value());
  for (const SimFollower& follower : followers_)
    if (auto missing = follower.missing()) return missing;
  for (const ScriptStep& step : pusher_->steps())
    if (!oracle_->has_revision(SimPusher::id_of(step), SimPusher::rev_of(step)))
      return fmt::format("{} {} was pushed and is lost for good", SimPusher::id_of(step),
                         SimPusher::rev_of(step));
  return std::nullopt;
}

void SimCluster::converge() {
  if (has_failed()) return;
  const TimePoint limit = world_.now() + kConvergeLimit;
  // What the last requests of the faulty time come to.
  run_until([] { return false; }, seconds(5));
  while (!has_failed() && unfinished() && world_.now() < limit)
    run_until([] { return false; }, kLook);
  if (const auto what = unfinished(); what && !has_failed()) {
    const bool is_told = oracle_->is_stable_complete();
    return oracle_->fail(is_told ? "I1" : "I5", *what);
  }
  // And it stays so.
  run_until([] { return false; }, seconds(1));
  if (const auto what = unfinished(); what && !has_failed()) oracle_->fail("I1", "later: " + *what);
}

void SimCluster::prove() {
  if (has_failed()) return;
  oracle_->all_is_settled();
  std::uint32_t turn = 0;
  TaskScope proofs(environment_);
  for (SimFollower& follower : followers_) {
    if (!follower.exists()) continue;
    proofs.spawn(follower.prove_variants(nodes_[follower.step().number % nodes_.size()]));
    for (std::uint32_t i = 0; i < 4; ++i) {
      const auto draw = world_.choices().draw("proof", ChoiceScope(++turn));
      const bool is_new = i == 0;
      const ReadMode mode = is_new || follower.step().subject <= 2
                                ? (draw % 2 == 0 ? ReadMode::available : ReadMode::stable)
                                : follower.step().mode;
      proofs.spawn(follower.prove_old_id(
          nodes_[turn % nodes_.size()],
          is_new ? std::nullopt : std::optional(static_cast<std::uint32_t>(draw >> 8 & 0xffff)),
          mode, draw >> 32 & 3));
      if (!follower.reader().user.empty())
        proofs.spawn(follower.prove_revocations(nodes_[(turn + 1) % nodes_.size()],
                                                static_cast<std::uint32_t>(draw >> 40 & 0xffff)));
    }
  }
  if (!run_until([&] { return proofs.size() == 0; }, kConvergeLimit) && !has_failed())
    oracle_->fail("I5", "pages do not come");
  if (!has_failed()) oracle_->check_end();
  clients_->is_over = true;
}

std::string SimCluster::story() const {
  if (!oracle_ || !oracle_->violation()) return {};
  const std::string& what = oracle_->violation()->what;
  std::string text;
  for (const SimFollower& follower : followers_)
    if (what.find(follower.reader().name) != std::string::npos) text += follower.story();
  for (std::uint32_t user = 1; user <= 4; ++user)
    if (what.find("(" + user_name(user) + ")") != std::string::npos)
      text += oracle_->rights_of(user_name(user));
  for (const char kind : {'d', 'p'}) {
    for (std::uint32_t n = 0; n <= 10'000; ++n) {
      const std::string id = fmt::format("{}{}", kind, n);
      const bool is_named = what.find(" " + id + "@") != std::string::npos ||
                            what.find(" " + id + " ") != std::string::npos ||
                            what.starts_with(id + " ");
      if (is_named) text += oracle_->history_of(id);
    }
  }
  return text;
}

}  // namespace headgate
