// SPDX-License-Identifier: Apache-2.0
// R19 and failovers of the cache: what compaction did may be lost, and nobody misses anything.
#include <map>
#include <tuple>

#include "cache/cluster_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using Names = std::vector<std::string>;

constexpr int kDocuments = 5;

class ClusterCompactionTest : public ClusterFixture {
 protected:
  explicit ClusterCompactionTest(CacheSettings settings = cluster_settings())
      : ClusterFixture(settings, 9) {}

  void write_revisions(const std::string& channel, int revisions) {
    for (int revision = 0; revision < revisions; ++revision)
      for (int d = 0; d < kDocuments; ++d)
        newest_["d" + std::to_string(d)] = put(*b_, "d" + std::to_string(d), {channel});
  }
  void compact() {
    const auto before = a_->cache_writer.statistics().compactions;
    a_->cache_writer.compact();
    for (int i = 0; i < 100 && a_->cache_writer.statistics().compactions == before; ++i)
      run_for(milliseconds(200));
    ASSERT_GT(a_->cache_writer.statistics().compactions, before);
  }
  /// All documents, each once, and none at a number before its newest.
  void expect_all(ClusterNode& node, const std::string& channel) {
    const Names found = names(node, channel);
    ASSERT_EQ(found.size(), newest_.size());
    for (const std::string& row : found) {
      const auto at = row.find('@');
      EXPECT_GE(Sequence(std::stoull(row.substr(at + 1))), newest_.at(row.substr(0, at))) << row;
    }
  }
  bool is_dead(Sequence sequence) {
    const auto found = env_.run(a_->cache.get_many(
        {a_->space.sequence_key(sequence), a_->space.fold_key(sequence)}, a_->space.deadline()));
    if (!found[0].ok()) return found[1].ok();
    return SequenceDocument::decode(sequence, found[0].bytes).value().is_dead;
  }

  std::map<std::string, Sequence> newest_;
};

/// Format, and how many of the writes to the channel are lost, if there were so many.
class LostCompactionTest
    : public ClusterCompactionTest,
      public testing::WithParamInterface<std::tuple<BlockFormat, std::size_t>> {
 protected:
  static CacheSettings settings() {
    CacheSettings settings = cluster_settings();
    settings.block_format = std::get<0>(GetParam());
    return settings;
  }
  LostCompactionTest() : ClusterCompactionTest(settings()) {}
};
INSTANTIATE_TEST_SUITE_P(All, LostCompactionTest,
                         testing::Combine(testing::Values(BlockFormat::append,
                                                          BlockFormat::indexed),
                                          testing::Range<std::size_t>(0, 16)));

TEST_P(LostCompactionTest, NothingIsMissed) {
  const std::string channel = channel_apart();
  const PartitionNumber partition = partition_of_channel(channel);
  start(*a_);
  write_revisions(channel, 3);
  ASSERT_TRUE(all_is_stable(*a_));
  compact();
  expect_all(*b_, channel);  // remembers the first run
  write_revisions(channel, 4);
  ASSERT_TRUE(all_is_stable(*a_));
  const std::size_t before = cache_store_.operation_count(partition);
  compact();
  const std::size_t after = cache_store_.operation_count(partition);
  ASSERT_GT(after, before);
  fail_over(cache_store_, partition, std::min(after - before, std::get<1>(GetParam())));
  ASSERT_TRUE(is_audited(*a_));
  const auto c = node();
  for (ClusterNode* n : {a_.get(), b_.get(), c.get()}) expect_all(*n, channel);
  write_revisions(channel, 2);
  ASSERT_TRUE(all_is_stable(*a_));
  compact();
  const auto d = node();
  for (ClusterNode* n : {a_.get(), b_.get(), c.get(), d.get()}) expect_all(*n, channel);
}

// A failover may have taken block entries of what was not durable, and left its sequence documents.
TEST_F(ClusterCompactionTest, NothingIsConcludedOfWhatAnAuditLookedAt) {
  const std::string channel = channel_apart();
  start(*a_);
  const Sequence first = put(*b_, "d", {channel});
  ASSERT_TRUE(all_is_stable(*a_));
  const Sequence second = put(*b_, "d", {channel});
  const Sequence third = put(*b_, "d", {channel});
  fail_over(cache_store_, partition_of_channel(channel), 0);
  ASSERT_TRUE(is_audited(*a_));
  const Sequence fourth = put(*b_, "d", {channel});
  const Sequence fifth = put(*b_, "d", {channel});
  ASSERT_TRUE(all_is_stable(*a_));
  compact();
  EXPECT_TRUE(is_dead(first));
  EXPECT_FALSE(is_dead(second));
  EXPECT_FALSE(is_dead(third));
  EXPECT_TRUE(is_dead(fourth));
  EXPECT_FALSE(is_dead(fifth));
}

TEST_F(ClusterCompactionTest, ACacheWriterThatWasReplacedEndsItsCompaction) {
  const std::string channel = channel_apart();
  start(*a_);
  write_revisions(channel, 4);
  ASSERT_TRUE(all_is_stable(*a_));
  a_->cache.inject({.matches =
                        [](const Operation& operation) {
                          return key_of(operation).kind == KeyKind::sequence_document &&
                                 (std::holds_alternative<operation::Replace>(operation) ||
                                  std::holds_alternative<operation::Remove>(operation));
                        },
                    .effect = FaultBucket::Effect::hold});
  a_->cache_writer.compact();
  for (int i = 0; i < 100 && a_->cache.held() == 0; ++i) run_for(milliseconds(5));
  ASSERT_TRUE(a_->cache_writer.statistics().is_compacting);
  start(*b_);
  write_revisions(channel, 1);
  for (int i = 0; i < 2'000 && a_->cache_writer.statistics().is_in_charge; ++i)
    run_for(milliseconds(5));
  EXPECT_FALSE(a_->cache_writer.statistics().is_in_charge);
  EXPECT_FALSE(a_->cache_writer.statistics().is_compacting);
  a_->cache.release();
  ASSERT_TRUE(all_is_stable(*b_));
  start(*a_);
  write_revisions(channel, 2);
  ASSERT_TRUE(all_is_stable(*a_));
  run_for(std::chrono::seconds(10));  // after a failure it waits
  compact();
  const auto c = node();
  for (ClusterNode* n : {a_.get(), b_.get(), c.get()}) expect_all(*n, channel);
}

// A run that comes late would stand for blocks that have begun anew.
TEST_F(ClusterCompactionTest, WhatIsLateDoesNothingUnderAnotherHistory) {
  const std::string channel = channel_apart();
  const PartitionNumber partition = partition_of_channel(channel);
  start(*a_);
  write_revisions(channel, 4);
  ASSERT_TRUE(all_is_stable(*a_));
  const Key run = a_->space.record_key(ChannelId::of_documents(channel), 0);
  a_->cache.inject({.matches =
                        [run](const Operation& operation) {
                          return is_write(operation) && key_of(operation) == run;
                        },
                    .effect = FaultBucket::Effect::hold});
  const std::size_t before = cache_store_.operation_count(partition);
  a_->cache_writer.compact();
  for (int i = 0; i < 100 && a_->cache.held() == 0; ++i) run_for(milliseconds(5));
  ASSERT_EQ(a_->cache.held(), 1u);
  ASSERT_GT(cache_store_.operation_count(partition), before);
  fail_over(cache_store_, partition, cache_store_.operation_count(partition) - before);
  a_->cache.release();
  ASSERT_TRUE(is_audited(*a_));
  EXPECT_EQ(env_.run(a_->cache.get(run, a_->space.deadline())).status, Errc::not_found);
  const auto c = node();
  for (ClusterNode* n : {a_.get(), b_.get(), c.get()}) expect_all(*n, channel);
}

// What is not known to survive a failover is not compacted.
TEST_F(ClusterCompactionTest, WithoutDurableStableNothingIsDropped) {
  settings_.stable_durability = StableDurability::none;
  a_ = node();
  b_ = node();
  start(*a_);
  const Sequence first = put(*b_, "d", {"a"});
  put(*b_, "d", {"a"});
  ASSERT_TRUE(all_is_stable(*a_));
  compact();
  EXPECT_FALSE(is_dead(first));
}

}  // namespace
}  // namespace headgate
