// SPDX-License-Identifier: Apache-2.0
// What a feed with `revocations` tells of channels that its reader has lost (sync-semantics 9.3).
#include <gmock/gmock.h>

#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class RevocationTest : public ChangesFixture {
 protected:
  RevocationTest() : ChangesFixture(scripted()) {}

  static ChangesOptions revoking(FeedKind feed, std::string_view from) {
    ChangesOptions asked = options(feed, from);
    asked.revocations = true;
    return asked;
  }
  /// "-a@10:3" is a revocation.
  static Names told(const Follower& follower) {
    Names names;
    for (const SeenRow& row : follower.rows)
      names.push_back((row.is_revoked ? "-" : "") + row.id + "@" + row.seq);
    return names;
  }
  Names told_to(std::string_view name, std::string_view from) {
    return told(get_changes(revoking(FeedKind::normal, from), user(name)));
  }
};

// sync_gateway#264, #313, #927: a client learns which documents it has to let go of.
// sync_gateway PR 5021 (CBG-1477): not of `both`, which another channel shows.
TEST_F(RevocationTest, AChannelTakenByAnAdmin) {
  put_user("alice", {"news", "c"});       // 2
  put_in("a", "c");                       // 3
  put_in("both", "c news");               // 4
  const auto gone = put_in("gone", "c");  // 5
  put_in("b", "c");                       // 6
  put_in("gone", "x", gone);              // 7
  put_user("alice", {"news"});            // 8
  put_in("n", "news");                    // 9
  put_in("after", "c");                   // 10
  settle();
  EXPECT_THAT(told_to("alice", "7"), ElementsAre("-a@8:3", "-b@8:6", "n@9"));
  // sync_gateway PR 5395: its sequence may be all that is new.
  // Whether its client was told of `gone` before, it does not say.
  EXPECT_THAT(told_to("alice", "8:3"), ElementsAre("-b@8:6", "-gone@8:7", "n@9"));
  EXPECT_THAT(told_to("alice", "8:6"), ElementsAre("-gone@8:7", "n@9"));
  EXPECT_THAT(told_to("alice", "8:7"), ElementsAre("n@9"));
  EXPECT_THAT(told_to("alice", "8"), ElementsAre("n@9"));
  // Whoever was not told that `gone` left is told now.
  EXPECT_THAT(told_to("alice", "6"), ElementsAre("-a@8:3", "-b@8:6", "-gone@8:7", "n@9"));
  EXPECT_THAT(changes("7", user("alice")), ElementsAre("n@9")) << "only who asks";
  EXPECT_THAT(told_to("alice", "0"), ElementsAre("both@4", "n@9")) << "a new client has nothing";
  ChangesOptions active = revoking(FeedKind::normal, "7");
  active.active_only = true;
  EXPECT_THAT(told(get_changes(active, user("alice"))), ElementsAre("n@9"));
}

TEST_F(RevocationTest, TheRowNamesTheRevisionAndShowsNoBody) {
  put_user("alice", {"c"});
  const std::string rev = put_in("a", "c");
  put_user("alice", {});
  settle();
  ChangesOptions asked = revoking(FeedKind::normal, "3");
  asked.include_docs = true;
  Follower& follower = get_changes(asked, user("alice"));
  ASSERT_EQ(follower.rows.size(), 1u);
  EXPECT_THAT(follower.rows[0].revs, ElementsAre(rev));
  const JsonView doc(follower.rows[0].doc);
  EXPECT_EQ(doc.find("_removed")->as_bool(), true);
  EXPECT_FALSE(doc.find("channels"));
}

// "*" takes the place of every channel: what died in one of them is told by no other.
TEST_F(RevocationTest, AChannelThatIsLostForAll) {
  put_user("alice", {"c"});                     // 2
  const auto gone = put_in("gone", "c");        // 3
  const auto elsewhere = put_in("other", "x");  // 4
  put_in("stays", "c");                         // 5
  remove("gone", gone);                         // 6
  remove("other", elsewhere);                   // 7
  put_user("alice", {"*"});                     // 8
  settle();
  EXPECT_THAT(told_to("alice", "5"), ElementsAre("stays@8:5", "gone@8:6"));
  EXPECT_THAT(changes("5", user("alice")), ElementsAre("stays@8:5", "gone@8:6"));
  EXPECT_THAT(told_to("alice", "6"), ElementsAre("stays@8:5")) << "was told";
  EXPECT_THAT(told_to("alice", "0"), ElementsAre("stays@8:5")) << "has nothing";
}

// The backfill of "*" leaves the tombstone out; what an older channel tells must not show the
// document.
TEST_F(RevocationTest, DeletedAfterItLeftAChannelOfAHolderOfAll) {
  put_user("alice", {"c"});       // 2
  auto rev = put_in("a", "c");    // 3
  rev = put_in("a", "x", rev);    // 4
  remove("a", rev);               // 5
  put_user("alice", {"c", "*"});  // 6
  settle();
  ChangesOptions asked = options(FeedKind::normal, "0");
  asked.include_docs = true;
  for (const SeenRow& row : get_changes(asked, user("alice")).rows)
    EXPECT_TRUE(row.is_deleted || JsonView(row.doc).find("_removed")) << row.id << " " << row.doc;
}

// While "*" waits for stable, the position must not pass over what the lost channel has to tell.
TEST_F(RevocationTest, AChannelThatIsLostForAllWhileThatWaits) {
  put_user("alice", {"c", "d"});       // 2
  const auto c = put_in("in c", "c");  // 3
  const auto d = put_in("in d", "d");  // 4
  remove("in c", c);                   // 5
  put_user("alice", {"d"});            // 6
  freeze_stable();
  remove("in d", d);         // 7
  put_user("alice", {"*"});  // 8
  Follower& follower = follow(revoking(FeedKind::continuous, "4"), user("alice"));
  settle(milliseconds(300));
  thaw_stable();
  std::set<std::string> ids;
  for (const SeenRow& row : follower.rows)
    if (row.is_deleted || row.is_revoked) ids.insert(row.id);
  EXPECT_THAT(ids, ElementsAre("in c", "in d"));
}

// A client must not learn of documents that were never in the channel while it had it.
TEST_F(RevocationTest, OnlyWhatTheReaderMayHave) {
  const auto early = put_in("early", "c");  // 2
  put_in("early", "x", early);              // 3
  put_user("alice", {"c"});                 // 4
  const auto here = put_in("here", "c");    // 5
  put_user("alice", {"n"});                 // 6
  put_in("late", "c");                      // 7
  put_in("here", "c", here);                // 8
  const auto tomb = put_in("tomb", "c");    // 9
  settle();
  EXPECT_THAT(told_to("alice", "5"), ElementsAre("-here@6:5"));
  EXPECT_THAT(told_to("alice", "4"), ElementsAre("-here@6:5"));
}

// The channel by which it could be read otherwise is granted anew, and its backfill would not tell.
TEST_F(RevocationTest, DeletedBeforeAnotherOfItsChannelsIsGranted) {
  put_user("alice", {"c"});                    // 2
  const auto both = put_in("both", "c news");  // 3
  put_user("alice", {});                       // 4
  remove("both", both);                        // 5
  put_user("alice", {"news"});                 // 6
  settle();
  EXPECT_THAT(told_to("alice", "3"), ElementsAre("-both@4:3"));
}

// One loss takes several channels. In one of them the document was only before the reader had it,
// which says nothing of the other one.
TEST_F(RevocationTest, OneOfSeveralLostChannelsHadTheDocument) {
  auto rev = put_in("a", "early");         // 2
  rev = put_in("a", "x", rev);             // 3
  put_in("a", "c", rev);                   // 4
  put_in("b", "c d");                      // 5
  put_user("alice", {"early", "c", "d"});  // 6
  put_user("alice", {"news"});             // 7
  settle();
  EXPECT_THAT(told_to("alice", "6"), ElementsAre("-a@7:4", "-b@7:5")) << "and each once";
}

// sync_gateway PR 5242 (CBG-1695): told from the store, not from what a process remembers.
TEST_F(RevocationTest, AGrantOfADocumentThatIsTakenBack) {
  put_user("alice", {"n"});                                                     // 2
  put_in("a", "c");                                                             // 3
  auto rev = put_ok("g", R"({"grant":{"users":["alice"],"channels":["c"]}})");  // 4
  settle();
  EXPECT_THAT(told_to("alice", "3"), ElementsAre("a@4:3"));
  rev = put_ok("g", R"({"n":2})", rev);  // 5
  settle();
  EXPECT_THAT(told_to("alice", "4"), ElementsAre("-a@5:3"));
  // The document is written on, and the grant's end is still known; also to a new process.
  put_ok("g", R"({"n":3})", rev);  // 6
  reopen();
  DatabaseChangesSource fresh(*db_);
  ChangesFeed feed(fresh, hub_, user("alice"), revoking(FeedKind::normal, "4"));
  const auto batch = env_.run(feed.next());
  ASSERT_TRUE(batch && batch->rows.size() == 1);
  EXPECT_EQ(SeenRow::parse(batch->rows[0].text()).id, "a");
}

// The reader's own write takes its access away: it is told, although it wrote the newest revision.
TEST_F(RevocationTest, SelfInflictedLoss) {
  put_user("alice", {"n"});  // 2
  const auto rev =
      put_ok("own", R"({"channels":["c"],"grant":{"users":["alice"],"channels":["c"]}})");  // 3
  settle();
  ASSERT_TRUE(write(item("own", R"({"channels":["c"]})", rev), user("alice")));  // 4
  settle();
  EXPECT_THAT(told_to("alice", "3"), ElementsAre("-own@4:3"));
}

// What a pass with the rights of before sent above the loss, no revocation could tell of.
TEST_F(RevocationTest, APassThatBeganBeforeALossSendsNothingWrittenWithIt) {
  put_user("alice", {"n"});                                                           // 2
  const auto rev = put_ok("g", R"({"grant":{"users":["alice"],"channels":["c"]}})");  // 3
  put_in("a", "c");                                                                   // 4
  settle();
  freeze_stable();
  const auto alice = user("alice");
  bucket_.inject({.matches =
                      [](const Operation& operation) {
                        return !is_write(operation) &&
                               key_of(operation).kind == KeyKind::channel_counter;
                      },
                  .effect = FaultBucket::Effect::hold});
  Follower& follower = follow(revoking(FeedKind::continuous, "4"), alice);
  ASSERT_EQ(bucket_.held(), 1u) << "the pass has the rights of before";
  put_in("g", "c", rev);  // 5
  put_in("b", "c");       // 6
  bucket_.release();
  settle(milliseconds(300));
  EXPECT_THAT(told(follower), IsEmpty());
  thaw_stable();
  EXPECT_THAT(told(follower), ElementsAre("-a@5:4"));
}

TEST_F(RevocationTest, RolesThatAreTakenEmptiedOrDeleted) {
  ASSERT_TRUE(put_role("r", {"c", "d"}));  // 2
  put_user("alice", {"d"}, {"r"});         // 3
  put_in("a", "c");                        // 4
  put_in("b", "d");                        // 5
  put_user("alice", {"d"}, {});            // 6
  settle();
  EXPECT_THAT(told_to("alice", "5"), ElementsAre("-a@6:4")) << "d is held otherwise";
  put_user("alice", {}, {"r"});       // 7
  ASSERT_TRUE(put_role("r", {"d"}));  // 8
  settle();
  EXPECT_THAT(told_to("alice", "7"), ElementsAre("-a@8:4"));
  ASSERT_TRUE(put_role("r", {"c", "d"}));                     // 9
  ASSERT_TRUE(env_.run(db_->principals().delete_role("r")));  // 10
  settle();
  EXPECT_THAT(told_to("alice", "9"), ElementsAre("-a@10:4", "-b@10:5"));
  ASSERT_TRUE(put_role("r", {"c"}));  // 11
  settle();
  EXPECT_THAT(told_to("alice", "9"), ElementsAre("-b@10:5", "a@11:4"));
}

// Lost and given back: what left the channel meanwhile is still on the device.
TEST_F(RevocationTest, LostAndGivenBack) {
  put_user("alice", {"c"});               // 2
  const auto left = put_in("left", "c");  // 3
  put_in("stays", "c");                   // 4
  put_user("alice", {});                  // 5
  put_in("left", "x", left);              // 6
  put_user("alice", {"c"});               // 7
  settle();
  EXPECT_THAT(told_to("alice", "4"), ElementsAre("stays@7:4", "left@7:6"));
}

// Of what two channels tell the newest counts: a client passes over an older revision.
TEST_F(RevocationTest, GoneFromAChannelGivenBackAndFromALostOne) {
  put_user("alice", {"c", "d"});             // 2
  const auto one = put_in("doc", "c");       // 3
  const auto two = put_in("doc", "d", one);  // 4
  put_user("alice", {"d"});                  // 5
  put_user("alice", {"c", "d"});             // 6
  remove("doc", two);                        // 7
  put_user("alice", {"c"});                  // 8
  settle();
  EXPECT_THAT(told_to("alice", "3"), ElementsAre("-doc@8:7"));
}

// What left a channel that was given back does not show the document by that channel, also where
// the removal itself is a candidate.
TEST_F(RevocationTest, LeftOfAChannelGivenBackAndFoundInALostOne) {
  put_user("alice", {"b", "c", "d"});  // 2
  auto rev = put_in("a", "c");         // 3
  put_user("alice", {"b", "c"});       // 4
  rev = put_in("a", "d", rev);         // 5
  put_in("a", "b", rev);               // 6
  put_user("alice", {"c", "d"});       // 7
  settle();
  EXPECT_THAT(told_to("alice", "3::6"), ElementsAre("a@5", "-a@7:6"));
}

TEST_F(RevocationTest, StarTakenAway) {
  put_user("alice", {"*"});     // 2
  put_in("a", "c");             // 3
  put_in("n", "news");          // 4
  put_ok("nowhere", "{}");      // 5
  put_user("alice", {"news"});  // 6
  settle();
  EXPECT_THAT(told_to("alice", "5"), ElementsAre("-a@6:3", "n@6:4", "-nowhere@6:5"));
}

// One write takes a channel and gives another one: both stand at its place.
TEST_F(RevocationTest, GrantAndRevocationOfOneWrite) {
  put_user("alice", {"a"});  // 2
  put_in("a1", "a");         // 3
  put_in("b1", "b");         // 4
  put_in("a2", "a b");       // 5
  put_in("a3", "a");         // 6
  put_user("alice", {"b"});  // 7
  settle();
  EXPECT_THAT(told_to("alice", "6"), ElementsAre("-a1@7:3", "b1@7:4", "a2@7:5", "-a3@7:6"));
  EXPECT_THAT(told_to("alice", "7:4"), ElementsAre("a2@7:5", "-a3@7:6"));
}

TEST_F(RevocationTest, WhileAFeedWaits) {
  put_user("alice", {"news", "c"});
  put_in("a", "c");
  settle();
  Follower& continuous = follow(revoking(FeedKind::continuous, "3"), user("alice"));
  Follower& longpoll = follow(revoking(FeedKind::longpoll, "3"), user("alice"));
  put_user("alice", {"news"});
  settle(milliseconds(30));
  EXPECT_THAT(told(continuous), ElementsAre("-a@4:3"));
  EXPECT_THAT(told(longpoll), ElementsAre("-a@4:3"));
  EXPECT_TRUE(longpoll.has_ended);
}

TEST_F(RevocationTest, ARevocationAboveStableWaits) {
  put_user("alice", {"news", "c"});
  put_in("a", "c");
  freeze_stable();
  Follower& follower = follow(revoking(FeedKind::continuous, "3"), user("alice"));
  put_user("alice", {"news"});
  settle(milliseconds(300));
  EXPECT_THAT(told(follower), IsEmpty());
  thaw_stable();
  EXPECT_THAT(told(follower), ElementsAre("-a@4:3"));
}

// A pass that no longer reads the channel, and may not tell of its loss yet, must not pass over
// what left the channel before the loss.
TEST_F(RevocationTest, WhatLeftTheChannelJustBeforeItsLoss) {
  put_user("alice", {"news", "c"});       // 2
  const auto left = put_in("left", "c");  // 3
  put_in("stays", "c");                   // 4
  put_in("left", "x", left);              // 5
  put_in("n", "news");                    // 6
  settle();
  freeze_stable();
  put_user("alice", {"news"});  // 7
  const Follower& held = get_changes(revoking(FeedKind::normal, "4"), user("alice"));
  EXPECT_THAT(told(held), ElementsAre("n@4::6"));
  Follower& waiting = follow(revoking(FeedKind::continuous, "4"), user("alice"));
  settle(milliseconds(300));
  thaw_stable();
  EXPECT_THAT(told(waiting), ElementsAre("n@4::6", "-stays@7:4", "-left@7:5")) << "each row once";
  EXPECT_THAT(told_to("alice", held.last_seq), ElementsAre("n@6", "-stays@7:4", "-left@7:5"));
}

// The row that was sent early showed the document; for who has lost `*` it is a removal from c.
TEST_F(RevocationTest, WhatWasSentEarlyByAChannelThatIsLost) {
  put_user("alice", {"*", "c"});      // 2
  const auto rev = put_in("a", "c");  // 3
  settle();
  ChangesOptions asked = options(FeedKind::continuous, "3");
  asked.include_docs = true;
  Follower& follower = follow(asked, user("alice"));
  freeze_stable();
  put_in("a", "x", rev);  // 4
  settle();
  put_user("alice", {"c"});  // 5
  settle(milliseconds(300));
  thaw_stable();
  EXPECT_THAT(told(follower), ElementsAre("a@3::4", "a@3::4"));
  EXPECT_FALSE(JsonView(follower.rows[0].doc).find("_removed"));
  EXPECT_TRUE(JsonView(follower.rows[1].doc).find("_removed"));
}

// The reader's rights are of the pass's beginning: what is written during it may take both what
// made the document readable and the document out of reach.
TEST_F(RevocationTest, TheDocumentChangesWhileAPassLooksAtIt) {
  put_user("alice", {"c"});  // 2
  const std::string rev =
      put_ok("g", R"({"channels":["c"],"grant":{"users":["alice"],"channels":["d"]}})");  // 3
  settle();
  put_user("alice", {});  // 4
  settle();
  bucket_.inject({.matches =
                      [](const Operation& operation) {
                        return !is_write(operation) && key_of(operation).kind == KeyKind::document;
                      },
                  .effect = FaultBucket::Effect::hold});
  Follower& follower = follow(revoking(FeedKind::continuous, "3"), user("alice"));
  ASSERT_EQ(bucket_.held(), 1u);
  put_in("g", "d", rev);  // 5
  bucket_.release();
  settle();
  EXPECT_THAT(told(follower), ElementsAre("-g@4:3"));
}

// A batch that ends between two candidates of one document, of which only the second counts, passes
// over neither.
TEST_F(RevocationTest, BatchesOfDocumentsThatSeveralLostChannelsHad) {
  constexpr std::size_t kDocuments = 400;
  constexpr std::array<std::array<const char*, 2>, 3> kMoves{
      {{"a m", "z"}, {"a z", "m"}, {"m z", "a"}}};
  for (std::size_t i = 0; i < kDocuments; ++i) {
    const std::string id = "d" + std::to_string(i);
    put_in(id, kMoves[i % 3][1], put_in(id, kMoves[i % 3][0]));
  }
  put_user("alice", {"a", "m", "z"});
  settle();
  const std::string before = get_changes(revoking(FeedKind::normal, "1"), user("alice")).last_seq;
  put_user("alice", {});
  settle();
  EXPECT_EQ(told_to("alice", before).size(), kDocuments);
}

// sync_gateway PR 5242 (CBG-1695): nothing that a process remembers of the channel is needed.
TEST_F(RevocationTest, ANewProcessTellsOfAllDocuments) {
  put_user("alice", {"c"});                                           // 2
  for (int i = 0; i < 60; ++i) put_in("d" + std::to_string(i), "c");  // to 62
  put_user("alice", {});                                              // 63
  settle();
  reopen();
  DatabaseChangesSource fresh(*db_);
  Follower follower(fresh, hub_, user("alice"), revoking(FeedKind::normal, "62"));
  env_.run(pump(follower));
  EXPECT_EQ(follower.rows.size(), 60u);
  for (const SeenRow& row : follower.rows) EXPECT_TRUE(row.is_revoked) << row.id;
}

TEST_F(RevocationTest, PagesOfManyRevocations) {
  put_user("alice", {"news", "c"});
  std::vector<WriteItem> items;
  for (int i = 0; i < 2'500; ++i) items.push_back(item("d" + std::to_string(i), body_in("c")));
  env_.run(db_->writer().write(admin(), std::move(items)));
  settle();
  const std::string before = get_changes(revoking(FeedKind::normal, "0"), user("alice")).last_seq;
  put_user("alice", {"news"});
  put_in("n", "news");
  settle();
  std::string at = before;
  std::set<std::string> revoked;
  for (int page = 0; page < 100; ++page) {
    ChangesOptions asked = revoking(FeedKind::normal, at);
    asked.limit = 700;
    Follower& follower = get_changes(asked, user("alice"));
    if (follower.rows.empty()) break;
    for (const SeenRow& row : follower.rows)
      if (row.is_revoked) EXPECT_TRUE(revoked.insert(row.id).second) << row.id;
    at = follower.last_seq;
  }
  EXPECT_EQ(revoked.size(), 2'500u);
  EXPECT_THAT(told_to("alice", before).size(), 2'501u);
}

}  // namespace
}  // namespace headgate
