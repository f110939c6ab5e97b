// SPDX-License-Identifier: Apache-2.0
// Losses of the cache bucket, and of both: cases C and D of docs/fault-model.md, one story each.
#include <gmock/gmock.h>

#include "cache/cluster_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Outcome = FrontEndCacheWriter::Outcome;

// What stable covers may be lost: without stable_durability by one failover, with it by two.
class CacheLossTest : public ClusterFixture, public testing::WithParamInterface<BlockFormat> {
 protected:
  static CacheSettings settings() {
    CacheSettings settings = cluster_settings();
    settings.stable_durability = StableDurability::none;
    settings.block_format = GetParam();
    return settings;
  }
  // So many partitions that sequence documents have one of their own.
  CacheLossTest() : ClusterFixture(settings(), 9) {
    EXPECT_NE(partition_of_documents(), cache_store_.partition_of(a_->space.stable_key()));
    EXPECT_NE(partition_of_documents(),
              cache_store_.partition_of(a_->allocator.counter_key().value()));
  }

  PartitionNumber partition_of_documents() const {
    return cache_store_.partition_of(a_->space.sequence_key(Sequence(2)));
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, CacheLossTest,
                         testing::Values(BlockFormat::append, BlockFormat::indexed));

// C1, the most dangerous case: an entry at or below published stable is missing in its block.
TEST_P(CacheLossTest, C1BlocksLoseEntries) {
  const std::string channel = channel_apart();
  start(*a_);
  const Sequence kept = put(*b_, "a", {channel});
  const Sequence lost = put(*b_, "b", {channel});
  ASSERT_TRUE(stable_reaches(*a_, lost));
  fail_over(cache_store_, partition_of_channel(channel), 2);  // an entry and the counter
  EXPECT_THAT(names(*b_, channel), ElementsAre("rolled_back"));
  ASSERT_TRUE(is_audited(*a_));
  // A client that has passed the lost entry is told at a fresh number.
  const auto told = names(*b_, channel, lost);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].substr(0, 2), "b@");
  EXPECT_THAT(names(*b_, channel), Contains(at("a", kept)));
  EXPECT_EQ(a_->resequences, 1);
}

TEST_P(CacheLossTest, C1ARemovalsBlockEntryIsLost) {
  const std::string channel = channel_apart();
  start(*a_);
  put(*b_, "a", {channel});
  const Sequence out = put(*b_, "a", {});   // leaves at `out` ...
  const Sequence last = put(*b_, "a", {});  // ... which is an earlier number by now
  ASSERT_TRUE(stable_reaches(*a_, last));
  fail_over(cache_store_, partition_of_channel(channel), 2);
  ASSERT_TRUE(is_audited(*a_));
  const auto told = names(*b_, channel, out);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].substr(0, 3), "-a@");
}

// C2: lost sequence documents at or below stable are no entries to fill in: nobody can tell a lost
// live one from a lost dead one.
TEST_P(CacheLossTest, C2SequenceDocumentsAreLost) {
  start(*a_);
  const Allocation zombies = allocate(*b_);
  const Sequence live = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, live));  // the zombie's number is buried
  ASSERT_GT(live, zombies.first);
  const auto partition = partition_of_documents();
  fail_over(cache_store_, partition, cache_store_.operation_count(partition));
  ASSERT_TRUE(is_audited(*a_));
  const auto told = names(*b_, "news", live);
  ASSERT_THAT(told, SizeIs(1));
  // The hole is closed again before the zombie can use it.
  const auto late = base_write(*b_, "z", {"news"}, zombies);
  EXPECT_EQ(cache_write(*b_, late), Outcome::left_unfinished);
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_THAT(names(*b_, "news", live), SizeIs(2));
}

// R4b: a front end that drew its number before the failover leaves the entry to the cache writer,
// or it would fill the hole of a lost dead document while the audit is under way.
TEST_P(CacheLossTest, C2AZombieDoesNotFillAHole) {
  start(*a_);
  const Allocation zombies = allocate(*b_);
  const Sequence live = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, live));
  a_->base.hold_feeds();
  const auto partition = partition_of_documents();
  fail_over(cache_store_, partition, cache_store_.operation_count(partition));
  const auto late = base_write(*b_, "z", {"news"}, zombies);
  EXPECT_EQ(cache_write(*b_, late), Outcome::left_unfinished);
  a_->base.release();
  ASSERT_TRUE(is_audited(*a_));
  const auto told = names(*b_, "news", live);
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_THAT(told, Contains(testing::StartsWith("z@")));
}

// I4 in an audit: the earlier numbers of documents are closed, too.
TEST_P(CacheLossTest, C2EarlierNumbersAreClosed) {
  start(*a_);
  put(*b_, "a", {"news"});
  put(*b_, "a", {"news"});
  const Sequence last = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, last));
  const auto partition = partition_of_documents();
  fail_over(cache_store_, partition, cache_store_.operation_count(partition));
  ASSERT_TRUE(is_audited(*a_));
  for (Sequence s(2); s <= last; s = s.next()) {
    const Reply found = env_.run(b_->cache.get(b_->space.sequence_key(s), kNoDeadline));
    EXPECT_TRUE(found.ok()) << s.value();
  }
}

// An audit waits for nothing that comes after it began: some write is always underway, of a
// document that had numbers at or below stable.
TEST_P(CacheLossTest, C2AnAuditEndsThoughWritesGoOn) {
  const auto document = [](int step) { return "d" + std::to_string(step % 8); };
  start(*a_);
  Sequence last;
  for (int i = 0; i < 8; ++i) last = put(*b_, document(i), {"news"});
  ASSERT_TRUE(stable_reaches(*a_, last));
  const auto before = a_->cache_writer.statistics().audits;
  const auto partition = partition_of_documents();
  fail_over(cache_store_, partition, cache_store_.operation_count(partition));
  std::optional<ClusterNode::Written> underway;
  int step = 0;
  for (; step < 2'000 && a_->cache_writer.statistics().audits == before; ++step) {
    auto next = base_write(*b_, document(step), {"news"});
    if (underway) cache_write(*b_, *std::exchange(underway, {}));
    underway.emplace(std::move(next));
    env_.advance(milliseconds(1));
  }
  EXPECT_LT(step, 2'000);
}

// C3: the record falls back; stable does not.
TEST_P(CacheLossTest, C3TheStableRecordIsLost) {
  start(*a_);
  put(*b_, "a", {"news"});
  const Sequence last = put(*b_, "b", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, last));
  const auto partition = cache_store_.partition_of(a_->space.stable_key());
  fail_over(cache_store_, partition, 2);
  auto c = node();
  env_.run(a_->cache_writer.stop());
  start(*c);  // knows the copy alone
  ASSERT_TRUE(stable_reaches(*c, Sequence(1)));
  EXPECT_GE(stable(*c), last);
  env_.run(c->cache_writer.stop());
}

// C4: a counter falls back and is raised again to what it was: a feed that compares for "greater"
// would miss the entry.
TEST_P(CacheLossTest, C4ChannelCountersFallBack) {
  const std::string channel = channel_apart();
  start(*a_);
  put(*b_, "a", {channel});
  ASSERT_TRUE(stable_reaches(*a_, put(*b_, "b", {channel})));
  EXPECT_THAT(names(*b_, channel), SizeIs(2));
  fail_over(cache_store_, partition_of_channel(channel), 2);
  ASSERT_TRUE(is_audited(*a_));
  EXPECT_THAT(names(*b_, channel), SizeIs(2));
  EXPECT_THAT(names(*b_, channel, Sequence(3)), SizeIs(1));
}

// Readers wait for the end of the audit, and go on by themselves.
TEST_P(CacheLossTest, ReadersWaitForTheAudit) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*b_, "a", {"news"})));
  a_->base.hold_feeds();
  cache_store_.fail_over_all();
  run_for(seconds(2));
  EXPECT_THAT(names(*b_, "news"), ElementsAre("unavailable"));
  a_->base.release();
  run_for(seconds(2));
  EXPECT_THAT(names(*b_, "news"), ElementsAre("a@2"));
}

// I7: a node that draws no number hears of a new epoch by the stable record only, and has to know
// how far its blocks reach.
TEST_P(CacheLossTest, AReaderThatDrawsNothingFollowsTheEpoch) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*a_, "a", {"news"})));
  EXPECT_THAT(names(*b_, "news"), SizeIs(1));
  cache_store_.fail_over_all();
  ASSERT_TRUE(is_audited(*a_));
  env_.run(a_->cache_writer.stop());
  for (int i = 0; i < 6; ++i) put(*a_, "other", {"sport"});
  put(*a_, "b", {"news"});  // above stable
  EXPECT_THAT(names(*b_, "news"), SizeIs(2));
}

// I7: a revocation that was acknowledged is in force in every pass, though it is above stable and
// the cache has lost it.
TEST_P(CacheLossTest, PassesWaitForLostRevocations) {
  start(*a_);
  ASSERT_TRUE(stable_reaches(*a_, put(*b_, "a", {"news"})));
  const Allocation unused = allocate(*b_);  // holds stable back
  const ChannelId ann = ChannelId::of_principal("user:ann");
  const auto revocation = env_.run(b_->base_write("g", {}, {}, {{ann, ""}}));
  ASSERT_TRUE(revocation);
  ASSERT_EQ(cache_write(*b_, *revocation), Outcome::complete);
  const auto partition = partition_of_documents();
  fail_over(cache_store_, partition, cache_store_.operation_count(partition));
  Result<ChannelPage> page = Errc::unavailable;
  for (int i = 0; i < 2'000 && !page; ++i) {
    page = env_.run(read_task(*b_, ann, Sequence(), ReadMode::available));
    if (!page) env_.advance(milliseconds(10));
  }
  ASSERT_TRUE(page);
  ASSERT_LT(stable(*b_), unused.first);
  ASSERT_THAT(page->entries, SizeIs(1));
  EXPECT_EQ(page->entries[0].document->entry.doc_id, DocId("g"));
}

// D: both lose their last writes, the published stable and its copy among them.
TEST_P(CacheLossTest, DBothLose) {
  start(*a_);
  put(*b_, "a", {"news"});
  ASSERT_TRUE(all_is_stable(*a_));
  const Sequence before = put(*b_, "b", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, before));
  env_.run(a_->cache_writer.stop());
  for (std::uint32_t i = 0; i < base_store_.partition_count(); ++i) {
    for (MemoryStore* store : {&base_store_, &cache_store_}) {
      const PartitionNumber p(i);
      store->fail_over(p, store->operation_count(p) / 2);
    }
  }
  auto c = node();
  start(*c);
  ASSERT_TRUE(all_is_stable(*c));
  // I3: what was published once is not taken back.
  EXPECT_GE(stable(*c), before);
  const Sequence next = put(*c, "c", {"news"});
  EXPECT_GT(next, before);
  EXPECT_THAT(names(*c, "news", before), Contains(at("c", next)));
  env_.run(c->cache_writer.stop());
}

// --- C6 ------------------------------------------------------------------------------------------

class EmptiedCacheTest : public ClusterFixture {};

TEST_F(EmptiedCacheTest, C6IsBuiltAnewAtTheOldNumbers) {
  start(*a_);
  const Sequence first = put(*b_, "a", {"news"});
  put(*b_, "b", {"news", "sport"});
  const Sequence out = put(*b_, "b", {"sport"});
  const Sequence last = put(*b_, "c", {"news"});
  for (int i = 0; i < 12; ++i) put(*b_, "n" + std::to_string(i), {"news"});
  ASSERT_TRUE(all_is_stable(*a_));
  cache_store_.flush();
  EXPECT_THAT(names(*b_, "news"), ElementsAre("unavailable"));
  ASSERT_TRUE(all_is_stable(*b_));
  // Old tokens stay good: everything is where it was.
  EXPECT_EQ(b_->space.generation, 1u);
  EXPECT_EQ(a_->resequences, 0);
  EXPECT_THAT(names(*b_, "news", out), SizeIs(13));
  EXPECT_THAT(names(*b_, "news", out), Contains(at("c", last)));
  EXPECT_THAT(names(*b_, "news"), Contains(at("a", first)));
  EXPECT_THAT(names(*b_, "news"), Contains(at("-b", out)));
  EXPECT_THAT(names(*b_, "sport"), ElementsAre(at("b", out)));
  const auto pass = env_.run(b_->reader.start_pass());
  EXPECT_EQ(pass->record->epochs.resume(last), last);
  EXPECT_TRUE(stable_reaches(*b_, put(*b_, "d", {"news"})));
}

// A zombie that drew its number before writes into a cache that nobody reads.
TEST_F(EmptiedCacheTest, C6ZombiesMissTheNewCache) {
  start(*a_);
  const auto zombies = base_write(*b_, "a", {"news"});
  cache_store_.flush();
  ASSERT_TRUE(all_is_stable(*a_));
  EXPECT_EQ(cache_write(*b_, zombies), Outcome::left_unfinished);
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_THAT(names(*b_, "news"), SizeIs(1));
}

// A document at or below stable whose position the cache writer had not seen yet was never told:
// its number was dead.
TEST_F(EmptiedCacheTest, C6ALateDocumentIsResequenced) {
  start(*a_);
  const Allocation zombies = allocate(*b_);
  const Sequence seen = put(*b_, "a", {"news"});
  ASSERT_TRUE(stable_reaches(*a_, seen));
  env_.run(a_->cache_writer.stop());
  base_write(*b_, "z", {"news"}, zombies);  // late, below stable, not on the feed yet
  cache_store_.flush();
  start(*a_);
  ASSERT_TRUE(all_is_stable(*b_));
  const auto told = names(*b_, "news", seen);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].substr(0, 2), "z@");
}

// The rebuilding stops anywhere and is begun again.
TEST_F(EmptiedCacheTest, C6RebuildingMayStopAnywhere) {
  start(*a_);
  for (int i = 0; i < 20; ++i) put(*b_, "d" + std::to_string(i), {"news"});
  ASSERT_TRUE(all_is_stable(*a_));
  env_.run(a_->cache_writer.stop());
  cache_store_.flush();
  for (std::size_t n = 0; n < 40; ++n) {
    auto stopped = node();
    (n % 2 ? stopped->base : stopped->cache).fail_calls(Errc::unavailable, n / 2, 1'000'000);
    (void)env_.run(stopped->cache_writer.start());
    run_for(milliseconds(20));
    env_.run(stopped->cache_writer.stop());
  }
  auto c = node();
  start(*c);
  ASSERT_TRUE(all_is_stable(*c));
  EXPECT_THAT(names(*c, "news"), SizeIs(20));
  EXPECT_EQ(c->space.generation, 1u);
  env_.run(c->cache_writer.stop());
}

TEST_F(EmptiedCacheTest, C6Twice) {
  start(*a_);
  for (int round = 0; round < 3; ++round) {
    put(*b_, "d" + std::to_string(round), {"news"});
    ASSERT_TRUE(all_is_stable(*b_));
    cache_store_.flush();
  }
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_THAT(names(*b_, "news"), SizeIs(3));
  EXPECT_EQ(b_->space.generation, 3u);
}

// So many partitions that a channel has one of its own in the new generation, too.
class EmptiedAndLostTest : public ClusterFixture {
 protected:
  EmptiedAndLostTest() : ClusterFixture(cluster_settings(), 9) {}

  PartitionNumber partition_now(const std::string& channel) const {
    return cache_store_.partition_of(b_->space.counter_key(ChannelId::of_documents(channel)));
  }
  bool is_apart(const std::string& channel, Sequence written) const {
    const CacheSpace& space = b_->space;
    for (const Key& key : {space.stable_key(), horizon_key(space.database, space.generation),
                           space.sequence_key(written)})
      if (cache_store_.partition_of(key) == partition_now(channel)) return false;
    return true;
  }
};

// A front end fills the emptied cache, which loses a block entry before anything of it was
// published; nobody knows any more how large stable was (D).
TEST_F(EmptiedAndLostTest, C6BlocksLoseEntriesBeforeTheyAreBuiltAnew) {
  start(*a_);
  put(*b_, "a", {"news"});
  ASSERT_TRUE(all_is_stable(*a_));
  env_.run(a_->cache_writer.stop());
  cache_store_.flush();
  std::vector<std::string> written;
  for (int i = 0; i < 30; ++i) {
    const std::string channel = "channel" + std::to_string(i);
    if (is_apart(channel, put(*b_, "d" + channel, {channel}))) written.push_back(channel);
  }
  ASSERT_THAT(written, SizeIs(testing::Gt(1u)));
  fail_over(cache_store_, partition_now(written.back()), 2);  // an entry and the counter
  fail_over(base_store_, base_store_.partition_of(a_->space.stable_key()), 0);
  start(*b_);
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_THAT(names(*b_, written.back()), SizeIs(1));
}

class LargeBlocksTest : public ClusterFixture {
 protected:
  static CacheSettings settings() {
    CacheSettings settings = cluster_settings();
    settings.block_capacity = 1'024;
    return settings;
  }
  LargeBlocksTest() : ClusterFixture(settings()) {}
};

// What an audit does for each document and each dead number is done for many at once.
TEST_F(LargeBlocksTest, C6ManyDocumentsShareRoundTrips) {
  constexpr std::size_t kDocuments = 300;
  start(*a_);
  for (std::size_t i = 0; i < kDocuments; ++i) {
    put(*b_, "d" + std::to_string(i), {"news"});
    allocate(*b_);  // is buried
  }
  ASSERT_TRUE(all_is_stable(*a_));
  env_.run(a_->cache_writer.stop());
  cache_store_.flush();
  a_->cache.fail_calls(Errc::unavailable, kDocuments);
  a_->base.inject({.matches = of_kind(KeyKind::document),
                   .effect = FaultBucket::Effect::hold,
                   .times = kDocuments});
  start(*a_);
  for (int i = 0; i < 1'000 && a_->base.held() == 0; ++i) env_.advance(milliseconds(1));
  EXPECT_EQ(a_->base.held(), kDocuments);
  a_->base.release();
  ASSERT_TRUE(all_is_stable(*b_));
  EXPECT_EQ(a_->cache.struck(), 0u) << "more calls than documents";
  EXPECT_THAT(names(*b_, "news"), SizeIs(kDocuments));
}

}  // namespace
}  // namespace headgate
