// SPDX-License-Identifier: Apache-2.0
// Compound sequence ids, late entries, and the cache writer stopped (R15 to R17b).
#include <gmock/gmock.h>

#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

/// 2-5 written and stable, 6 between its block and its sequence document, 7-10 written.
class GapTest : public ChangesFixture {
 protected:
  void SetUp() override {
    for (int n = 2; n <= 5; ++n) put_in(name(n), "news");
    freeze_stable();
    begin_write("d6", body_in("news"));
    for (int n = 7; n <= 10; ++n) put_in(name(n), "news");
  }
  static std::string name(int n) { return "d" + std::to_string(n); }
};

TEST_F(GapTest, EntriesAboveStableCarryItAsLowPart) {
  Follower& follower = get_changes(options(FeedKind::normal, "5"));
  EXPECT_THAT(follower.names(), ElementsAre("d7@5::7", "d8@5::8", "d9@5::9", "d10@5::10"));
  EXPECT_EQ(follower.last_seq, "5::10");
  EXPECT_THAT(changes("3"),
              ElementsAre("d4@4", "d5@5", "d7@5::7", "d8@5::8", "d9@5::9", "d10@5::10"));
}

// couchbase/sync_gateway#1309, pouchdb/pouchdb#4604: the same page does not come again.
TEST_F(GapTest, LowPartEqualToStableIsDropped) {
  EXPECT_THAT(changes("5::10"), IsEmpty());
  put_in("d11", "news");
  put_in("d12", "news");
  Follower& follower = get_changes(options(FeedKind::normal, "5::10"));
  EXPECT_THAT(follower.names(), ElementsAre("d11@5::11", "d12@5::12"));
  EXPECT_EQ(follower.last_seq, "5::12");
}

// couchbase/sync_gateway#789
TEST_F(GapTest, MissingOneComesWhenStableHasPassedIt) {
  put_in("d11", "news");
  put_in("d12", "news");
  finish_writes();
  thaw_stable();
  put_in("d13", "news");
  settle();
  Follower& follower = get_changes(options(FeedKind::normal, "5::12"));
  EXPECT_THAT(follower.names(),
              ElementsAre("d6@6", "d7@7", "d8@8", "d9@9", "d10@10", "d11@11", "d12@12", "d13@13"));
  EXPECT_EQ(follower.last_seq, "13");
}

// couchbase/sync_gateway#3721: an empty answer keeps the low part that it came with.
TEST_F(GapTest, NothingNewIsAnsweredWithTheSameSequence) {
  Follower& normal = get_changes(options(FeedKind::normal, "5::10"));
  EXPECT_THAT(normal.names(), IsEmpty());
  EXPECT_EQ(normal.last_seq, "5::10");
  ChangesOptions options = ChangesFixture::options(FeedKind::longpoll, "5::10");
  options.timeout = milliseconds(300);
  Follower& longpoll = follow(options);
  settle(milliseconds(400));
  EXPECT_TRUE(longpoll.has_ended);
  EXPECT_THAT(longpoll.names(), IsEmpty());
  EXPECT_EQ(longpoll.last_seq, "5::10");
}

TEST_F(GapTest, LongpollThatWaitsWithAGapIsToldOfTheMissingOne) {
  Follower& follower = follow(options(FeedKind::longpoll, "5::10"));
  EXPECT_FALSE(follower.has_ended);
  finish_writes();
  thaw_stable();
  EXPECT_TRUE(follower.has_ended);
  ASSERT_FALSE(follower.rows.empty());
  EXPECT_EQ(follower.names().front(), "d6@6");
  EXPECT_EQ(follower.last_seq, "10");
}

TEST_F(GapTest, WhoMayNotSeeTheMissingOneGoesOnAllTheSame) {
  const std::string rev = put_in("s11", "sport");
  finish_writes();
  thaw_stable();
  // Everything but 6: a reader of another channel.
  Follower& sport = get_changes(options(FeedKind::normal, "5::10", {"sport"}));
  EXPECT_THAT(sport.names(), ElementsAre("s11@11"));
  EXPECT_EQ(sport.last_seq, "11");
  put_in("only", "other");
  settle();
  EXPECT_EQ(get_changes(options(FeedKind::normal, "5::10", {"sport"})).last_seq, "12");
}

TEST_F(GapTest, OnlyTheMissingOneIsSeen) {
  ChangesOptions options = ChangesFixture::options(FeedKind::normal, "5::10", {"late"});
  bucket_.release();
  settle();
  begin_write("l11", body_in("late"));
  put_in("d12", "news");
  put_in("d13", "news");
  EXPECT_THAT(get_changes(options).names(), IsEmpty());
  finish_writes();
  thaw_stable();
  Follower& follower = get_changes(options);
  EXPECT_THAT(follower.names(), ElementsAre("l11@11"));
  EXPECT_EQ(follower.last_seq, "13");
}

TEST_F(GapTest, ContinuousFeedSendsTheLateOneOnceAndNothingElseAgain) {
  Follower& follower = follow(options(FeedKind::continuous, "3"));
  EXPECT_THAT(follower.take_names(),
              ElementsAre("d4@4", "d5@5", "d7@5::7", "d8@5::8", "d9@5::9", "d10@5::10"));
  finish_writes();
  EXPECT_THAT(follower.take_names(), ElementsAre("d6@5::10"));
  put_in("d11", "news");
  settle();
  EXPECT_THAT(follower.take_names(), ElementsAre("d11@5::11"));
  thaw_stable();
  EXPECT_THAT(follower.take_names(), IsEmpty());
  put_in("d12", "news");
  settle(milliseconds(1));
  EXPECT_THAT(follower.take_names(), ElementsAre(testing::StartsWith("d12@")));
}

// R17b: a late entry of a document that was sent at a higher sequence is not sent any more.
TEST_F(GapTest, LateRevisionDoesNotFollowANewerOne) {
  Follower& follower = follow(options(FeedKind::continuous, "5"));
  follower.take_names();
  begin_write("x", body_in("news"));             // 11, r1
  const std::string r1 = get("x").value().json;  // the base has it
  const auto rev = to_string(get("x")->rev);
  put_in("x", "news", rev);  // 12, r2
  settle();
  EXPECT_THAT(follower.take_names(), ElementsAre("x@5::12"));
  finish_writes();  // 6 and 11 become visible
  EXPECT_THAT(follower.take_names(), ElementsAre("d6@5::12"));
  for (const char* since : {"5", "5::7", "5::12", "9", "10", "5::10"}) {
    Follower& again = get_changes(options(FeedKind::normal, since));
    for (const SeenRow& row : again.rows)
      if (row.id == "x") EXPECT_EQ(row.generation(), 2u) << since;
  }
}

// couchbase/sync_gateway#621, #387, #314: who only echoes last_seq reaches an end; no page repeats.
TEST_F(GapTest, PagesThroughAGapEnd) {
  std::string at = "0";
  Names all;
  for (int page = 0; page < 30; ++page) {
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, at);
    options.limit = 1;
    Follower& follower = get_changes(options);
    if (follower.rows.empty()) break;
    all.push_back(follower.names().front());
    at = follower.last_seq;
  }
  EXPECT_THAT(all, ElementsAre("d2@2", "d3@3", "d4@4", "d5@5", "d7@5::7", "d8@5::8", "d9@5::9",
                               "d10@5::10"));
  EXPECT_EQ(at, "5::10");
}

TEST_F(GapTest, RestartFromTheLowPartInPagesMakesProgress) {
  finish_writes();
  thaw_stable();
  std::string at = "5::10";
  Names all;
  for (int page = 0; page < 30; ++page) {
    ChangesOptions options = ChangesFixture::options(FeedKind::normal, at);
    options.limit = 2;
    Follower& follower = get_changes(options);
    if (follower.rows.empty()) break;
    for (const auto& name : follower.names()) all.push_back(name);
    at = follower.last_seq;
  }
  EXPECT_THAT(all, ElementsAre("d6@6", "d7@7", "d8@8", "d9@9", "d10@10"));
}

TEST_F(GapTest, StableRisingHalfWayMovesTheLowPart) {
  finish_writes();
  thaw_stable();
  freeze_stable();
  begin_write("d11", body_in("news"));
  put_in("d12", "news");
  Follower& follower = get_changes(options(FeedKind::normal, "5::12"));
  EXPECT_THAT(follower.names(), ElementsAre("d6@6::12", "d7@7::12", "d8@8::12", "d9@9::12",
                                            "d10@10::12", "d12@10::12"));
  EXPECT_EQ(follower.last_seq, "10::12");
}

// R17b: beyond max_early a feed waits for stable, and keeps no more than that in memory.
class EarlyLimitTest : public ChangesFixture {};

TEST_F(EarlyLimitTest, EntriesBeyondTheLimitWaitForStable) {
  put_in("a", "news");
  freeze_stable();
  Follower& follower = follow(options(FeedKind::continuous));
  const std::size_t max_early = db_->cache_space().settings.max_early;
  std::vector<WriteItem> items;
  for (std::size_t i = 0; i < max_early + 500; ++i)
    items.push_back(item("doc" + std::to_string(i), body_in("news")));
  const auto written = env_.run(db_->writer().write(admin(), std::move(items)));
  ASSERT_TRUE(written.back());
  settle(milliseconds(500));
  EXPECT_EQ(follower.rows.size(), 1 + max_early);
  // So does a stateless reader who was sent as many.
  EXPECT_THAT(changes(follower.rows.back().seq), IsEmpty());
  thaw_stable();
  settle(milliseconds(500));
  EXPECT_EQ(follower.rows.size(), 1 + max_early + 500);
}

/// The cache writer stopped, resumed, and a front end that never comes back.
class PausedWriterTest : public ChangesFixture {};

TEST_F(PausedWriterTest, AvailableDeliversAllAndStableNoneUntilItIsResumed) {
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::continuous);
  Follower& available = follow(options);
  options.mode = ReadMode::stable;
  Follower& stable = follow(options);
  for (int i = 0; i < 20; ++i) {
    put_in("d" + std::to_string(i), "news");
    settle(milliseconds(1));
    EXPECT_EQ(available.rows.size(), static_cast<std::size_t>(i + 1));
  }
  settle(milliseconds(3'000));
  EXPECT_THAT(stable.names(), IsEmpty());
  thaw_stable();
  EXPECT_EQ(stable.rows.size(), 20u);
  EXPECT_EQ(stable.rows.back().seq, "21");
  EXPECT_EQ(available.rows.size(), 20u);
}

TEST_F(PausedWriterTest, WriteOfADeadFrontEndComesByRepair) {
  Follower& follower = follow(options(FeedKind::continuous));
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::sequence_document), .code = Errc::unavailable});
  put_in("a", "news");
  settle(milliseconds(5));
  EXPECT_THAT(follower.names(), IsEmpty());
  settle(milliseconds(1'000));
  EXPECT_THAT(follower.names(), ElementsAre(testing::StartsWith("a@")));
}

// R6b: the first two writes of a database: 2 is slow, 3 is visible. Were the low part 0, the client
// would get a plain 3 and never see 2.
TEST_F(PausedWriterTest, FirstWritesOfADatabaseOutOfOrder) {
  freeze_stable();
  begin_write("slow", body_in("news"));
  put_in("fast", "news");
  Follower& follower = get_changes(options(FeedKind::normal));
  EXPECT_THAT(follower.names(), ElementsAre("fast@1::3"));
  EXPECT_EQ(follower.last_seq, "1::3");
  EXPECT_THAT(changes("1::3"), IsEmpty());
  finish_writes();
  thaw_stable();
  EXPECT_THAT(changes("1::3"), ElementsAre("slow@2", "fast@3"));
}

}  // namespace
}  // namespace headgate
