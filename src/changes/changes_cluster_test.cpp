// SPDX-License-Identifier: Apache-2.0
// A database on two nodes whose buckets fail over, as its clients see it.
#include <gmock/gmock.h>

#include "base/task_scope.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "changes/changes_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

/// One node: buckets of its own on the shared store, a database and its feeds.
struct ClusterSite {
  ClusterSite(ManualEnvironment& environment, MemoryStore& base_store, MemoryStore& cache_store,
              DatabaseEntry entry)
      : base_memory(environment, base_store),
        cache_memory(environment, cache_store),
        base(environment, base_memory),
        cache(environment, cache_memory),
        hub(environment, {.deployment = Deployment::cluster}),
        database({environment, base, cache, hub, Deployment::cluster}, std::move(entry)),
        source(database) {}

  MemoryBucket base_memory;
  MemoryBucket cache_memory;
  FaultBucket base;
  FaultBucket cache;
  FeedHub hub;
  Database database;
  DatabaseChangesSource source;
};

class ChangesClusterTest : public testing::Test {
 protected:
  explicit ChangesClusterTest(std::optional<StableDurability> stable_durability = {},
                              bool has_star_channel = true) {
    MemoryBucket base(env_, base_store_);
    MemoryBucket cache(env_, cache_store_);
    DatabaseCatalog catalog(env_, base, cache);
    EXPECT_TRUE(env_.run(catalog.open()));
    DatabaseConfig config;
    config.block_capacity = 4;
    config.stable_durability = stable_durability;
    config.star_channel = has_star_channel;
    entry_ = env_.run(catalog.create("db", config)).value();
    a_ = open();
    b_ = open();
    const auto started = env_.run(a_->database.start_cache_writer());
    EXPECT_TRUE(started) << started.error().context;
    settle();
  }
  ~ChangesClusterTest() override {
    for (ClusterSite* site : {a_.get(), b_.get()}) {
      site->base.release();
      env_.run(site->hub.stop());
      env_.run_ready();
      env_.run(site->database.stop());
    }
    env_.run_ready();
  }

  std::unique_ptr<ClusterSite> open() {
    auto site = std::make_unique<ClusterSite>(env_, base_store_, cache_store_, entry_);
    EXPECT_TRUE(env_.run(site->database.start()));
    site->hub.start(site->source);
    return site;
  }
  void settle(std::chrono::nanoseconds time = seconds(3)) {
    for (auto past = time - time; past < time; past += milliseconds(5))
      env_.advance(milliseconds(5));
  }

  std::string put(ClusterSite& site, std::string_view id, std::string_view channel,
                  std::string_view rev = {}) {
    WriteItem item;
    item.id = DocId(std::string(id));
    item.document = parse_document("{\"channels\":[\"" + std::string(channel) + "\"]}").value();
    if (!rev.empty()) item.document.rev = parse_revision(rev).value();
    const auto answer =
        env_.run(site.database.writer().write_one(Principal::admin(), std::move(item)));
    EXPECT_TRUE(answer) << answer.error().context;
    return answer ? to_string(answer->rev) : std::string();
  }
  // The partition that holds the document loses its last writes.
  void lose(std::string_view id, std::size_t writes) {
    const auto partition =
        base_store_.partition_of(document_key(entry_.id, DocId(std::string(id))));
    ASSERT_GE(base_store_.operation_count(partition), writes);
    base_store_.fail_over(partition, base_store_.operation_count(partition) - writes);
  }

  Follower& follow(ClusterSite& site, FeedKind feed, std::string_view from,
                   std::shared_ptr<const Principal> reader = Principal::admin(),
                   std::optional<std::size_t> limit = {}) {
    ChangesOptions options;
    options.feed = feed;
    options.limit = limit;
    options.since = SequenceId::parse(from).value();
    followers_.push_back(
        std::make_unique<Follower>(site.source, site.hub, std::move(reader), std::move(options)));
    pumps_.spawn(pump(*followers_.back()));
    settle(milliseconds(5));
    return *followers_.back();
  }
  static Task<void> pump(Follower& follower) {
    while (!follower.has_ended && !follower.error) {
      auto batch = co_await follower.feed.next();
      if (!batch) {
        follower.error = batch.error();
        co_return;
      }
      for (const ChangesRow& row : batch->rows) follower.rows.push_back(SeenRow::parse(row.text()));
      follower.has_ended = batch->is_end;
      follower.last_seq = batch->last_seq.print();
    }
  }
  static std::vector<std::string> ids(const Follower& follower) {
    std::vector<std::string> ids;
    for (const SeenRow& row : follower.rows) ids.push_back(row.id + " " + row.revs.front());
    return ids;
  }
  // In another partition than the document "doc".
  DocId checkpoint_id() const {
    const auto partition = base_store_.partition_of(document_key(entry_.id, DocId("doc")));
    for (int i = 0;; ++i) {
      DocId id("_local/push" + std::to_string(i));
      if (base_store_.partition_of(local_document_key(entry_.id, id)) != partition) return id;
    }
  }
  Result<Revision> put_checkpoint(ClusterSite& site, std::string_view body) {
    ParsedDocument document = parse_document(body, {.is_local = true}).value();
    return env_.run(site.database.local_documents().put(checkpoint_id(), std::move(document)));
  }
  Errc checkpoint(ClusterSite& site) {
    const auto found = env_.run(site.database.local_documents().get(checkpoint_id()));
    return found ? Errc::ok : found.error().code;
  }

  ManualEnvironment env_;
  MemoryStore base_store_{3};
  MemoryStore cache_store_{3, HistoryId(1'000)};
  DatabaseEntry entry_;
  std::unique_ptr<ClusterSite> a_;
  std::unique_ptr<ClusterSite> b_;
  std::list<std::unique_ptr<Follower>> followers_;
  TaskScope pumps_{env_};
};

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

// R15b: rights that were built while a grant's sequence document was awaited are built again,
// though nothing tells of its coming.
TEST_F(ChangesClusterTest, AWaitingFeedIsGivenWhatAGrantThatWasAwaitedGives) {
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
  a_->cache.inject(
      {.matches = writes_of_kind(KeyKind::sequence_document), .effect = FaultBucket::Effect::hold});
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

// R15b: rights that were built while a grant's sequence document was awaited are built again,
// though nothing tells of its coming.
TEST_F(ChangesClusterTest, AWaitingFeedIsWokenAgainWhenTheAccessCounterRises) {
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
  a_->cache.inject(
      {.matches = writes_of_kind(KeyKind::access_counter), .effect = FaultBucket::Effect::hold});
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
