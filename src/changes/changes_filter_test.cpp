// SPDX-License-Identifier: Apache-2.0
// Which documents a feed asks for, and in which order.
#include <gmock/gmock.h>

#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class FilterTest : public ChangesFixture {
 protected:
  static ChangesOptions by_ids(FeedKind feed, std::set<std::string, std::less<>> ids,
                               std::string_view from = "0") {
    ChangesOptions asked = options(feed, from);
    asked.doc_ids = std::make_shared<const std::set<std::string, std::less<>>>(std::move(ids));
    return asked;
  }
  static ChangesOptions by_selector(FeedKind feed, const std::string& selector,
                                    std::string_view from = "0") {
    ChangesOptions asked = options(feed, from);
    asked.selector = std::make_shared<const Selector>(Selector::parse(JsonView(selector)).value());
    return asked;
  }
  static std::string numbered(int n, std::string_view channel = "news") {
    return "{\"channels\":[\"" + std::string(channel) + "\"],\"n\":" + std::to_string(n) + "}";
  }
  static Names ids(const Follower& follower) {
    Names ids;
    for (const SeenRow& row : follower.rows) ids.push_back(row.id);
    return ids;
  }
};

TEST_F(FilterTest, ByIdsInEveryFeed) {
  put_user("alice", {"news"});  // 2
  put_in("a", "news");          // 3
  put_in("b", "news");          // 4
  put_in("c", "other");         // 5
  settle();
  const auto alice = user("alice");
  EXPECT_THAT(get_changes(by_ids(FeedKind::normal, {"b", "c", "x"}), alice).names(),
              ElementsAre("b@4"));
  Follower& none = get_changes(by_ids(FeedKind::normal, {"a"}, "4"), alice);
  EXPECT_THAT(none.names(), IsEmpty());
  EXPECT_EQ(none.last_seq, "5") << "what was passed over is not read again";
  Follower& longpoll = follow(by_ids(FeedKind::longpoll, {"x"}, "5"), alice);
  Follower& continuous = follow(by_ids(FeedKind::continuous, {"x", "a"}, "0"), alice);
  put_in("y", "news");  // 6
  settle();
  EXPECT_FALSE(longpoll.has_ended);
  put_in("x", "news");  // 7
  settle();
  EXPECT_TRUE(longpoll.has_ended);
  EXPECT_THAT(ids(longpoll), ElementsAre("x"));
  EXPECT_THAT(ids(continuous), ElementsAre("a", "x"));
}

TEST_F(FilterTest, ByIdsThroughABackfillAndWithALimit) {
  put_user("alice");
  for (const char* id : {"a", "b", "c"}) put_in(id, "c");  // 3-5
  put_user("alice", {"c"});                                // 6
  settle();
  ChangesOptions asked = by_ids(FeedKind::normal, {"a", "c"}, "2");
  asked.limit = 1;
  Follower& first = get_changes(asked, user("alice"));
  EXPECT_THAT(first.names(), ElementsAre("a@6:3"));
  asked.since = since(first.last_seq);
  EXPECT_THAT(get_changes(asked, user("alice")).names(), ElementsAre("c@6:5"));
}

TEST_F(FilterTest, BySelectorOverManyDocuments) {
  std::vector<WriteItem> items;
  for (int i = 0; i < 3'000; ++i) items.push_back(item("d" + std::to_string(i), numbered(i)));
  env_.run(db_->writer().write(admin(), std::move(items)));
  settle();
  const ChangesOptions asked = by_selector(FeedKind::normal, R"({"n":{"$mod":[1000,999]}})");
  EXPECT_THAT(ids(get_changes(asked)), ElementsAre("d999", "d1999", "d2999"));
  ChangesOptions limited = asked;
  limited.limit = 2;
  Follower& page = get_changes(limited);
  EXPECT_THAT(ids(page), ElementsAre("d999", "d1999"));
  limited.since = since(page.last_seq);
  EXPECT_THAT(ids(get_changes(limited)), ElementsAre("d2999"));
  EXPECT_THAT(ids(get_changes(by_selector(FeedKind::normal, R"({"n":-1})"))), IsEmpty());
}

TEST_F(FilterTest, BySelectorWhileAFeedWaits) {
  Follower& follower = follow(by_selector(FeedKind::continuous, R"({"n":{"$gt":1}})"));
  const std::string rev = put_ok("a", numbered(1));
  settle();
  EXPECT_THAT(ids(follower), IsEmpty());
  const std::string second = put_ok("a", numbered(2), rev);
  settle();
  EXPECT_THAT(ids(follower), ElementsAre("a"));
  remove("a", second);  // the tombstone has no `n`
  settle();
  EXPECT_THAT(ids(follower), ElementsAre("a"));
}

TEST_F(FilterTest, ASelectorHidesNoRemoval) {
  put_user("alice", {"news"});
  const std::string rev = put_ok("a", numbered(1));
  settle();
  Follower& follower = follow(by_selector(FeedKind::continuous, R"({"n":1})"), user("alice"));
  put_ok("a", numbered(2, "other"), rev);
  settle();
  ASSERT_EQ(follower.rows.size(), 2u);
  EXPECT_THAT(follower.rows[1].removed, ElementsAre("news"));
}

TEST_F(FilterTest, DescendingTellsTheNewestFirst) {
  const std::string rev = put_in("a", "news");  // 2
  put_in("b", "news");                          // 3
  put_in("c", "other");                         // 4
  put_in("a", "news", rev);                     // 5
  settle();
  ChangesOptions asked = options(FeedKind::normal);
  asked.is_descending = true;
  EXPECT_THAT(get_changes(asked).names(), ElementsAre("a@5", "c@4", "b@3"));
  asked.limit = 2;
  Follower& newest = get_changes(asked);
  EXPECT_THAT(newest.names(), ElementsAre("a@5", "c@4"));
  EXPECT_EQ(newest.last_seq, "4");
  asked.include_docs = true;
  Follower& with_docs = get_changes(asked);
  EXPECT_EQ(JsonView(with_docs.rows[0].doc).find("_id")->as_string(), "a");
}

TEST_F(FilterTest, DescendingOverManyDocuments) {
  std::vector<WriteItem> items;
  for (int i = 0; i < 2'500; ++i) items.push_back(item("d" + std::to_string(i), "{}"));
  env_.run(db_->writer().write(admin(), std::move(items)));
  put_ok("last", "{}");
  settle();
  ChangesOptions asked = options(FeedKind::normal);
  asked.is_descending = true;
  Follower& all = get_changes(asked);
  ASSERT_EQ(all.rows.size(), 2'501u);
  EXPECT_EQ(all.rows.front().id, "last");
  EXPECT_EQ(all.rows.back().id, "d0");
}

// Read-your-writes through a node whose cache writer lags.
TEST_F(FilterTest, RequestPlusWaitsForWhatWasWritten) {
  put_in("a", "news");
  freeze_stable();
  put_in("b", "news");
  ChangesOptions asked = options(FeedKind::normal);
  asked.mode = ReadMode::stable;
  asked.request_plus = true;
  Follower& waiting = follow(asked);
  settle(milliseconds(500));
  EXPECT_FALSE(waiting.has_ended);
  thaw_stable();
  EXPECT_TRUE(waiting.has_ended);
  EXPECT_THAT(ids(waiting), ElementsAre("a", "b"));
  EXPECT_THAT(ids(get_changes(asked)), ElementsAre("a", "b")) << "at once";
}

// sync_gateway PR 6326: the awaited number turns out unused.
TEST_F(FilterTest, RequestPlusDoesNotWaitForUnusedNumbers) {
  put_in("a", "news");
  settle();
  begin_write("b", R"({"channels":["news"]})");  // its number is handed out
  ChangesOptions asked = options(FeedKind::longpoll);
  asked.request_plus = true;
  Follower& waiting = follow(asked);
  bucket_.release();
  settle(milliseconds(5));
  EXPECT_TRUE(waiting.has_ended);
  // A write that is refused after it drew its number gives it back.
  bucket_.inject({.matches = writes_of_kind(KeyKind::document), .code = Errc::unavailable});
  EXPECT_FALSE(put("c", R"({"channels":["news"]})"));
  Follower& second = follow(asked);
  settle(milliseconds(20));
  EXPECT_TRUE(second.has_ended);
}

TEST_F(FilterTest, RequestPlusGivesUp) {
  put_in("a", "news");
  freeze_stable();
  put_in("b", "news");
  ChangesOptions asked = options(FeedKind::normal);
  asked.request_plus = true;
  Follower& waiting = follow(asked);
  settle(milliseconds(40'000));
  ASSERT_TRUE(waiting.error.has_value());
  EXPECT_EQ(waiting.error->code, Errc::unavailable);
}

// sync_gateway#2258
TEST_F(FilterTest, TheUsersOwnEntryIsShownAlikeToWhoeverAsks) {
  put_in("a", "news");          // 2
  put_user("alice", {"news"});  // 3
  put_in("b", "news");          // 4
  settle();
  ChangesOptions asked = options(FeedKind::normal, "2");
  EXPECT_THAT(get_changes(asked, user("alice")).names(), ElementsAre("a@3:2", "b@4"));
  asked.user_entry = true;
  asked.include_docs = true;
  for (int i = 0; i < 2; ++i) {
    Follower& follower = get_changes(asked, user("alice"));
    EXPECT_THAT(follower.names(), ElementsAre("a@3:2", "_user/alice@3", "b@4"));
    EXPECT_THAT(follower.rows[1].revs, IsEmpty());
    EXPECT_EQ(follower.rows[1].doc, "");
  }
  asked.since = since("3");
  EXPECT_THAT(get_changes(asked, user("alice")).names(), ElementsAre("b@4"));
  asked.feed = FeedKind::continuous;
  Follower& waiting = follow(asked, user("alice"));
  UserUpdate update;
  update.email = "alice@example.org";
  ASSERT_TRUE(env_.run(db_->principals().put_user("alice", update)));  // 5
  settle();
  EXPECT_THAT(waiting.names(), ElementsAre("b@4", "_user/alice@5"));
}

TEST_F(FilterTest, WhatIsPendingIsKnownWhenItWasRead) {
  for (const char* id : {"a", "b", "c"}) put_in(id, "news");
  settle();
  ChangesOptions asked = options(FeedKind::normal);
  asked.limit = 1;
  ChangesFeed feed(source(), hub_, admin(), asked);
  const auto page = env_.run(feed.next());
  ASSERT_TRUE(page && page->is_end);
  EXPECT_EQ(page->pending, 2u);
  asked.limit.reset();
  ChangesFeed whole(source(), hub_, admin(), asked);
  EXPECT_EQ(env_.run(whole.next())->pending, 0u);
}

}  // namespace
}  // namespace headgate
