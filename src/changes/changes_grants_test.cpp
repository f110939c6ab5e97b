// SPDX-License-Identifier: Apache-2.0
// Grants, backfills and revocations on feeds of users (sync-semantics 9, R5b, R15c).
#include <gmock/gmock.h>

#include "changes/changes_fixture.hpp"
#include "changes/changes_position.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

/// Documents grant by their member `grant`.
class GrantTest : public ChangesFixture {
 protected:
  GrantTest() : ChangesFixture(scripted()) {}

  std::string grant(std::string_view id, std::string_view user, std::string_view channel,
                    std::string_view rev = {}) {
    return put_ok(id,
                  "{\"channels\":[\"grants\"],\"grant\":{\"users\":[\"" + std::string(user) +
                      "\"],\"channels\":[\"" + std::string(channel) + "\"]}}",
                  rev);
  }
  ChangesOptions all(FeedKind feed = FeedKind::normal, std::string_view since = "0") {
    return options(feed, since);
  }
  Names changes_of(std::string_view name, std::string_view since) {
    return changes(since, user(name));
  }
};

TEST_F(GrantTest, BackfillStandsAtThePlaceOfItsGrant) {
  put_user("alice", {"news"});  // 2
  put_in("old1", "c");          // 3
  put_in("n1", "news");         // 4
  put_in("old2", "c");          // 5
  grant("g", "alice", "c");     // 6
  put_in("n2", "news");         // 7
  put_in("new", "c");           // 8
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "2"),
              ElementsAre("n1@4", "old1@6:3", "old2@6:5", "n2@7", "new@8"));
  // Resumed inside the backfill, and after it.
  EXPECT_THAT(changes_of("alice", "4"), ElementsAre("old1@6:3", "old2@6:5", "n2@7", "new@8"));
  EXPECT_THAT(changes_of("alice", "6:3"), ElementsAre("old2@6:5", "n2@7", "new@8"));
  EXPECT_THAT(changes_of("alice", "6:5"), ElementsAre("n2@7", "new@8"));
  EXPECT_THAT(changes_of("alice", "6"), ElementsAre("n2@7", "new@8"));
}

// A backfill has no tombstones and removals; but one that is longer than what is read at once has
// shown earlier revisions of some by then.
TEST_F(GrantTest, ALongBackfillTellsTheEndOfWhatItHasShown) {
  const std::string gone = put_in("gone", "c");  // 2
  const std::string left = put_in("left", "c");  // 3
  for (std::uint64_t i = 0; i < ChangesPosition::kLookAhead; ++i)
    put_in("d" + std::to_string(i), "c");
  put_ok("gone", R"({"_deleted":true})", gone);
  put_in("left", "x", left);
  put_user("alice", {"c"});
  settle();
  std::map<std::string, bool> shows;
  const Follower& follower = get_changes(all(), user("alice"));
  for (const SeenRow& row : follower.rows) shows[row.id] = !row.is_deleted && row.removed.empty();
  EXPECT_EQ(shows.size(), ChangesPosition::kLookAhead + 2);
  EXPECT_FALSE(shows["gone"]);
  EXPECT_FALSE(shows["left"]);
}

// Sent early it is a removal, as the grant that it makes is not in force yet.
TEST_F(GrantTest, WhatLeavesForAChannelThatItGrantsItself) {
  put_user("alice", {"news"});                  // 2
  const std::string rev = put_in("g", "news");  // 3
  settle();
  Follower& follower = follow(all(FeedKind::continuous, "3"), user("alice"));
  freeze_stable();
  put_ok("g", R"({"channels":["c"],"grant":{"users":["alice"],"channels":["c"]}})", rev);  // 4
  settle(milliseconds(300));
  EXPECT_THAT(follower.names(), ElementsAre("g@3::4"));
  thaw_stable();
  EXPECT_THAT(follower.names(), ElementsAre("g@3::4", "g@4"));
}

// sync-semantics 7.5: the first write of the client is the grant's own document, too.
TEST_F(GrantTest, GrantingDocumentItselfIsNotSkipped) {  // CBG-1163
  put_user("alice");
  put_in("old", "c");                                                                 // 3
  put_ok("g", R"({"channels":["c"],"grant":{"users":["alice"],"channels":["c"]}})");  // 4
  put_in("new", "c");                                                                 // 5
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "2"), ElementsAre("old@4:3", "g@4", "new@5"));
  EXPECT_THAT(changes_of("alice", "4:3"), ElementsAre("g@4", "new@5"));
  EXPECT_THAT(changes_of("alice", "4"), ElementsAre("new@5"));
}

TEST_F(GrantTest, BackfillLeavesOutTombstonesAndRemovals) {
  put_user("alice");
  const std::string gone = put_in("gone", "c");
  const std::string left = put_in("left", "c");
  put_in("here", "c");
  remove("gone", gone);
  put_in("left", "other", left);
  grant("g", "alice", "c");
  freeze_stable();
  Follower& follower = get_changes(all(FeedKind::normal, "2"), user("alice"));
  ASSERT_EQ(follower.rows.size(), 1u);
  EXPECT_EQ(follower.rows[0].id, "here");
  EXPECT_THAT(follower.rows[0].removed, IsEmpty());
}

// Who had the channel before may have the documents. I1.
TEST_F(GrantTest, BackfillTellsOfRemovalsToWhoHadTheChannelBefore) {
  put_user("alice", {"c"});                      // 2
  const std::string gone = put_in("gone", "c");  // 3
  const std::string left = put_in("left", "c");  // 4
  put_in("here", "c");                           // 5
  put_user("alice", {});                         // 6
  remove("gone", gone);                          // 7
  put_in("left", "other", left);                 // 8
  put_user("alice", {"c"});                      // 9
  settle();
  EXPECT_THAT(changes_of("alice", "5"), ElementsAre("here@9:5", "gone@9:7", "left@9:8"));
  EXPECT_THAT(changes_of("alice", "9:5"), ElementsAre("gone@9:7", "left@9:8"));
  EXPECT_THAT(changes_of("alice", "6"), ElementsAre("here@9:5"));
}

// A removal is not undone by a channel that is granted after the document has left it, too.
TEST_F(GrantTest, WhatLeftForAChannelThatIsGrantedTooLate) {
  put_user("alice", {"c"});                         // 2
  const std::string one = put_in("doc", "c");       // 3
  const std::string two = put_in("doc", "d", one);  // 4
  put_in("doc", "e", two);                          // 5
  grant("g", "alice", "d");                         // 6
  settle();
  for (const char* since : {"0", "3"}) {
    ChangesOptions asked = all(FeedKind::normal, since);
    asked.include_docs = true;
    Follower& follower = get_changes(asked, user("alice"));
    ASSERT_THAT(follower.names(), ElementsAre("doc@4")) << since;
    EXPECT_TRUE(JsonView(follower.rows[0].doc).find("_removed")) << since;
  }
}

// Whoever holds `*` can read what is in no channel, but not what is deleted.
TEST_F(GrantTest, BackfillOfStarTellsOfDeletionsToWhoHadItBefore) {
  put_user("alice", {"*"});                       // 2
  const std::string gone = put_ok("gone", "{}");  // 3
  put_user("alice", {});                          // 4
  remove("gone", gone);                           // 5
  put_user("alice", {"*"});                       // 6
  settle();
  EXPECT_THAT(changes_of("alice", "3"), ElementsAre("gone@6:5"));
}

// The channel was readable all the time, but not by the grant by which it is now.
TEST_F(GrantTest, BackfillOfAGrantThatTookOverFromAnother) {
  ASSERT_TRUE(put_role("r", {"c"}));             // 2
  put_user("alice", {"c"});                      // 3
  const std::string gone = put_in("gone", "c");  // 4
  const std::string left = put_in("left", "c");  // 5
  remove("gone", gone);                          // 6
  put_user("alice", {}, {"r"});                  // 7
  put_in("left", "other", left);                 // 8
  settle();
  EXPECT_THAT(changes_of("alice", "5"), ElementsAre("gone@7:6", "left@8"));
}

// A user's first request comes right after what made the user. One that is never stable ends, too.
TEST_F(GrantTest, ANormalFeedWaitsForWhatWasGrantedJustNow) {
  put_in("a", "c");  // 2
  settle();
  freeze_stable();
  put_user("alice", {"c"});  // 3
  Follower& first = follow(all(), user("alice"));
  Follower& second = follow(all(), user("alice"));
  settle(milliseconds(500));
  EXPECT_FALSE(first.has_ended);
  thaw_stable();
  settle(milliseconds(300));
  EXPECT_TRUE(first.has_ended && second.has_ended);
  EXPECT_THAT(first.names(), ElementsAre("a@3:2"));
  freeze_stable();
  put_user("bob", {"c"});  // 4
  Follower& early = get_changes(all(), user("bob"));
  EXPECT_TRUE(early.has_ended);
  EXPECT_THAT(early.rows, IsEmpty());
}

// CBG-1246: a limit through a backfill goes on where it was.
TEST_F(GrantTest, BackfillInPages) {
  put_user("alice", {"news"});
  for (int i = 0; i < 5; ++i) put_in("old" + std::to_string(i), "c");  // 3-7
  grant("g", "alice", "c");                                            // 8
  put_in("n", "news");                                                 // 9
  freeze_stable();
  std::string at = "2";
  Names all;
  for (int page = 0; page < 20; ++page) {
    ChangesOptions options = this->all(FeedKind::normal, at);
    options.limit = 2;
    Follower& follower = get_changes(options, user("alice"));
    if (follower.rows.empty()) break;
    for (const auto& name : follower.names()) all.push_back(name);
    EXPECT_EQ(follower.last_seq, follower.rows.back().seq);
    at = follower.last_seq;
  }
  EXPECT_THAT(all, ElementsAre("old0@8:3", "old1@8:4", "old2@8:5", "old3@8:6", "old4@8:7", "n@9"));
}

TEST_F(GrantTest, SeveralChannelsOfOneGrantShareOneBackfill) {
  put_user("alice");                                                     // 2
  put_in("a1", "a");                                                     // 3
  put_in("b1", "b");                                                     // 4
  put_in("a2", "a b");                                                   // 5
  put_in("b2", "b");                                                     // 6
  put_ok("g", R"({"grant":{"users":["alice"],"channels":["a","b"]}})");  // 7
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "2"), ElementsAre("a1@7:3", "b1@7:4", "a2@7:5", "b2@7:6"));
  EXPECT_THAT(changes_of("alice", "7:4"), ElementsAre("a2@7:5", "b2@7:6"));
}

TEST_F(GrantTest, SeveralGrantsStandInTheirOrder) {
  put_user("alice");          // 2
  put_in("b1", "b");          // 3
  put_in("a1", "a");          // 4
  grant("g1", "alice", "a");  // 5
  put_in("a2", "a");          // 6
  grant("g2", "alice", "b");  // 7
  put_in("b2", "b");          // 8
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "2"), ElementsAre("a1@5:4", "a2@6", "b1@7:3", "b2@8"));
  EXPECT_THAT(changes_of("alice", "5:4"), ElementsAre("a2@6", "b1@7:3", "b2@8"));
  EXPECT_THAT(changes_of("alice", "6"), ElementsAre("b1@7:3", "b2@8"));
  EXPECT_THAT(changes_of("alice", "7:3"), ElementsAre("b2@8"));
}

// couchbase/sync_gateway#2068, #1865, #2340, #2267, PR 2334: without another write.
TEST_F(GrantTest, GrantWhileFeedsWait) {
  put_user("alice");
  put_in("old", "c");
  settle();
  for (const ReadMode mode : {ReadMode::available, ReadMode::stable}) {
    ChangesOptions options = all(FeedKind::longpoll, "3");
    options.mode = mode;
    Follower& longpoll = follow(options, user("alice"));
    options.feed = FeedKind::continuous;
    Follower& continuous = follow(options, user("alice"));
    settle(milliseconds(500));
    EXPECT_FALSE(longpoll.has_ended);
    const std::string id = mode == ReadMode::available ? "g1" : "g2";
    const std::string rev = grant(id, "alice", "c");
    settle(milliseconds(30));
    ASSERT_EQ(longpoll.rows.size(), 1u) << id;
    EXPECT_EQ(longpoll.rows[0].id, "old");
    ASSERT_EQ(continuous.rows.size(), 1u) << id;
    put_ok(id, "{}", rev);  // takes the grant back
    settle();
  }
}

// An admin's grant, PR 6335: also through a role that the user has.
TEST_F(GrantTest, GrantByAdminAndByRoleWhileFeedsWait) {
  ASSERT_TRUE(put_role("readers", {}));
  put_user("alice", {}, {"readers"});
  put_in("old", "c");
  put_in("older", "d");
  settle();
  Follower& follower = follow(all(FeedKind::continuous, "5"), user("alice"));
  put_user("alice", {"c"}, {"readers"});
  settle(milliseconds(30));
  ASSERT_EQ(follower.rows.size(), 1u);
  EXPECT_EQ(follower.rows[0].id, "old");
  ASSERT_TRUE(put_role("readers", {"d"}));
  settle(milliseconds(30));
  ASSERT_EQ(follower.rows.size(), 2u);
  EXPECT_EQ(follower.rows[1].id, "older");
}

// The whole life of a role, each step seen by a waiting feed without another write.
TEST_F(GrantTest, ARoleMadeTakenAndDeletedWhileFeedsWait) {
  put_in("old", "c");
  put_user("alice", {}, {"readers"});
  settle();
  Follower& follower = follow(all(FeedKind::continuous, "3"), user("alice"));
  ASSERT_TRUE(put_role("readers", {"c"}));
  settle(milliseconds(30));
  EXPECT_THAT(follower.take_names(), ElementsAre("old@4:2"));
  ASSERT_TRUE(env_.run(db_->principals().delete_role("readers")));
  put_in("unseen", "c");
  settle(milliseconds(30));
  EXPECT_THAT(follower.take_names(), IsEmpty());
  ASSERT_TRUE(put_role("readers", {"c"}));
  settle(milliseconds(30));
  EXPECT_THAT(follower.take_names(), ElementsAre("old@7:2", "unseen@7:6"));
}

TEST_F(GrantTest, TheGuestsFeedsFollowTheConfiguration) {
  DatabaseConfig config = *db_->config();
  config.guest.is_disabled = false;
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  const auto guest = env_.run(db_->principals().guest()).value();
  Follower& follower = follow(all(FeedKind::continuous), guest);
  config.guest.admin_channels = {"news"};
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  put_in("a", "news");
  settle(milliseconds(30));
  EXPECT_EQ(follower.rows.size(), 1u);
  config.guest.is_disabled = true;
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  settle(milliseconds(30));
  EXPECT_TRUE(follower.has_ended);
}

TEST_F(GrantTest, AChannelThatTheGuestGetsIsBackfilled) {
  put_in("old", "news");  // 2
  put_in("own", "open");  // 3
  DatabaseConfig config = *db_->config();
  config.guest = {false, {"open"}};
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  settle();
  Follower& follower =
      follow(all(FeedKind::continuous), env_.run(db_->principals().guest()).value());
  settle(milliseconds(30));
  EXPECT_THAT(follower.take_names(), ElementsAre("own@3"));
  config.guest.admin_channels = {"news", "open"};
  ASSERT_TRUE(env_.run(db_->prepare(config)));      // 4
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));  // 5
  settle(milliseconds(30));
  EXPECT_THAT(follower.take_names(), ElementsAre("old@5:2")) << "without another write";
  config.guest.admin_channels = {"open"};
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  put_in("later", "news");
  settle(milliseconds(30));
  EXPECT_THAT(follower.take_names(), IsEmpty());
  EXPECT_THAT(env_.run(db_->principals().list_users("", 10)).value(), IsEmpty());
}

// A grant of a role that does not exist gives nothing: who reads past it gets the role's channels
// from the role's creation on, and again from each later one.
TEST_F(GrantTest, ARoleThatIsMadeAfterItsGrantIsBackfilled) {
  put_in("old", "c");                        // 2
  put_user("alice", {"news"}, {"readers"});  // 3
  put_in("n", "news");                       // 4
  ASSERT_TRUE(put_role("readers", {"c"}));   // 5
  put_in("new", "c");                        // 6
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "4"), ElementsAre("old@5:2", "new@6"));
  EXPECT_THAT(changes_of("alice", "5:2"), ElementsAre("new@6"));
  EXPECT_THAT(changes_of("alice", "5"), ElementsAre("new@6"));
  thaw_stable();
  // Another channel of the same role is granted at its own place.
  ASSERT_TRUE(put_role("readers", {"c", "d"}));  // 7
  EXPECT_EQ(user("alice")->access.granted_at("c"), Sequence(5));
  EXPECT_EQ(user("alice")->access.granted_at("d"), Sequence(7));
  ASSERT_TRUE(env_.run(db_->principals().delete_role("readers")));  // 8
  put_in("between", "c");                                           // 9
  ASSERT_TRUE(put_role("readers", {"c"}));                          // 10
  settle();
  EXPECT_THAT(changes_of("alice", "9"), ElementsAre("old@10:2", "new@10:6", "between@10:9"));
}

TEST_F(GrantTest, WhatADocumentGivesToARoleCountsFromTheRolesCreation) {
  put_in("old", "c");                                                    // 2
  put_user("alice", {"news"});                                           // 3
  grant("g", "role:readers", "c");                                       // 4
  put_ok("r", R"({"roles":{"users":"alice","roles":"role:readers"}})");  // 5
  put_in("n", "news");                                                   // 6
  ASSERT_TRUE(put_role("readers", {}));                                  // 7
  settle();
  EXPECT_THAT(changes_of("alice", "6"), ElementsAre("old@7:2"));
}

// couchbase/sync_gateway#2335, PR 2287, PR 2336: a grant above stable waits, then all of it comes.
TEST_F(GrantTest, GrantAboveStableIsDeferred) {
  put_user("alice", {"news"});  // 2
  put_in("old", "c");           // 3
  freeze_stable();
  Follower& follower = follow(all(FeedKind::continuous, "3"), user("alice"));
  grant("g", "alice", "c");  // 4
  put_in("new", "c");        // 5
  put_in("n", "news");       // 6
  settle();
  EXPECT_THAT(follower.names(), ElementsAre("n@3::6"));
  EXPECT_THAT(changes_of("alice", "3"), ElementsAre("n@3::6"));
  thaw_stable();
  EXPECT_THAT(follower.names(), ElementsAre("n@3::6", "old@4:3", "new@5"));
  EXPECT_THAT(changes_of("alice", "3::6"), ElementsAre("old@4:3", "new@5", "n@6"));
  put_in("later", "c");
  settle();
  EXPECT_EQ(follower.rows.size(), 4u);
}

TEST_F(GrantTest, DeferredGrantWakesAFeedWithNothingElse) {
  put_user("alice");
  put_in("old", "c");
  freeze_stable();
  Follower& follower = follow(all(FeedKind::longpoll, "3"), user("alice"));
  grant("g", "alice", "c");
  settle(milliseconds(500));
  EXPECT_FALSE(follower.has_ended);
  thaw_stable();
  EXPECT_THAT(follower.names(), ElementsAre("old@4:3"));
}

// I7: no pass that begins after the revocation was acknowledged sends the channel.
TEST_F(GrantTest, RevocationTakesEffectInTheNextPass) {
  put_user("alice", {"news", "c"});
  Follower& follower = follow(all(FeedKind::continuous), user("alice"));
  put_in("a", "c");
  settle();
  EXPECT_EQ(follower.rows.size(), 1u);
  put_user("alice", {"news"});
  put_in("b", "c");
  put_in("d", "news");
  settle();
  ASSERT_EQ(follower.rows.size(), 2u);
  EXPECT_EQ(follower.rows[1].id, "d");
}

TEST_F(GrantTest, RevokedAndGrantedAgainIsBackfilledAgain) {
  put_user("alice", {"c"});  // 2
  put_in("a", "c");          // 3
  put_user("alice", {});     // 4
  put_in("b", "c");          // 5
  put_user("alice", {"c"});  // 6
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "4"), ElementsAre("a@6:3", "b@6:5"));
}

TEST_F(GrantTest, GrantOfStarReachesEverything) {
  put_user("alice", {"news"});       // 2
  put_in("n", "news");               // 3
  put_in("x", "x");                  // 4
  put_ok("nowhere", "{}");           // 5
  put_user("alice", {"news", "*"});  // 6
  put_in("y", "y");                  // 7
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "2"), ElementsAre("n@3", "x@6:4", "nowhere@6:5", "y@7"));
  EXPECT_THAT(changes_of("alice", "6"), ElementsAre("y@7"));
  EXPECT_THAT(get_changes(options(FeedKind::normal, "6", {"y"}), user("alice")).names(),
              ElementsAre("y@7"));
}

TEST_F(GrantTest, FilterIgnoresChannelsOutOfReach) {
  put_user("alice", {"news", "sport"});
  put_in("n", "news");
  put_in("s", "sport");
  put_in("x", "secret");
  put_in("p", "!");
  freeze_stable();
  const auto alice = user("alice");
  EXPECT_THAT(get_changes(options(FeedKind::normal, "0", {"news", "secret"}), alice).names(),
              ElementsAre("n@3"));
  EXPECT_THAT(get_changes(options(FeedKind::normal, "0", {"secret"}), alice).names(), IsEmpty());
  EXPECT_THAT(get_changes(options(FeedKind::normal, "2", {"*"}), alice).names(),
              ElementsAre("n@3", "s@4", "p@6"));
}

// A document that moves between two of the reader's channels is an ordinary change; one that leaves
// all of them is a removal, once.
TEST_F(GrantTest, MovesBetweenChannels) {
  put_user("alice", {"a", "b"});
  const std::string rev = put_in("x", "a");
  freeze_stable();
  Follower& follower = follow(all(FeedKind::continuous), user("alice"));
  const std::string moved = put_in("x", "b", rev);
  settle();
  put_in("x", "c", moved);
  settle();
  ASSERT_EQ(follower.rows.size(), 3u);
  EXPECT_THAT(follower.rows[1].removed, ElementsAre("a"));
  EXPECT_THAT(follower.rows[2].removed, ElementsAre("b"));
}

// "5:10:3" as another gateway prints it: the backfill begins again, and nothing is lost.
TEST_F(GrantTest, BackfillWithALowPartBeginsAgain) {
  put_user("alice", {"news"});  // 2
  put_in("o3", "c");            // 3
  put_in("o4", "c");            // 4
  put_in("n5", "news");         // 5
  put_in("n6", "news");         // 6
  grant("g", "alice", "c");     // 7
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "5:7:3"), ElementsAre("n6@6", "o3@7:3", "o4@7:4"));
}

TEST_F(GrantTest, BackfillOfALongChannelComesInBoundedBatches) {
  put_user("alice", {"news"});
  std::vector<WriteItem> items;
  for (int i = 0; i < 2'500; ++i) items.push_back(item("old" + std::to_string(i), body_in("c")));
  env_.run(db_->writer().write(admin(), std::move(items)));
  put_in("n", "news");
  grant("g", "alice", "c");
  put_in("n2", "news");
  freeze_stable();
  Follower& follower = get_changes(all(FeedKind::normal, "2"), user("alice"));
  ASSERT_EQ(follower.rows.size(), 2'502u);
  EXPECT_EQ(follower.rows.front().id, "n");
  EXPECT_EQ(follower.rows.back().id, "n2");
  EXPECT_GE(follower.batches, 3u);
}

}  // namespace
}  // namespace headgate
