// SPDX-License-Identifier: Apache-2.0
// An embedded store is moved to a cluster: what arrives, wherever the move is interrupted.
#include "database/store_copy.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "database/database_fixture.hpp"
#include "database/node_registry.hpp"
#include "sequence/restored_numbers.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// An empty cluster to copy to.
struct Target {
  explicit Target(ManualEnvironment& environment)
      : base_store(3, HistoryId(100)),
        cache_store(2, HistoryId(200)),
        base_memory(environment, base_store),
        cache(environment, cache_store),
        base(environment, base_memory) {}

  MemoryStore base_store;
  MemoryStore cache_store;
  MemoryBucket base_memory;
  MemoryBucket cache;
  FaultBucket base;
};

/// One entry of a channel as a client learns of it.
struct Seen {
  std::uint64_t sequence;
  std::string id;
  std::string rev;
  bool is_removal;
  friend auto operator<=>(const Seen&, const Seen&) = default;
};

class StoreCopyTest : public DatabaseFixture {
 protected:
  static DatabaseConfig in_memory() {
    DatabaseConfig config = scripted();
    config.durability = Durability::memory;
    return config;
  }
  StoreCopyTest() : DatabaseFixture(in_memory()) { target_.emplace(env_); }
  ~StoreCopyTest() override { leave_target(); }

  // --- The source ---

  /// Some of everything that a database holds.
  void fill() {
    put_user("ann", {"news"}, {"staff"});
    put_user("bob");
    ASSERT_TRUE(put_role("staff", {"desk"}));
    put_ok("plain", R"({"channels":["news"]})");
    const auto moved = put_ok("moved", R"({"channels":["news","desk"]})");
    put_ok("moved", R"({"channels":["desk"]})", moved);
    const auto gone = put_ok("gone", R"({"channels":["news"]})");
    put_ok("gone", R"({"_deleted":true})", gone);
    put_ok("granting", R"({"channels":[],"grant":{"users":["bob"],"channels":["gift"]}})");
    put_ok("gift", R"({"channels":["gift"]})");
    put_ok("with", R"({"channels":["news"],"_attachments":{"f":{"data":"aGVsbG8="}}})");
    put_ok("expiring", R"({"channels":["news"],"_exp":4000000000})");
    const std::string large(400, 'x');
    write_replicated("torn", R"({"channels":["news"],"text":")" + large + "\"}", "1-a");
    write_replicated("torn", R"({"channels":["news"],"text":")" + large + "y\"}", "1-b");
    session_ = env_.run(db_->sessions().begin(user("ann"), seconds(86'400))).value().id;
    ASSERT_TRUE(put_local(R"({"session_id":"s1","at":7})"));
    expect_all_accounted_for();
  }
  void write_replicated(std::string_view id, std::string_view body, std::string_view revisions) {
    ASSERT_TRUE(write(replicated(id, body, revisions)));
  }
  Result<Revision> put_local(std::string_view body, std::string_view rev = {}) {
    ParsedDocument document = parse_document(body, {.is_local = true}).value();
    if (!rev.empty()) document.rev = parse_local_revision(rev).value();
    return env_.run(db_->local_documents().put(DocId("_local/x"), std::move(document)));
  }

  std::vector<Seen> seen(const ChannelId& channel) {
    std::vector<Seen> all;
    for (const ChannelEntry& entry : entries(channel, ReadMode::stable))
      all.push_back({entry.document->entry.sequence.value(), entry.document->entry.doc_id.text(),
                     entry.document->entry.rev_id.text(), entry.is_removal});
    std::sort(all.begin(), all.end());
    return all;
  }
  std::map<std::string, std::vector<Seen>> seen_by_channel() {
    std::map<std::string, std::vector<Seen>> all;
    for (const char* name : {"news", "desk", "gift", "*"})
      all[name] = seen(ChannelId::of_documents(name));
    for (const char* name : {"user:ann", "user:bob", "role:staff"})
      all[name] = seen(ChannelId::of_principal(name));
    return all;
  }
  void close_source() {
    stable_ = db_->highest();
    env_.run(db_->stop());
    db_.reset();
  }
  void open_source() { open(env_.run(catalog_.get("db")).value()); }

  // --- The copy ---

  Result<void> copy(std::set<Durability> durabilities = {Durability::memory}) {
    StoreCopy copy({env_, bucket_, target_->base, target_->cache}, std::move(durabilities));
    auto done = env_.run(copy.run());
    written_ = copy.progress().counts.written;
    return done;
  }
  Result<std::string> open_target_catalog() {
    DatabaseCatalog catalog(env_, target_->base, target_->cache);
    return env_.run(catalog.open());
  }

  /// From here on the fixture's functions speak of the database on the target.
  void serve_target() {
    ASSERT_TRUE(open_target_catalog());
    DatabaseCatalog catalog(env_, target_->base, target_->cache);
    auto entry = env_.run(catalog.get("db")).value();
    db_ = std::make_unique<Database>(
        Database::Dependencies{env_, target_->base, target_->cache, *this, Deployment::cluster},
        std::move(entry));
    ASSERT_TRUE(env_.run(db_->start()));
    ASSERT_TRUE(env_.run(db_->start_cache_writer()));
    settle();
  }
  void settle() {
    for (int i = 0; i < 600; ++i) env_.advance(milliseconds(5));
  }
  void leave_target() {
    if (db_) env_.run(db_->stop());
    db_.reset();
  }

  /// All values of the target's base bucket but the records that name positions, and the feed.
  std::map<std::string, std::string> content() {
    std::map<std::string, std::string> all;
    for (const KeyKind kind :
         {KeyKind::database, KeyKind::document, KeyKind::principal, KeyKind::local_document,
          KeyKind::attachment, KeyKind::revision_body, KeyKind::session, KeyKind::expiry}) {
      std::vector<std::string> tags{"names", "numbers", "server", "copy"};
      for (std::uint32_t i = 0; i < kBaseTags; ++i) tags.push_back(base_tag(i));
      for (const std::string& tag : tags)
        for (std::uint32_t database = 0; database <= 1; ++database) {
          const auto page = env_.run(
              target_->base_memory.scan({DatabaseId(database), kind, tag, {}, 1'000}, kNoDeadline));
          for (const auto& item : page.value().items)
            all[std::to_string(static_cast<int>(kind)) + tag + "/" + item.name] = item.bytes;
        }
    }
    const auto feed = target_->base_memory.open_feed(DatabaseId(1), {}).value();
    const auto entries = env_.run(feed->next(10'000, env_.now())).value();
    for (const FeedEntry& entry : entries) all["feed/" + entry.key.name] = entry.bytes;
    return all;
  }

  std::optional<Target> target_;
  std::string session_;
  Sequence stable_;
  std::uint64_t written_ = 0;
};

TEST_F(StoreCopyTest, EverythingArrivesAtItsOwnNumber) {
  fill();
  const auto before = seen_by_channel();
  ASSERT_EQ(before.at("desk").size(), 1u);
  close_source();
  const auto copied = copy();
  ASSERT_TRUE(copied) << copied.error().context;
  serve_target();
  EXPECT_EQ(seen_by_channel(), before);
  EXPECT_EQ(db_->config()->sync, kSync);
  EXPECT_TRUE(user("bob")->access.can_read_channel("gift"));
  EXPECT_TRUE(user("ann")->access.can_read_channel("desk"));
  EXPECT_THAT(get("with").value().json, HasSubstr("\"f\""));
  EXPECT_TRUE(get("torn", "1-a"));
  EXPECT_TRUE(get("torn", "1-b"));
  EXPECT_TRUE(env_.run(db_->sessions().resume(session_)));
  // A number of after is above all of before.
  put_ok("later", R"({"channels":["news"]})");
  EXPECT_GT(db_->highest(), stable_);
}

// Nothing was lost: no token is set back, no checkpoint reported absent.
TEST_F(StoreCopyTest, TokensAndCheckpointsStayGood) {
  fill();
  close_source();
  ASSERT_TRUE(copy());
  serve_target();
  const PassStart pass = env_.run(db_->cache_reader().start_pass()).value();
  EXPECT_GE(pass.record->stable, stable_);
  for (const Sequence since : {Sequence(2), stable_.previous(), stable_}) {
    EXPECT_EQ(pass.record->epochs.resume(since), since);
    const SequenceId token{Sequence(), Sequence(), since};
    EXPECT_EQ(pass.record->epochs.dated(token), token);
  }
  const auto checkpoint = env_.run(db_->local_documents().get(DocId("_local/x")));
  ASSERT_TRUE(checkpoint);
  EXPECT_THAT(checkpoint->json, HasSubstr(R"("at":7)"));
}

// Every call to the target fails once, before or after it was carried out; then it is run again.
TEST_F(StoreCopyTest, InterruptedAnywhereAndRunAgainTheResultIsTheSame) {
  fill();
  const auto before = seen_by_channel();
  close_source();
  ASSERT_TRUE(copy());
  const auto whole = content();
  ASSERT_GT(whole.size(), 20u);
  std::size_t interruptions = 0;
  for (const auto moment : {FaultBucket::Moment::before, FaultBucket::Moment::after}) {
    for (std::size_t skip = 0;; ++skip) {
      target_.emplace(env_);
      target_->base.fail_calls(Errc::no_space, skip, 1, moment);
      const bool is_done = copy().has_value();
      target_->base.clear();
      if (is_done && target_->base.struck() == 0) break;
      ++interruptions;
      const auto again = copy();
      const bool was_finished = !again && again.error().code == Errc::exists;
      ASSERT_TRUE(again || was_finished) << skip << ": " << again.error().context;
      ASSERT_EQ(content(), whole) << skip;
    }
  }
  EXPECT_GT(interruptions, 500u);
  serve_target();
  EXPECT_EQ(seen_by_channel(), before);
}

TEST_F(StoreCopyTest, ItGoesOnThroughFaultsThatPass) {
  fill();
  close_source();
  target_->base.fail_calls(Errc::unavailable, 40, 5);
  ASSERT_TRUE(copy());
  EXPECT_EQ(target_->base.struck(), 5u);
  const auto whole = content();
  target_.emplace(env_);
  target_->base.fail_calls(Errc::timeout_unknown_outcome, 40, 5, FaultBucket::Moment::after);
  ASSERT_TRUE(copy());
  EXPECT_EQ(content(), whole);
}

TEST_F(StoreCopyTest, AnUnfinishedCopyIsNotServedAndTakesWhatTheSourceDidMeanwhile) {
  fill();
  close_source();
  target_->base.inject({.matches = writes_of_kind(KeyKind::progress), .code = Errc::no_space});
  target_->base.inject({.matches = writes_of_kind(KeyKind::stable_copy), .code = Errc::no_space});
  ASSERT_FALSE(copy());
  target_->base.clear();
  EXPECT_THAT(open_target_catalog().error().context, HasSubstr("headgate copy"));
  open_source();
  const auto plain = get("plain").value();
  put_ok("plain", R"({"channels":["desk"]})", to_string(plain.rev));
  put_ok("new", R"({"channels":["news"]})");
  ASSERT_TRUE(env_.run(db_->sessions().remove(session_)));
  ASSERT_TRUE(env_.run(db_->purger().purge(DocId("gift"))));
  settle();
  const auto before = seen_by_channel();
  close_source();
  const auto copied = copy();
  ASSERT_TRUE(copied) << copied.error().context;
  EXPECT_LT(written_, 10u);
  serve_target();
  EXPECT_EQ(seen_by_channel(), before);
  EXPECT_FALSE(env_.run(db_->sessions().resume(session_)));
  EXPECT_EQ(get("gift").error().code, Errc::not_found);
}

// Killed with numbers drawn and nothing said of them: the source is brought to rest first.
TEST_F(StoreCopyTest, ASourceThatWasKilledComesToRestFirst) {
  fill();
  bucket_.inject({.matches = of_kind(KeyKind::sequence_document), .times = 1'000});
  EXPECT_TRUE(put("unfinished", R"({"channels":["news"]})"));
  db_.reset();
  bucket_.clear();
  const auto copied = copy();
  ASSERT_TRUE(copied) << copied.error().context;
  serve_target();
  const auto shown = names("news", ReadMode::stable);
  EXPECT_EQ(std::count(shown.begin(), shown.end(), "unfinished"), 1);
}

Task<void> change_when_comparing(Environment& environment, const StoreCopy& copy, Bucket& bucket,
                                 Key key) {
  while (copy.progress().step != StoreCopy::Step::comparing) co_await environment.yield();
  const Reply found = co_await bucket.get(key, kNoDeadline);
  EXPECT_TRUE((co_await bucket.replace(key, "changed", found.cas, {}, kNoDeadline)).ok());
}

TEST_F(StoreCopyTest, ADifferenceIsFoundByComparing) {
  fill();
  close_source();
  MemoryBucket other(env_, target_->base_store);
  StoreCopy copy({env_, bucket_, target_->base, target_->cache}, {Durability::memory});
  TaskScope scope(env_);
  scope.spawn(
      change_when_comparing(env_, copy, other, document_key(DatabaseId(1), DocId("plain"))));
  const auto done = env_.run(copy.run());
  env_.run(scope.join());
  EXPECT_EQ(done.error().code, Errc::conflict);
  EXPECT_THAT(done.error().context, HasSubstr("document \"plain\": differs"));
  EXPECT_FALSE(open_target_catalog());
}

TEST_F(StoreCopyTest, ATargetInUseIsRefused) {
  fill();
  close_source();
  DatabaseCatalog catalog(env_, target_->base, target_->cache);
  ASSERT_TRUE(env_.run(catalog.open()));
  ASSERT_TRUE(env_.run(catalog.create("other", {})));
  const auto refused = copy();
  EXPECT_EQ(refused.error().code, Errc::exists);
  EXPECT_THAT(refused.error().context, HasSubstr("other"));

  target_.emplace(env_);
  ASSERT_TRUE(copy());
  EXPECT_THAT(copy().error().context, HasSubstr("finished copy of this store"));
}

Task<void> beat_on(Environment& environment, NodeRegistry& registry, const bool& is_over) {
  while (!is_over) {
    static_cast<void>(co_await registry.beat());
    co_await environment.sleep_for(NodeRegistry::kBeat);
  }
}

TEST_F(StoreCopyTest, ATargetWithNodesIsRefused) {
  close_source();
  NodeRecord own;
  own.name = "node1";
  NodeRegistry registry(env_, target_->base, own);
  bool is_over = false;
  TaskScope scope(env_);
  scope.spawn(beat_on(env_, registry, is_over));
  env_.run_ready();
  EXPECT_THAT(copy().error().context, HasSubstr("in use by node node1"));
  is_over = true;
  env_.run(scope.join());
  EXPECT_TRUE(copy());  // its record is left
}

TEST_F(StoreCopyTest, APromiseThatTheTargetCannotKeepIsRefused) {
  close_source();
  DatabaseConfig config = in_memory();
  config.durability = Durability::disk;
  ASSERT_TRUE(env_.run(catalog_.update("db", config)));
  const auto refused = copy({Durability::memory});
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_THAT(refused.error().context, HasSubstr("database db promises durability \"disk\""));
  EXPECT_THAT(content(), IsEmpty());
  ASSERT_TRUE(copy({Durability::memory, Durability::replicated}));
  DatabaseCatalog catalog(env_, target_->base, target_->cache);
  EXPECT_EQ(env_.run(catalog.get("db"))->config.durability, Durability::replicated);
}

// Its tokens of before are void, and most of its numbers are one dead range: neither is copied.
TEST_F(StoreCopyTest, ARestoredStoreIsRefused) {
  fill();
  close_source();
  ASSERT_TRUE(env_.run(begin_restored_numbers(bucket_, bucket_, DatabaseId(1), kNoDeadline)));
  const auto refused = copy();
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  EXPECT_THAT(refused.error().context, HasSubstr("restored from a backup"));
  EXPECT_THAT(content(), IsEmpty());
}

TEST_F(StoreCopyTest, WhatTheCacheBucketHasOfAnEarlierLifeIsNotTakenForItsOwn) {
  fill();
  const auto before = seen_by_channel();
  close_source();
  ASSERT_TRUE(copy());
  serve_target();
  put_ok("lost", R"({"channels":["news"]})");
  leave_target();
  target_->base_store.flush();
  ASSERT_TRUE(copy());
  serve_target();
  EXPECT_EQ(seen_by_channel(), before);
}

}  // namespace
}  // namespace headgate
