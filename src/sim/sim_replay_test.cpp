// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "sim/sim_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

SimFaults many_faults() {
  return {.network = {.delay = {milliseconds(1), milliseconds(9)},
                      .late = 0.1,
                      .late_delay = {milliseconds(50), seconds(2)},
                      .lost_request = 0.05,
                      .lost_reply = 0.05,
                      .duplicated_request = 0.05},
          .feed = {.disconnect = 0.1,
                   .stall = 0.1,
                   .stall_delay = {milliseconds(1), seconds(1)},
                   .repeat = 0.2,
                   .skip_superseded = 0.5,
                   .short_batch = 0.2},
          .replication_lag = {milliseconds(1), milliseconds(100)}};
}

Task<void> write_until(SimEnvironment& node, Bucket& bucket, const bool& is_over) {
  while (!is_over) {
    const Key key{DatabaseId(1), KeyKind::document, "t" + std::to_string(node.random() % 4),
                  std::to_string(node.random() % 5)};
    const Deadline deadline = node.now() + milliseconds(200);
    const auto durability = static_cast<Durability>(node.random() % 3);
    const WriteOptions options{.durability = durability, .feed_entry = "entry"};
    const Reply old = co_await bucket.get(key, deadline);
    if (old.status == Errc::not_found) co_await bucket.insert(key, "x", options, deadline);
    if (old.ok()) co_await bucket.replace(key, old.bytes + "x", old.cas, options, deadline);
    if (node.random() % 10 == 0) (void)co_await bucket.barrier(deadline);
    co_await node.sleep_for(milliseconds(1));
  }
}

using Versions = std::set<Cas>;

Task<void> read_for_ever(SimEnvironment& node, Bucket& bucket, Versions& seen) {
  const auto feed = std::move(*bucket.open_feed(DatabaseId(1), {}));
  while (true) {
    const auto entries = co_await feed->next(10, node.now() + milliseconds(100));
    const std::string text = entries ? std::to_string(entries->size()) : "error";
    node.world().record("read", node.node(), fnv1a(text));
    if (entries)
      for (const FeedEntry& entry : *entries) seen.insert(entry.cas);
    co_await node.sleep_for(milliseconds(1));
  }
}

/// A node whose objects die with it.
struct Node {
  Node(SimWorld& world, SimStore& store, NodeNumber number)
      : environment(world, number), bucket(environment, store) {
    tasks.spawn(write_until(environment, bucket, is_over));
    tasks.spawn(read_for_ever(environment, bucket, seen));
  }
  SimEnvironment environment;
  SimBucket bucket;
  Versions seen;
  bool is_over = false;
  TaskScope tasks{environment};
};

struct Outcome {
  std::uint64_t hash = 0;
  std::uint64_t steps = 0;
  std::size_t writes = 0;
  std::map<std::string_view, std::uint64_t> faults;
  std::vector<std::string> missed;  // surviving entries that the reader of node 1 was not shown
};

std::vector<std::string> missed_by(const Versions& seen, const SimStore& store) {
  std::vector<std::string> missed;
  for (std::uint32_t p = 0; p < store.partition_count(); ++p) {
    for (const auto& [write, is_superseded] : store.feed(PartitionNumber(p), DatabaseId(1)))
      if (!is_superseded && !seen.contains(write->cas)) missed.push_back(write->key.name);
  }
  return missed;
}

/// Three nodes write and read for 10 s while everything fails that can.
Outcome run(std::uint64_t seed) {
  SimWorld world({.seed = seed});
  world.scheduling() = {.late_turn = 0.1, .turn_delay = {milliseconds(0), milliseconds(2)}};
  SimStore store(world, {.partitions = 3, .replicas = 2});
  store.faults() = many_faults();
  std::vector<std::unique_ptr<Node>> nodes;
  for (std::uint32_t i = 1; i <= 3; ++i)
    nodes.push_back(std::make_unique<Node>(world, store, NodeNumber(i)));
  for (std::uint32_t round = 0; round < 10; ++round) {
    world.run_for(seconds(1));
    const PartitionNumber partition(round % 3);
    if (seed % 4 == 0 && round == 7) store.flush();
    store.heal(partition);
    if (round % 2 == 0) store.fail_over(partition, {.lose = 3, .stay_with_old = {NodeNumber(1)}});
    if (round % 2 == 1) store.fail_over(partition, {.lose = 3});
    nodes[1]->environment.pause(milliseconds(500));
    nodes[2]->environment.crash();
    nodes[2] = std::make_unique<Node>(world, store, NodeNumber(3));
  }
  for (const auto& node : nodes) node->is_over = true;
  store.heal_all();
  world.run_for(seconds(60));
  return {world.log_hash(), world.steps(), store.mutations().size(), world.faults(),
          missed_by(nodes[0]->seen, store)};
}

TEST(SimReplay, EqualSeedsMakeEqualRuns) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Outcome first = run(seed);
    const Outcome second = run(seed);
    EXPECT_EQ(first.hash, second.hash);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(first.faults, second.faults);
    EXPECT_NE(first.hash, run(seed + 100).hash);
  }
}

TEST(SimReplay, AReaderIsShownWhateverSurvives) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed)
    EXPECT_THAT(run(seed).missed, testing::IsEmpty()) << seed;
}

TEST(SimReplay, ManyFaultsStrikeAndWritesGoOn) {
  const Outcome outcome = run(4);
  EXPECT_GT(outcome.writes, 100u);
  for (const char* fault : {"lost request", "lost reply", "late message", "duplicated request",
                            "failover with loss", "two masters", "flush", "feed disconnect",
                            "feed stall", "feed repeat", "feed skip", "feed short batch"})
    EXPECT_GT(outcome.faults.contains(fault) ? outcome.faults.at(fault) : 0, 0u) << fault;
}

}  // namespace
}  // namespace headgate
