// SPDX-License-Identifier: Apache-2.0
// A database on two nodes whose buckets fail over, as its clients see it.
#include "changes/changes_cluster_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// R15c on every node: a waiting feed of one is woken by what another writes.
TEST_F(ChangesClusterTest, AFeedOfOneNodeSeesTheWritesOfAnother) {
  Follower& feed = follow(*a_, FeedKind::continuous, "0");
  const std::string rev = put(*b_, "doc", "news");
  settle(seconds(1));
  EXPECT_THAT(ids(feed), ElementsAre("doc " + rev));
}

// What was announced had been counted already: it does not hide a change that nobody announces.
TEST_F(ChangesClusterTest, ALateAnnouncementHidesNoChange) {
  Follower& feed = follow(*a_, FeedKind::continuous, "0");
  const std::string one = put(*b_, "one", "news");
  settle(seconds(1));
  a_->hub.channel_changed_elsewhere(ChannelId::star(), 1);
  const std::string two = put(*b_, "two", "news");
  settle(seconds(1));
  EXPECT_THAT(ids(feed), ElementsAre("one " + one, "two " + two));
}

// Without "*" no counter tells of it: stable does.
class StarlessClusterTest : public ChangesClusterTest {
 protected:
  StarlessClusterTest() : ChangesClusterTest(std::nullopt, false) {}
};

// A lone write draws its number while the document is read.
TEST_F(ChangesClusterTest, TheNumberOfARefusedWriteHoldsNobodyUp) {
  put(*a_, "doc", "news");
  WriteItem again;
  again.id = DocId("doc");
  again.document = parse_document("{}").value();
  const auto answer =
      env_.run(b_->database.writer().write_one(Principal::admin(), std::move(again)));
  EXPECT_EQ(answer.error().code, Errc::conflict);
  // Nor does it fill the store: the next ones draw none.
  EXPECT_EQ(b_->database.writer().statistics().released, 1u);
  const Sequence highest = b_->database.highest();
  for (int i = 0; i < 10; ++i) {
    WriteItem refused;
    refused.id = DocId("doc");
    refused.document = parse_document("{}").value();
    EXPECT_FALSE(env_.run(b_->database.writer().write_one(Principal::admin(), std::move(refused))));
  }
  EXPECT_EQ(b_->database.highest(), highest);
  put(*a_, "other", "news");
  settle(milliseconds(900));
  EXPECT_EQ(a_->database.stable(), a_->database.highest());
  EXPECT_EQ(a_->database.cache_writer_statistics().gaps_closed, 0u);
}

// Nor does a slow sync function: its writes draw their numbers afterwards.
TEST_F(ChangesClusterTest, ANumberIsDrawnAheadOnlyWhereTheSyncFunctionIsQuick) {
  DatabaseConfig config = *b_->database.config();
  config.sync = "function (doc) { channel(doc.channels); }";
  ASSERT_TRUE(env_.run(b_->database.reconfigure(config)));
  const auto refused = [this] {
    WriteItem item;
    item.id = DocId("doc");
    item.document = parse_document("{}").value();
    EXPECT_FALSE(env_.run(b_->database.writer().write_one(Principal::admin(), std::move(item))));
    return b_->database.writer().statistics().released;
  };
  put(*b_, "doc", "news");
  for (int i = 0; i < 40; ++i) put(*b_, "quick" + std::to_string(i), "news");
  EXPECT_EQ(refused(), 1u);
  env_.set_time_of_workers(milliseconds(50));
  for (int i = 0; i < 2; ++i) put(*b_, "slow" + std::to_string(i), "news");
  EXPECT_EQ(refused(), 1u) << "drawn ahead of a slow function";
  env_.set_time_of_workers(milliseconds(0));
  for (int i = 0; i < 20; ++i) put(*b_, "again" + std::to_string(i), "news");
  EXPECT_EQ(refused(), 2u);
}

TEST_F(StarlessClusterTest, AFeedOfOneNodeSeesTheWritesOfAnother) {
  // a_ has the cache writer, and hears of each advance of stable before it polls.
  for (const auto& [reads, writes] : {std::pair(b_.get(), a_.get()), {a_.get(), b_.get()}}) {
    Follower& feed = follow(*reads, FeedKind::continuous, "0");
    for (int i = 0; i < 3; ++i) {
      const std::string id = (reads == a_.get() ? "a" : "b") + std::to_string(i);
      const std::string rev = put(*writes, id, "news");
      settle(seconds(1));
      ASSERT_FALSE(feed.rows.empty());
      EXPECT_EQ(ids(feed).back(), id + " " + rev);
    }
  }
}

// R11: waiting feeds go on by themselves after failovers of both buckets, without a restart.
TEST_F(ChangesClusterTest, AWaitingFeedOutlivesFailovers) {
  Follower& feed = follow(*b_, FeedKind::continuous, "0");
  for (int i = 0; i < 4; ++i) {
    feed.rows.clear();
    const std::string id = "doc" + std::to_string(i);
    const std::string rev = put(*b_, id, "news");
    settle();
    EXPECT_THAT(ids(feed), testing::Contains(id + " " + rev)) << i;
    (i % 2 ? base_store_ : cache_store_).fail_over_all();
    settle();
  }
  EXPECT_FALSE(feed.error);
}

// B2: a client that has seen a lost revision (a ghost, I6) is told the surviving one, whether it
// waits or comes back with its token (R17).
TEST_F(ChangesClusterTest, AGhostIsFollowedByTheSurvivor) {
  const std::string first = put(*b_, "doc", "news");
  settle();
  Follower& waiting = follow(*b_, FeedKind::continuous, "0");
  a_->base.hold_feeds();
  const std::string ghost = put(*b_, "doc", "news", first);
  settle(milliseconds(50));
  ASSERT_THAT(ids(waiting), ElementsAre("doc " + first, "doc " + ghost));
  const std::string token = waiting.last_seq;
  lose("doc", 1);
  a_->base.release();
  settle();
  EXPECT_EQ(ids(waiting).back(), "doc " + first);
  EXPECT_THAT(ids(follow(*a_, FeedKind::normal, token)), ElementsAre("doc " + first));
}

// The same where the cache has lost the ghost, too, so that nobody knows whom to announce again:
// the survivor stands at a number below the one that the feed remembers of the ghost (R17b).
TEST_F(ChangesClusterTest, AGhostThatTheCacheForgotIsFollowedByTheSurvivor) {
  a_->base.hold_feeds();
  const std::string first = put(*b_, "doc", "news");
  Follower& waiting = follow(*b_, FeedKind::continuous, "0");
  const std::string ghost = put(*b_, "doc", "news", first);
  settle(milliseconds(50));
  ASSERT_THAT(ids(waiting), ElementsAre("doc " + first, "doc " + ghost));
  const auto partition =
      cache_store_.partition_of(b_->database.cache_space().sequence_key(b_->database.highest()));
  cache_store_.fail_over(partition, cache_store_.operation_count(partition) - 1);
  lose("doc", 1);
  a_->base.release();
  settle();
  EXPECT_EQ(ids(waiting).back(), "doc " + first);
}

// R17: what stands in the range that an older epoch was not sure of is told again; a token of the
// epoch itself is taken as it is.
TEST_F(ChangesClusterTest, ATokenOfTheNewEpochBringsNothingAgain) {
  put(*b_, "doc", "news");
  settle();
  base_store_.fail_over_all();
  settle();
  const std::string now = follow(*b_, FeedKind::normal, "0").last_seq;
  EXPECT_THAT(ids(follow(*b_, FeedKind::normal, now)), IsEmpty());
  EXPECT_THAT(ids(follow(*a_, FeedKind::normal, now)), IsEmpty());
}

class UndurableStableTest : public ChangesClusterTest {
 protected:
  UndurableStableTest() : ChangesClusterTest(StableDurability::none) {}
};

// R17: where nobody knows what a failover lost, tokens and waiting feeds of before are continued
// from the last floor that was sure.
TEST_F(UndurableStableTest, ATokenOfAnOlderEpochIsContinuedFromTheFloor) {
  const std::string rev = put(*b_, "doc", "news");
  settle();
  Follower& waiting = follow(*b_, FeedKind::continuous, "0");
  const std::string before = follow(*b_, FeedKind::normal, "0").last_seq;
  EXPECT_THAT(ids(follow(*b_, FeedKind::normal, before)), IsEmpty());
  base_store_.fail_over_all();
  settle();
  Follower& again = follow(*b_, FeedKind::normal, before);
  EXPECT_THAT(ids(again), ElementsAre("doc " + rev));
  EXPECT_THAT(ids(follow(*b_, FeedKind::normal, again.last_seq)), IsEmpty());
  EXPECT_THAT(ids(waiting), ElementsAre("doc " + rev, "doc " + rev));
}

// R18, B4: the checkpoint of a client whose pushed writes may be lost is absent, so it pushes
// again. The first one of an epoch may be of a session that pushed before, and so may all that
// this session writes.
TEST_F(ChangesClusterTest, ACheckpointAboveTheFloorIsAbsent) {
  put(*b_, "old", "news");
  settle();
  ASSERT_TRUE(put_checkpoint(*a_, R"({"session_id":"s1","at":1})"));
  settle();
  base_store_.fail_over_all();
  settle();
  EXPECT_EQ(checkpoint(*b_), Errc::ok);  // nothing it vouches for was in doubt

  a_->base.hold_feeds();
  put(*b_, "doc", "news");  // pushed through b in session s2
  lose("doc", 1);
  a_->base.release();
  settle();
  ASSERT_TRUE(put_checkpoint(*a_, R"({"_rev":"0-1","session_id":"s2","at":2})"));
  EXPECT_EQ(checkpoint(*b_), Errc::not_found);
  ASSERT_TRUE(put_checkpoint(*a_, R"({"session_id":"s2","at":3})"));
  EXPECT_EQ(checkpoint(*b_), Errc::not_found);
  // The client begins anew, as if it had never been there.
  EXPECT_FALSE(env_.run(b_->database.documents().load({DocId("doc")})).value().front());
  const auto again = put_checkpoint(*b_, R"({"session_id":"s3","at":3})");
  ASSERT_TRUE(again) << again.error().context;
  EXPECT_EQ(to_string(*again), "0-4");
  EXPECT_EQ(checkpoint(*a_), Errc::ok);
}

// The same for clients that do not name their sessions: one that knows the revision goes on.
TEST_F(ChangesClusterTest, ACheckpointWithoutASessionIsTrustedWhenItsAbsenceWasSeen) {
  put(*b_, "old", "news");
  settle();
  base_store_.fail_over_all();
  settle();
  ASSERT_TRUE(put_checkpoint(*a_, R"({"at":1})"));
  EXPECT_EQ(checkpoint(*b_), Errc::not_found);
  ASSERT_TRUE(put_checkpoint(*a_, R"({"_rev":"0-1","at":2})"));
  EXPECT_EQ(checkpoint(*b_), Errc::not_found);
  EXPECT_EQ(put_checkpoint(*a_, R"({"_rev":"0-1","at":3})").error().code, Errc::not_found);
  ASSERT_TRUE(put_checkpoint(*a_, R"({"at":3})"));
  EXPECT_EQ(checkpoint(*b_), Errc::ok);
  EXPECT_EQ(put_checkpoint(*a_, R"({"at":4})").error().code, Errc::conflict);
}

// D: numbers were lost for good; every request says so.
TEST_F(ChangesClusterTest, ADatabaseWithoutItsHorizonStops) {
  put(*b_, "doc", "news");
  settle();
  WriteOptions options;
  CacheEntry entry;
  entry.sequence = Sequence(1'000'000);
  entry.doc_id = DocId("far");
  entry.rev_id = RevId("1-f");
  options.feed_entry = FeedRecord{entry, {}}.encode();
  env_.run(b_->base.insert(document_key(entry_.id, entry.doc_id), "", options, kNoDeadline));
  settle();
  EXPECT_TRUE(a_->database.failure());
  EXPECT_FALSE(a_->database.cache_writer_statistics().is_in_charge);
  EXPECT_THAT(a_->database.failure()->context, testing::HasSubstr("restored from a backup"));
  EXPECT_EQ(env_.run(a_->database.cache_reader().start_pass()).error().code, Errc::corrupted);
}

}  // namespace
}  // namespace headgate
