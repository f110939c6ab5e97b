// SPDX-License-Identifier: Apache-2.0
// Grants and revocations on feeds of users (sync-semantics 9, R5b, R15c).
#include "changes/grant_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

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

}  // namespace
}  // namespace headgate
