// SPDX-License-Identifier: Apache-2.0
// Rights that change while buckets fail over or front ends are held up, as feeds of two nodes see
// it.
#include "changes/changes_cluster_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

// A front end is held up while it enters a grant, and nothing tells the waiting feed when it goes
// on. At the sequence document: rights that were built while it was awaited are built again (R15b).
// At the access counter: the hidden channel woke the feed too early, so it is woken again (R5b).
class LateGrantTest : public ChangesClusterTest, public testing::WithParamInterface<KeyKind> {};
INSTANTIATE_TEST_SUITE_P(HeldUpAt, LateGrantTest,
                         testing::Values(KeyKind::sequence_document, KeyKind::access_counter));

TEST_P(LateGrantTest, IsGivenToAWaitingFeed) {
  DatabaseConfig config = *a_->database.config();
  config.sync = "function (doc) { channel(doc.channels); access(doc.to, doc.given); }";
  for (ClusterSite* site : {a_.get(), b_.get()})
    ASSERT_TRUE(env_.run(site->database.reconfigure(config)));
  ASSERT_TRUE(env_.run(b_->database.principals().put_user("ann", {})));
  const std::string rev = put(*a_, "doc", "news");
  settle();
  Follower& feed = follow(*b_, FeedKind::continuous, "0",
                          env_.run(b_->database.principals().load("ann")).value());
  a_->base.hold_feeds();
  a_->cache.inject({.matches = writes_of_kind(GetParam()), .effect = FaultBucket::Effect::hold});
  WriteItem grant;
  grant.id = DocId("grant");
  grant.document = parse_document(R"({"to":"ann","given":"news"})").value();
  TaskScope writing(env_);
  writing.spawn([](Database& database, WriteItem item) -> Task<void> {
    (void)co_await database.writer().write_one(Principal::admin(), std::move(item));
  }(a_->database, std::move(grant)));
  settle(milliseconds(600));
  ASSERT_EQ(a_->cache.held(), 1u);
  EXPECT_THAT(ids(feed), IsEmpty());
  a_->cache.release();
  settle(milliseconds(5));
  a_->base.release();
  settle();
  EXPECT_THAT(ids(feed), ElementsAre("doc " + rev));
}

// B5: the record that granted the channels may have been lost, and another one of its number may
// have granted more: a client in the middle of a backfill begins it anew, once.
TEST_F(ChangesClusterTest, ABackfillOfAnOlderEpochBeginsAnew) {
  std::vector<std::string> all;
  for (const char* id : {"one", "two", "three", "four"})
    all.push_back(id + (" " + put(*b_, id, "news")));
  UserUpdate update;
  update.admin_channels = {"news"};
  ASSERT_TRUE(env_.run(b_->database.principals().put_user("ann", update)));
  settle();
  const auto page = [&](const std::string& since) -> const Follower& {
    const auto ann = env_.run(b_->database.principals().load("ann"));
    return follow(*b_, FeedKind::normal, since, ann.value(), 1);
  };
  const Follower* at = &page(page("0").last_seq);
  ASSERT_THAT(ids(*at), ElementsAre(all[1]));
  base_store_.fail_over_all();
  settle();
  std::vector<std::string> seen;
  while (seen.size() < 10) {
    at = &page(at->last_seq);
    if (at->rows.empty()) break;
    seen.push_back(ids(*at).front());
  }
  EXPECT_EQ(seen, all);
}

// B5: a user's record that a failover takes back, and of which the cache knows nothing, gives back
// what it had taken away: who read without it must not have passed over that.
TEST_F(ChangesClusterTest, ALossThatIsLostHidesNothing) {
  UserUpdate update;
  update.admin_channels = {"news"};
  ASSERT_TRUE(env_.run(a_->database.principals().put_user("ann", update)));
  settle();
  const std::string token = follow(*a_, FeedKind::normal, "0").last_seq;
  const std::string rev = put(*a_, "doc", "news");
  settle();
  a_->base.hold_feeds();
  a_->cache.inject({.matches = writes_of_kind(KeyKind::block), .times = 1'000});
  update.admin_channels = {"sport"};
  (void)env_.run(a_->database.principals().put_user("ann", update));
  const auto page = [&](const std::string& since) -> const Follower& {
    const auto ann = env_.run(b_->database.principals().load("ann"));
    return follow(*b_, FeedKind::normal, since, ann.value());
  };
  const Follower& without = page(token);
  settle();
  ASSERT_TRUE(without.has_ended);
  EXPECT_THAT(ids(without), IsEmpty());
  const auto partition =
      base_store_.partition_of(principal_key(entry_.id, PrincipalName::user("ann")));
  base_store_.fail_over(partition, base_store_.operation_count(partition) - 1);
  a_->cache.clear();
  a_->base.release();
  settle();
  EXPECT_THAT(ids(page(without.last_seq)), ElementsAre("doc " + rev));
}

// B5, I7: a lost change of a user; everybody's rights are those of the surviving record.
TEST_F(ChangesClusterTest, RightsFollowTheSurvivingRecords) {
  UserUpdate update;
  update.admin_channels = {"news"};
  ASSERT_TRUE(env_.run(b_->database.principals().put_user("ann", update)));
  settle();
  const auto may_read = [&](ClusterSite& site, const char* channel) {
    const auto user = env_.run(site.database.principals().load("ann"));
    return user && (*user)->access.can_read_channel(channel);
  };
  EXPECT_TRUE(may_read(*a_, "news"));
  a_->base.hold_feeds();
  update.admin_channels = {"sport"};
  ASSERT_TRUE(env_.run(b_->database.principals().put_user("ann", update)));
  EXPECT_TRUE(may_read(*a_, "sport"));
  const auto partition =
      base_store_.partition_of(principal_key(entry_.id, PrincipalName::user("ann")));
  base_store_.fail_over(partition, base_store_.operation_count(partition) - 1);
  // On an unknown history nobody is told anything: rights are not even built.
  UserUpdate unknown;
  unknown.email = "ann@example.org";
  (void)env_.run(b_->database.principals().put_user("ann", unknown));
  EXPECT_FALSE(env_.run(b_->database.principals().load("ann")));
  a_->base.release();
  settle();
  EXPECT_TRUE(may_read(*b_, "news"));
  EXPECT_FALSE(may_read(*b_, "sport"));
}

}  // namespace
}  // namespace headgate
