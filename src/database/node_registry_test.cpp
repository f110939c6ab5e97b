// SPDX-License-Identifier: Apache-2.0
#include "database/node_registry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/manual_environment.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NodeRegistryTest : public testing::Test {
 protected:
  struct Node {
    explicit Node(NodeRegistryTest& test, std::string name, bool is_cache_writer = true)
        : memory(test.env_, test.store_),
          bucket(test.env_, memory),
          registry(test.env_, bucket, {}) {
      registry.own().name = std::move(name);
      registry.own().is_cache_writer = is_cache_writer;
    }
    MemoryBucket memory;
    FaultBucket bucket;
    NodeRegistry registry;
  };

  Node& add(std::string name, bool is_cache_writer = true) {
    nodes_.push_back(std::make_unique<Node>(*this, std::move(name), is_cache_writer));
    return *nodes_.back();
  }
  /// All of `nodes` beat for a while.
  void beat(std::vector<Node*> nodes, int times = 1) {
    for (int i = 0; i < times; ++i) {
      for (Node* node : nodes) EXPECT_TRUE(env_.run(node->registry.beat()));
      env_.advance(NodeRegistry::kBeat);
    }
  }
  static std::vector<std::string> names(const Node& node) {
    std::vector<std::string> names;
    for (const NodeRecord& record : node.registry.live()) names.push_back(record.name);
    std::sort(names.begin(), names.end());
    return names;
  }

  ManualEnvironment env_;
  MemoryStore store_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

using Names = std::vector<std::string>;

TEST_F(NodeRegistryTest, NodesSeeEachOtherAndAgreeOnOwners) {
  Node& a = add("a");
  Node& b = add("b");
  EXPECT_FALSE(a.registry.is_fresh()) << "before its first beat";
  beat({&a, &b}, 2);
  EXPECT_EQ(names(a), (Names{"a", "b"}));
  EXPECT_EQ(names(b), (Names{"a", "b"}));
  int owned_by_a = 0;
  for (std::uint32_t id = 1; id <= 100; ++id) {
    const std::string owner = a.registry.owner_of(DatabaseId(id));
    EXPECT_EQ(owner, b.registry.owner_of(DatabaseId(id)));
    owned_by_a += owner == a.registry.own_id() ? 1 : 0;
  }
  EXPECT_GT(owned_by_a, 20) << "databases are spread";
  EXPECT_LT(owned_by_a, 80);
}

TEST_F(NodeRegistryTest, ASilentNodeIsDeadSoonAndOnlyItsShareMoves) {
  Node& a = add("a");
  Node& b = add("b");
  Node& c = add("c");
  beat({&a, &b, &c}, 3);
  std::vector<std::string> before;
  for (std::uint32_t id = 1; id <= 50; ++id) before.push_back(a.registry.owner_of(DatabaseId(id)));
  const TimePoint silent_since = env_.now();
  while (names(a).size() == 3 && env_.now() < silent_since + seconds(10)) beat({&a, &b});
  EXPECT_LT(env_.now() - silent_since, milliseconds(2'000));
  for (std::uint32_t id = 1; id <= 50; ++id) {
    const std::string owner = a.registry.owner_of(DatabaseId(id));
    EXPECT_NE(owner, c.registry.own_id());
    if (before[id - 1] != c.registry.own_id()) {
      EXPECT_EQ(owner, before[id - 1]);
    }
  }
  EXPECT_FALSE(c.registry.is_fresh());
}

TEST_F(NodeRegistryTest, WhoSleptTakesNobodyForDead) {
  Node& a = add("a");
  Node& b = add("b");
  beat({&a, &b}, 3);
  beat({&b}, 20);
  beat({&a});
  EXPECT_EQ(names(a), (Names{"a", "b"})) << "its long silence was its own";
  beat({&b});
  EXPECT_EQ(names(b), (Names{"a", "b"}));
}

TEST_F(NodeRegistryTest, OwnersAreCandidatesThatStay) {
  Node& a = add("a");
  Node& b = add("b", false);
  Node& c = add("c");
  beat({&a, &b, &c}, 2);
  c.registry.own().is_leaving = true;
  beat({&c, &a, &b});
  for (std::uint32_t id = 1; id <= 20; ++id)
    EXPECT_EQ(b.registry.owner_of(DatabaseId(id)), a.registry.own_id());
  env_.run(c.registry.remove());
  beat({&a});
  EXPECT_EQ(names(a), (Names{"a", "b"}));
}

TEST_F(NodeRegistryTest, AnUnknownOutcomeOrALostRecordIsMadeGoodByTheNextBeat) {
  Node& a = add("a");
  Node& b = add("b");
  beat({&a, &b}, 2);
  a.bucket.inject({.matches = writes_of_kind(KeyKind::database),
                   .moment = FaultBucket::Moment::after,
                   .code = Errc::timeout_unknown_outcome});
  EXPECT_FALSE(env_.run(a.registry.beat()));
  beat({&a, &b});
  const Key key{DatabaseId(0), KeyKind::database, "nodes", a.registry.own_id()};
  const Reply found = env_.run(b.memory.get(key, kNoDeadline));
  ASSERT_TRUE(env_.run(b.memory.remove(key, found.cas, {}, kNoDeadline)).ok());
  EXPECT_FALSE(env_.run(a.registry.beat()));
  beat({&a, &b});
  EXPECT_EQ(names(b), (Names{"a", "b"}));
}

TEST_F(NodeRegistryTest, ALivingNodeWithAnotherCacheIsFoundOut) {
  Node& a = add("a");
  a.registry.own().cache = "redis";
  Node& b = add("b");
  b.registry.own().cache = "disk";
  beat({&a, &b});
  EXPECT_TRUE(b.registry.may_have_stranger());
  EXPECT_FALSE(b.registry.stranger()) << "it may be long dead";
  beat({&a, &b});
  ASSERT_TRUE(b.registry.stranger());
  EXPECT_EQ(b.registry.stranger()->name, "a");
  beat({&b}, 8);
  EXPECT_FALSE(b.registry.may_have_stranger());
}

TEST_F(NodeRegistryTest, TheDeadAreForgotten) {
  Node& a = add("a");
  Node& b = add("b");
  beat({&a, &b}, 2);
  beat({&a}, 250);
  const Key key{DatabaseId(0), KeyKind::database, "nodes", b.registry.own_id()};
  EXPECT_EQ(env_.run(a.memory.get(key, kNoDeadline)).status, Errc::not_found);
}

}  // namespace
}  // namespace headgate
