// SPDX-License-Identifier: Apache-2.0
// Waiting feeds: who is woken by what, and what it costs.
#include "changes/feed_hub.hpp"

#include <gmock/gmock.h>

#include <numeric>

#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::IsEmpty;

constexpr std::size_t kMany = 1'000;

class FeedHubTest : public ChangesFixture {
 protected:
  void channels_changed(const std::vector<ChannelId>& channels) override {
    if (!is_deaf_) ChangesFixture::channels_changed(channels);
  }
  void stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) override {
    if (!is_deaf_) ChangesFixture::stable_advanced(stable, channels);
  }
  void follow_many(const ChangesOptions& options) {
    for (std::size_t i = 0; i < kMany; ++i) {
      followers_.push_back(std::make_unique<Follower>(source(), hub_, admin(), options));
      pumps_.spawn(pump(*followers_.back()));
    }
    settle(milliseconds(300));
  }
  std::size_t rows_sent() const {
    std::size_t rows = 0;
    for (const auto& follower : followers_) rows += follower->rows.size();
    return rows;
  }

  bool is_deaf_ = false;
};

TEST_F(FeedHubTest, OneWriteIsReadOnceForAThousandWaitingFeeds) {
  put_in("a", "news");
  freeze_stable();
  ChangesOptions options = ChangesFixture::options(FeedKind::continuous, "2", {"news"});
  options.include_docs = true;
  follow_many(options);
  counting_.reset();
  put_in("x", "sport");  // what a write itself reads
  const auto reads_of_a_write = counting_.count<operation::Get>(KeyKind::document);
  const CacheReader::Statistics before = db_->cache_reader().statistics();
  const auto rows_before = hub_.rows().made();
  counting_.reset();
  put_in("b", "news");
  env_.run_ready();
  EXPECT_EQ(rows_sent(), kMany);
  const CacheReader::Statistics after = db_->cache_reader().statistics();
  EXPECT_EQ(after.passes - before.passes, kMany);
  EXPECT_LE(after.stable_reads - before.stable_reads, 2u);
  EXPECT_LE(after.counter_reads - before.counter_reads, 2u);
  EXPECT_LE(after.block_reads - before.block_reads, 2u);
  EXPECT_EQ(after.document_reads, before.document_reads);
  EXPECT_EQ(counting_.count<operation::Get>(KeyKind::document), reads_of_a_write + 1);
  EXPECT_EQ(hub_.rows().made() - rows_before, 1u);
}

TEST_F(FeedHubTest, LongpollsThatComeBackTogetherShareTheirReads) {
  put_in("a", "news");
  freeze_stable();
  follow_many(options(FeedKind::longpoll, "2", {"news"}));
  const auto before = db_->cache_reader().statistics();
  put_in("b", "news");
  env_.run_ready();
  EXPECT_EQ(rows_sent(), kMany);
  EXPECT_LE(db_->cache_reader().statistics().stable_reads - before.stable_reads, 2u);
  for (const auto& follower : followers_) EXPECT_TRUE(follower->has_ended);
}

TEST_F(FeedHubTest, OnlyFeedsOfTheChannelsAreWoken) {
  put_in("a", "news");
  freeze_stable();
  put_user("bob", {"other"});
  thaw_stable();
  follow(options(FeedKind::continuous, "3", {"sport"}));
  follow(options(FeedKind::continuous, "3"), user("bob"));
  Follower& news = follow(options(FeedKind::continuous, "3", {"news"}));
  Follower& star = follow(options(FeedKind::continuous, "3"));
  settle(milliseconds(300));
  const auto before = hub_.statistics().wake_ups;
  put_in("b", "news");
  env_.run_ready();
  EXPECT_EQ(hub_.statistics().wake_ups - before, 2u);
  EXPECT_EQ(news.rows.size(), 1u);
  EXPECT_EQ(star.rows.size(), 1u);
}

TEST_F(FeedHubTest, FeedsAreCountedByChannelAndTheirDelaysOnce) {
  put_in("a", "news");
  freeze_stable();
  const auto delays = [this] {
    const auto& counts = hub_.statistics().delays.counts;
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  const ChannelId news = ChannelId::of_documents("news");
  follow(options(FeedKind::continuous, "2", {"news"}));
  follow(options(FeedKind::continuous, "2", {"news", "sport"}));
  settle(milliseconds(300));
  EXPECT_EQ(hub_.feeds_of(news), 2u);
  EXPECT_EQ(hub_.feeds_of(ChannelId::of_documents("sport")), 1u);
  EXPECT_EQ(hub_.feeds_of(ChannelId::of_documents("none")), 0u);
  EXPECT_EQ(delays(), 0u) << "nobody was woken";
  put_in("b", "news");
  env_.run_ready();
  EXPECT_EQ(delays(), 2u) << "one for each feed, however often it was woken";
  hub_.channels_changed({news});
  env_.run_ready();
  EXPECT_EQ(delays(), 2u) << "woken in vain";
}

// R15c
TEST_F(FeedHubTest, StableWakesOnlyThoseThatWaitForIt) {
  put_in("a", "news");
  freeze_stable();
  Follower& early = follow(options(FeedKind::continuous, "2", {"news"}));
  ChangesOptions stable_options = options(FeedKind::continuous, "2", {"news"});
  stable_options.mode = ReadMode::stable;
  Follower& stable = follow(stable_options);
  Follower& other = follow(options(FeedKind::continuous, "2", {"sport"}));
  settle(milliseconds(300));
  auto before = hub_.statistics().wake_ups;
  hub_.stable_advanced(Sequence(2), {ChannelId::of_documents("news")});
  EXPECT_EQ(hub_.statistics().wake_ups - before, 1u);  // mode stable alone
  put_in("b", "news");
  settle(milliseconds(1));
  EXPECT_EQ(early.rows.size(), 1u);
  EXPECT_THAT(stable.rows, IsEmpty());
  before = hub_.statistics().wake_ups;
  hub_.stable_advanced(Sequence(2), {ChannelId::of_documents("news")});
  EXPECT_EQ(hub_.statistics().wake_ups - before, 2u);  // and who has sent something above stable
  hub_.stable_advanced(Sequence(2), {});
  EXPECT_EQ(hub_.statistics().wake_ups - before, 4u);
  EXPECT_THAT(other.rows, IsEmpty());
}

// couchbase/sync_gateway#1275, #1329, #1266, #3225, #3248, CBG-1113: clients that vanish.
TEST_F(FeedHubTest, FeedsThatAreDestroyedLeaveNothingBehind) {
  put_in("a", "news");
  settle();
  for (const FeedKind kind : {FeedKind::longpoll, FeedKind::continuous}) {
    TaskScope scope(env_);
    std::vector<std::unique_ptr<Follower>> vanishing;
    for (std::size_t i = 0; i < kMany; ++i) {
      vanishing.push_back(
          std::make_unique<Follower>(source(), hub_, admin(), options(kind, "2", {"news"})));
      scope.spawn(pump(*vanishing.back()));
    }
    settle();
    EXPECT_EQ(hub_.statistics().feeds, kMany);
    for (auto& follower : vanishing) follower->feed.interrupt();
    env_.run(scope.join());
    vanishing.clear();
    EXPECT_EQ(hub_.statistics().feeds, 0u);
  }
  {  // without a word: the frames are destroyed where they are suspended
    Follower lost(source(), hub_, admin(), options(FeedKind::continuous, "2", {"news"}));
    TaskScope scope(env_);
    scope.spawn(pump(lost));
    settle();
    EXPECT_EQ(hub_.statistics().feeds, 1u);
  }
  EXPECT_EQ(hub_.statistics().feeds, 0u);
  put_in("b", "news");
  settle();
}

TEST_F(FeedHubTest, TooManyWaitingFeedsAreRefusedAndOneShotReadersAreNot) {
  FeedHub small(env_, {.waiting_feeds_max = 2});
  const auto admin_reader = admin();
  ChangesFeed first(source(), small, admin_reader, options(FeedKind::continuous));
  ChangesFeed second(source(), small, admin_reader, options(FeedKind::continuous));
  ChangesFeed third(source(), small, admin_reader, options(FeedKind::longpoll));
  ChangesFeed normal(source(), small, admin_reader, options(FeedKind::normal));
  EXPECT_TRUE(env_.run(first.next()));
  EXPECT_TRUE(env_.run(second.next()));
  const auto refused = env_.run(third.next());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_TRUE(env_.run(normal.next()));
}

// C4: a change that nobody announced on this node is found by the poll.
TEST_F(FeedHubTest, PollFindsWhatNobodyAnnounced) {
  put_in("a", "news");
  settle(milliseconds(1'000));
  ChangesOptions options = ChangesFixture::options(FeedKind::continuous, "2", {"news"});
  Follower& available = follow(options);
  options.mode = ReadMode::stable;
  Follower& stable = follow(options);
  settle(milliseconds(600));
  is_deaf_ = true;
  put_in("b", "news");
  settle(milliseconds(1));
  EXPECT_THAT(available.rows, IsEmpty());
  settle(milliseconds(600));
  EXPECT_EQ(available.rows.size(), 1u);
  EXPECT_EQ(stable.rows.size(), 1u);
  EXPECT_GE(hub_.statistics().found_by_poll, 1u);
}

class RoomyHubTest : public ChangesFixture {
 protected:
  static DatabaseConfig roomy() {
    DatabaseConfig config = native();
    config.block_capacity = 1'024;  // a write that overflows a block raises its counter twice
    return config;
  }
  RoomyHubTest() : ChangesFixture(roomy()) {}
};

TEST_F(RoomyHubTest, PollDoesNotWakeForWhatWasAnnounced) {
  Follower& follower = follow(options(FeedKind::continuous, "0", {"news"}));
  settle(milliseconds(600));
  for (int i = 0; i < 20; ++i) {
    put_in("d" + std::to_string(i), "news");
    settle(milliseconds(97));
  }
  EXPECT_EQ(follower.rows.size(), 20u);
  EXPECT_EQ(hub_.statistics().found_by_poll, 0u);
  EXPECT_GE(hub_.statistics().polls, 5u);
}

class NoStarTest : public ChangesFixture {
 protected:
  static DatabaseConfig without_star() {
    DatabaseConfig config = native();
    config.star_channel = false;
    return config;
  }
  NoStarTest() : ChangesFixture(without_star()) {}
};

// couchbase/sync_gateway#718, #743: with the all-documents channel turned off, who waits for all
// documents is woken by any of them.
TEST_F(NoStarTest, WaiterForAllDocumentsIsWokenByAnyDocument) {
  for (const ReadMode mode : {ReadMode::available, ReadMode::stable}) {
    ChangesOptions options = ChangesFixture::options(FeedKind::longpoll);
    options.is_since_now = true;
    options.mode = mode;
    Follower& follower = follow(options);
    const std::string id = mode == ReadMode::stable ? "a" : "b";
    put_ok(id, "{}");  // in no channel
    settle(milliseconds(20));
    ASSERT_EQ(follower.rows.size(), 1u) << id;
    EXPECT_EQ(follower.rows[0].id, id);
  }
}

}  // namespace
}  // namespace headgate
