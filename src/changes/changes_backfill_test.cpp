// SPDX-License-Identifier: Apache-2.0
// What a channel that is granted brings to a feed: the documents that were there before.
#include "changes/changes_position.hpp"
#include "changes/grant_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

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

TEST_F(GrantTest, RevokedAndGrantedAgainIsBackfilledAgain) {
  put_user("alice", {"c"});  // 2
  put_in("a", "c");          // 3
  put_user("alice", {});     // 4
  put_in("b", "c");          // 5
  put_user("alice", {"c"});  // 6
  freeze_stable();
  EXPECT_THAT(changes_of("alice", "4"), ElementsAre("a@6:3", "b@6:5"));
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
