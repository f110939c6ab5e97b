// SPDX-License-Identifier: Apache-2.0
// Purged documents leave the readers of all nodes, and stay away after losses.
#include <gmock/gmock.h>

#include "cache/cluster_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class ClusterPurgeTest : public ClusterFixture {
 protected:
  /// Barriers that a cache writer passes now and then are rare.
  static CacheSettings settings() {
    CacheSettings settings = cluster_settings();
    settings.poll = std::chrono::seconds(2);
    return settings;
  }
  ClusterPurgeTest() : ClusterFixture(settings()) {}

  Sequence purge(ClusterNode& node, const std::string& name) {
    const auto purged = env_.run(node.purge(name));
    EXPECT_TRUE(purged) << purged.error().context;
    return purged.value_or(Sequence());
  }
  bool is_stored(const std::string& name) {
    return env_.run(b_->base.get(ClusterNode::doc_key(name), b_->space.deadline())).ok();
  }
  static bool removes_document(const Operation& operation) {
    return std::holds_alternative<operation::Remove>(operation) &&
           key_of(operation).kind == KeyKind::document;
  }
  /// Purges "a" below the durable floor, up to the removal of what is left of it: no barrier is
  /// passed but those of the purge.
  void purge_up_to_removal(FaultBucket::Moment moment, FaultBucket::Effect effect) {
    start(*a_);
    ASSERT_TRUE(stable_reaches(*a_, put(*a_, "a", {"news"})));
    run_for(milliseconds(300));
    a_->base.inject(
        {.matches = removes_document, .moment = moment, .effect = effect, .times = 100'000});
    purge(*b_, "a");
    run_for(milliseconds(20));
    ASSERT_GT(a_->base.struck() + a_->base.held(), 0u);
  }
};

TEST_F(ClusterPurgeTest, ReadersOfAllNodesForgetIt) {
  start(*a_);
  put(*a_, "a", {"news", "old"});
  const Sequence second = put(*b_, "a", {"news"});
  const Sequence other = put(*a_, "b", {"news"});
  for (ClusterNode* node : {a_.get(), b_.get()})
    EXPECT_THAT(names(*node, "news"), ElementsAre(at("a", second), at("b", other)));
  ASSERT_TRUE(stable_reaches(*b_, purge(*b_, "a")));
  for (ClusterNode* node : {a_.get(), b_.get()}) {
    EXPECT_THAT(names(*node, "news"), ElementsAre(at("b", other)));
    EXPECT_THAT(names(*node, "old"), IsEmpty());
    EXPECT_THAT(names(*node, "*"), ElementsAre(at("b", other)));
  }
  EXPECT_FALSE(is_stored("a"));
}

// The successor finds nothing on the feed that would tell of it.
TEST_F(ClusterPurgeTest, ReadersForgetItWhenItsCacheWriterEndedTooSoon) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*a_, "a", {"news"})));
  EXPECT_EQ(names(*b_, "news").size(), 1u);
  a_->base.inject({.matches = writes_of_kind(KeyKind::stable_copy), .times = 100'000});
  const Sequence purged = purge(*b_, "a");
  run_for(milliseconds(200));
  ASSERT_FALSE(is_stored("a"));
  a_->base.clear();
  start(*b_);
  ASSERT_TRUE(stable_reaches(*b_, purged));
  EXPECT_THAT(names(*b_, "news"), IsEmpty());
}

TEST_F(ClusterPurgeTest, AfterALossOfTheBaseItAndTheCacheAgree) {
  purge_up_to_removal(FaultBucket::Moment::before, FaultBucket::Effect::fail);
  lose_uncovered(base_store_);
  a_->base.clear();
  ASSERT_TRUE(is_audited(*a_));
  EXPECT_EQ(is_stored("a"), !names(*b_, "news").empty());
}

TEST_F(ClusterPurgeTest, NothingIsRemovedThatALossOfTheCacheWouldNeedAgain) {
  purge_up_to_removal(FaultBucket::Moment::after, FaultBucket::Effect::hold);
  ASSERT_FALSE(is_stored("a"));
  lose_uncovered(cache_store_);
  a_->base.release();
  ASSERT_TRUE(is_audited(*a_));
  EXPECT_THAT(names(*b_, "news"), IsEmpty());
}

TEST_F(ClusterPurgeTest, ADocumentWrittenAgainHasNothingOfIt) {
  start(*a_);
  put(*a_, "a", {"news"});
  const Sequence other = put(*a_, "b", {"news"});
  const Sequence purged = purge(*b_, "a");
  ASSERT_TRUE(stable_reaches(*b_, purged));
  const Sequence again = put(*a_, "a", {"sport"});
  EXPECT_GT(again, purged);
  ASSERT_TRUE(stable_reaches(*b_, again));
  EXPECT_THAT(names(*b_, "news"), ElementsAre(at("b", other)));
  EXPECT_THAT(names(*b_, "sport"), ElementsAre(at("a", again)));
}

}  // namespace
}  // namespace headgate
