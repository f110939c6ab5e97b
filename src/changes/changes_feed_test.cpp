// SPDX-License-Identifier: Apache-2.0
// The ordinary life of a changes feed: kinds, limits, filters, rows.
#include <gmock/gmock.h>

#include "changes/changes_fixture.hpp"
#include "changes/changes_position.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class ChangesFeedTest : public ChangesFixture {};

TEST_F(ChangesFeedTest, NormalFeedReturnsWhatThereIsAndEnds) {
  put_in("a", "news");
  put_in("b", "news");
  put_in("c", "sport");
  freeze_stable();
  Follower& all = get_changes(options(FeedKind::normal));
  EXPECT_THAT(all.names(), ElementsAre("a@2", "b@3", "c@4"));
  EXPECT_EQ(all.last_seq, "4");
  EXPECT_EQ(all.batches, 1u);
  EXPECT_THAT(get_changes(options(FeedKind::normal, "2", {"news"})).names(), ElementsAre("b@3"));
  EXPECT_THAT(changes("4"), IsEmpty());
}

TEST_F(ChangesFeedTest, SinceBeyondTheEndIsEchoed) {
  put_in("a", "news");
  freeze_stable();
  Follower& follower = get_changes(options(FeedKind::normal, "100"));
  EXPECT_THAT(follower.names(), IsEmpty());
  EXPECT_EQ(follower.last_seq, "100");
  ChangesOptions waiting = options(FeedKind::longpoll, "100");
  waiting.timeout = milliseconds(500);
  Follower& longpoll = follow(waiting);
  settle(milliseconds(400));
  EXPECT_FALSE(longpoll.has_ended);
  settle(milliseconds(200));
  EXPECT_TRUE(longpoll.has_ended);
  EXPECT_EQ(longpoll.last_seq, "100");
}

TEST_F(ChangesFeedTest, SinceNowBeginsAtStable) {
  put_in("a", "news");
  freeze_stable();
  ChangesOptions now = options(FeedKind::longpoll);
  now.is_since_now = true;
  Follower& follower = follow(now);
  EXPECT_FALSE(follower.has_ended);
  put_in("b", "news");
  settle();
  EXPECT_THAT(follower.names(), ElementsAre("b@2::3"));
  EXPECT_EQ(follower.last_seq, "2::3");
}

TEST_F(ChangesFeedTest, LimitIsExactAndLastSeqIsThatOfTheLastRow) {
  for (const char* id : {"a", "b", "c", "d", "e"}) put_in(id, "news");
  freeze_stable();
  std::string at = "0";
  Names all;
  for (int page = 0; page < 4; ++page) {
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, at);
    options.limit = 2;
    Follower& follower = get_changes(options);
    EXPECT_LE(follower.rows.size(), 2u);
    if (!follower.rows.empty()) EXPECT_EQ(follower.last_seq, follower.rows.back().seq);
    for (const auto& name : follower.names()) all.push_back(name);
    at = follower.last_seq;
  }
  EXPECT_THAT(all, ElementsAre("a@2", "b@3", "c@4", "d@5", "e@6"));
  EXPECT_THAT(changes(at), IsEmpty());
}

// couchbase/sync_gateway#2238, #2696, CBG-5262, CBG-5554: pages are full until the end.
TEST_F(ChangesFeedTest, ActiveOnlyCountsOnlyWhatItSends) {
  for (int i = 0; i < 30; ++i) {
    const std::string id = "doc" + std::to_string(i);
    const std::string rev = put_in(id, "news");
    if (i % 3 != 0) i % 3 == 1 ? remove(id, rev) : put_in(id, "other", rev);
  }
  freeze_stable();
  std::string at = "0";
  std::set<std::string> seen;
  for (const std::size_t rows : {4u, 4u, 2u, 0u}) {
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, at, {"news"});
    options.limit = 4;
    options.active_only = true;
    Follower& follower = get_changes(options);
    EXPECT_EQ(follower.rows.size(), rows);
    for (const SeenRow& row : follower.rows) seen.insert(row.id);
    at = follower.last_seq;
  }
  EXPECT_EQ(seen.size(), 10u);
}

TEST_F(ChangesFeedTest, ActiveOnlyGoesThroughPagesWithoutASingleRow) {
  for (int i = 0; i < 1'200; ++i) {
    const std::string id = "doc" + std::to_string(i);
    remove(id, put_in(id, "news"));
  }
  put_in("live", "news");
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::normal, "0", {"news"});
  options.active_only = true;
  options.limit = 1;
  Follower& follower = get_changes(options);
  ASSERT_EQ(follower.rows.size(), 1u);
  EXPECT_EQ(follower.rows[0].id, "live");
  // What an active_only reader left out is there for others (CBG-814).
  EXPECT_EQ(get_changes(ChangesFixture::options(FeedKind::normal, "0", {"news"})).rows.size(),
            1'201u);
}

// What lies further ahead than is read at once must not be shown as it was before: nobody would be
// told that it is gone.
TEST_F(ChangesFeedTest, ActiveOnlyShowsNothingThatIsGoneFurtherOn) {
  const std::string deleted = put_in("deleted", "news");
  const std::string moved = put_in("moved", "news");
  const std::string changed = put_in("changed", "news");
  put_in("live", "news");
  for (std::uint64_t i = 0; i < ChangesPosition::kLookAhead; ++i)
    put_in("doc" + std::to_string(i), "news");
  remove("deleted", deleted);
  put_in("moved", "other", moved);
  put_in("changed", "news", changed);
  freeze_stable();
  for (const ReadMode mode : {ReadMode::available, ReadMode::stable}) {
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, "0", {"news"});
    options.active_only = true;
    options.mode = mode;
    std::map<std::string, int> rows;
    for (const SeenRow& row : get_changes(options).rows) ++rows[row.id];
    EXPECT_EQ(rows.size(), ChangesPosition::kLookAhead + 2);
    EXPECT_FALSE(rows.contains("deleted"));
    EXPECT_FALSE(rows.contains("moved"));
    EXPECT_GE(rows["changed"], 1);
  }
}

TEST_F(ChangesFeedTest, ManyRowsComeInBoundedBatches) {
  for (int i = 0; i < 2'500; ++i) put_in("doc" + std::to_string(i), "news");
  freeze_stable();
  Follower& follower = get_changes(options(FeedKind::normal));
  EXPECT_EQ(follower.rows.size(), 2'500u);
  EXPECT_GE(follower.batches, 3u);
  std::set<std::string> ids;
  for (const SeenRow& row : follower.rows) ids.insert(row.id);
  EXPECT_EQ(ids.size(), 2'500u);
}

TEST_F(ChangesFeedTest, RowsShowDeletionsAndRemovals) {
  put_user("both", {"news", "sport"});
  const std::string a = put_in("a", "news sport");
  const std::string b = put_in("b", "news");
  const std::string c = put_in("c", "news");
  const std::string a2 = put_in("a", "sport", a);
  const std::string b2 = remove("b", b);
  put_in("c", "other", c);
  freeze_stable();
  Follower& both = get_changes(options(FeedKind::normal), user("both"));
  ASSERT_EQ(both.rows.size(), 3u);
  EXPECT_EQ(both.rows[0].id, "a");
  EXPECT_THAT(both.rows[0].removed, ElementsAre("news"));
  EXPECT_THAT(both.rows[0].revs, ElementsAre(a2));
  EXPECT_EQ(both.rows[1].id, "b");
  EXPECT_TRUE(both.rows[1].is_deleted);
  EXPECT_THAT(both.rows[2].removed, ElementsAre("news"));
  // Another reader has other names in `removed`.
  EXPECT_THAT(
      get_changes(options(FeedKind::normal, "0", {"sport"}), user("both")).rows.at(0).removed,
      IsEmpty());
}

TEST_F(ChangesFeedTest, StyleAllDocsShowsAllLeaves) {
  ASSERT_TRUE(write(replicated("a", "{\"channels\":\"news\"}", "1-aa")));
  ASSERT_TRUE(write(replicated("a", "{\"channels\":\"news\"}", "1-bb")));
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::normal);
  EXPECT_THAT(get_changes(options).rows.at(0).revs, ElementsAre("1-bb"));
  options.style = ChangesStyle::all_docs;
  EXPECT_THAT(get_changes(options).rows.at(0).revs, ElementsAre("1-bb", "1-aa"));
}

TEST_F(ChangesFeedTest, IncludeDocsShowsBodiesWithinReach) {
  put_user("alice", {"news"});
  put_in("a", "news");
  const std::string b = put_in("b", "news");
  put_in("b", "secret", b);
  const std::string c = put_in("c", "news");
  remove("c", c);
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::normal);
  options.include_docs = true;
  Follower& follower = get_changes(options, user("alice"));
  ASSERT_EQ(follower.rows.size(), 3u);
  EXPECT_NE(follower.rows[0].doc.find("\"channels\":[\"news\"]"), std::string::npos);
  EXPECT_NE(follower.rows[1].doc.find("\"_removed\":true"), std::string::npos);
  EXPECT_EQ(follower.rows[1].doc.find("secret"), std::string::npos);
  EXPECT_NE(follower.rows[2].doc.find("\"_deleted\":true"), std::string::npos);
  // An admin, who comes later and shares rows, sees the body.
  Follower& all = get_changes(options);
  ASSERT_EQ(all.rows.size(), 3u);
  EXPECT_NE(all.rows[1].doc.find("secret"), std::string::npos);
}

TEST_F(ChangesFeedTest, LongpollReturnsAfterItsFirstRows) {
  Follower& follower = follow(options(FeedKind::longpoll));
  EXPECT_FALSE(follower.has_ended);
  put_in("a", "news");
  settle();
  EXPECT_TRUE(follower.has_ended);
  EXPECT_EQ(follower.rows.size(), 1u);
}

// couchbase/sync_gateway#164
TEST_F(ChangesFeedTest, HeartbeatWinsOverTimeout) {
  ChangesOptions options = ChangesFixture::options(FeedKind::longpoll);
  options.heartbeat = milliseconds(100);
  options.timeout = milliseconds(150);
  Follower& follower = follow(options);
  settle(milliseconds(1'000));
  EXPECT_FALSE(follower.has_ended);
  EXPECT_NEAR(static_cast<double>(follower.heartbeats), 10, 1);
  put_in("a", "news");
  settle();
  EXPECT_TRUE(follower.has_ended);
  EXPECT_EQ(follower.rows.size(), 1u);
}

TEST_F(ChangesFeedTest, ContinuousFeedTellsOnceThatItCaughtUpAndEndsAtItsTimeout) {
  put_in("a", "news");
  ChangesOptions options = ChangesFixture::options(FeedKind::continuous);
  options.timeout = milliseconds(300);
  Follower& follower = follow(options);
  EXPECT_EQ(follower.caught_up, 1u);
  settle(milliseconds(200));
  put_in("b", "news");
  settle(milliseconds(200));
  EXPECT_FALSE(follower.has_ended);  // each row begins the time anew
  EXPECT_EQ(follower.rows.size(), 2u);
  settle(milliseconds(200));
  EXPECT_TRUE(follower.has_ended);
  EXPECT_EQ(follower.caught_up, 1u);
}

TEST_F(ChangesFeedTest, ContinuousFeedEndsAtItsLimit) {
  ChangesOptions options = ChangesFixture::options(FeedKind::continuous);
  options.limit = 2;
  Follower& follower = follow(options);
  put_in("a", "news");
  settle();
  EXPECT_FALSE(follower.has_ended);
  put_in("b", "news");
  settle();
  EXPECT_TRUE(follower.has_ended);
  EXPECT_EQ(follower.rows.size(), 2u);
}

TEST_F(ChangesFeedTest, ModeStableSendsPlainSequencesAtOrBelowStableOnly) {
  put_in("a", "news");
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::continuous);
  options.mode = ReadMode::stable;
  Follower& stable = follow(options);
  options.mode = ReadMode::available;
  Follower& available = follow(options);
  put_in("b", "news");
  settle(milliseconds(2'000));
  EXPECT_THAT(stable.names(), ElementsAre("a@2"));
  EXPECT_THAT(available.names(), ElementsAre("a@2", "b@2::3"));
  thaw_stable();
  EXPECT_THAT(stable.names(), ElementsAre("a@2", "b@3"));
  EXPECT_THAT(available.names(), ElementsAre("a@2", "b@2::3"));
}

TEST_F(ChangesFeedTest, NormalFeedGivesUpWhenTheStoreDoesNotAnswer) {
  put_in("a", "news");
  freeze_stable();
  bucket_.inject({.matches = of_kind(KeyKind::stable), .code = Errc::unavailable, .times = 100});
  Follower& normal = get_changes(options(FeedKind::normal));
  ASSERT_TRUE(normal.error.has_value());
  EXPECT_EQ(normal.error->code, Errc::unavailable);
  Follower& continuous = follow(options(FeedKind::continuous));
  settle(milliseconds(500));
  EXPECT_FALSE(continuous.error.has_value());
  bucket_.clear();
  settle(milliseconds(2'000));
  EXPECT_EQ(continuous.rows.size(), 1u);
}

TEST_F(ChangesFeedTest, UserThatIsDisabledOrDeletedEndsItsFeeds) {
  put_user("alice", {"news"});
  put_user("bob", {"news"});
  Follower& alice = follow(options(FeedKind::continuous), user("alice"));
  Follower& bob = follow(options(FeedKind::longpoll), user("bob"));
  const auto stale = user("bob");
  UserUpdate disable;
  disable.is_disabled = true;
  ASSERT_TRUE(env_.run(db_->principals().put_user("alice", disable)));
  ASSERT_TRUE(env_.run(db_->principals().delete_user("bob")));
  settle();
  EXPECT_TRUE(alice.has_ended);
  EXPECT_TRUE(bob.has_ended);
  EXPECT_EQ(get_changes(options(FeedKind::normal), stale).error->code, Errc::not_found);
}

// All comes from the channel cache: a new process reads no document for it.
TEST_F(ChangesFeedTest, NewProcessServesChannelsWithoutReadingDocuments) {
  Names expected;
  for (int i = 0; i < 40; ++i) {
    const std::string id = "d" + std::to_string(i);
    put_in(id, i % 4 == 0 ? "news sport" : "sport");
    if (i % 4 == 0) expected.push_back(id);
  }
  env_.run(hub_.stop());
  for (const bool cleanly : {true, false}) {
    reopen(cleanly);
    DatabaseChangesSource fresh(*db_);
    FeedHub hub(env_, {});
    counting_.reset();
    ChangesFeed feed(fresh, hub, admin(), options(FeedKind::normal, "0", {"news"}));
    const auto batch = env_.run(feed.next());
    ASSERT_TRUE(batch);
    EXPECT_TRUE(batch->is_end);
    Names found;
    for (const ChangesRow& row : batch->rows) found.push_back(SeenRow::parse(row.text()).id);
    EXPECT_EQ(found, expected);
    EXPECT_EQ(counting_.count<operation::Get>(KeyKind::document), 0u);
  }
}

// couchbase/sync_gateway#1230, #4638: a channel known to be empty costs no store read; a new
// document appears in it at once.
TEST_F(ChangesFeedTest, EmptyChannelIsRememberedAndFills) {
  put_in("a", "news");
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::normal, "0", {"empty"});
  EXPECT_THAT(get_changes(options).names(), IsEmpty());
  const auto before = db_->cache_reader().statistics();
  EXPECT_THAT(get_changes(options).names(), IsEmpty());
  const auto after = db_->cache_reader().statistics();
  EXPECT_EQ(after.block_reads, before.block_reads);
  EXPECT_EQ(after.document_reads, before.document_reads);
  put_in("b", "empty");
  EXPECT_THAT(get_changes(options).names(), ElementsAre("b@2::3"));
}

TEST_F(ChangesFeedTest, FeedsEndWhenTheyAreInterruptedOrTheHubStops) {
  Follower& interrupted = follow(options(FeedKind::continuous));
  Follower& other = follow(options(FeedKind::longpoll));
  interrupted.feed.interrupt();
  settle();
  EXPECT_TRUE(interrupted.has_ended);
  EXPECT_FALSE(other.has_ended);
  env_.run(hub_.stop());
  settle();
  EXPECT_TRUE(other.has_ended);
}

}  // namespace
}  // namespace headgate
