// SPDX-License-Identifier: Apache-2.0
#include "database/document_purger.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/task_scope.hpp"
#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DocumentPurgerTest : public DatabaseFixture {
 protected:
  /// Purges "a".
  Task<void> purge_into(std::optional<Result<Sequence>>& purged) {
    purged = co_await db_->purger().purge(DocId("a"));
  }
  Result<Sequence> purge(std::string_view id) {
    return env_.run(db_->purger().purge(DocId(std::string(id))));
  }
  void purge_ok(std::string_view id) {
    const auto purged = purge(id);
    ASSERT_TRUE(purged) << id << ": " << purged.error().context;
    EXPECT_TRUE(env_.run(db_->purger().wait_until_gone(*purged)));
  }
  bool is_stored(std::string_view id) {
    const Key key = document_key(db_->id(), DocId(std::string(id)));
    return env_.run(bucket_.get(key, kNoDeadline)).ok();
  }
  SequenceDocument document_at(Sequence sequence) {
    const Key key = db_->cache_space().sequence_key(sequence);
    return SequenceDocument::decode(sequence, env_.run(bucket_.get(key, kNoDeadline)).bytes)
        .value();
  }
  /// What a reader shows that shares nothing but the buckets with this node.
  static std::vector<std::string> shown(CacheReader& reader, ManualEnvironment& env,
                                        std::string_view channel) {
    const PassStart pass = env.run(reader.start_pass()).value();
    std::vector<ChannelQuery> queries{{ChannelId::of_documents(channel), Sequence()}};
    const auto pages = env.run(reader.read(pass, ReadMode::stable, std::move(queries), 1'000));
    std::vector<std::string> names;
    for (const ChannelEntry& entry : pages.value().front().entries)
      names.push_back(entry.document->entry.doc_id.text());
    return names;
  }
};

// sync_gateway#3765, PR 3770.
TEST_F(DocumentPurgerTest, APurgedDocumentIsGoneFromEveryChannelWithItsHistory) {
  const std::string first = put_ok("a", R"({"channels":["news","old"]})");
  put_ok("a", R"({"channels":["news"]})", first);
  put_ok("b", R"({"channels":["news"]})");
  EXPECT_THAT(names("news"), ElementsAre("a", "b"));
  EXPECT_THAT(names("old"), ElementsAre("-a"));
  purge_ok("a");
  EXPECT_EQ(get("a").error().code, Errc::not_found);
  EXPECT_EQ(get("a", first).error().code, Errc::not_found);
  for (const ReadMode mode : {ReadMode::available, ReadMode::stable}) {
    EXPECT_THAT(names("news", mode), ElementsAre("b"));
    EXPECT_THAT(names("old", mode), IsEmpty());
    EXPECT_THAT(names("*", mode), ElementsAre("b"));
  }
  EXPECT_FALSE(is_stored("a"));
  for (const std::uint64_t n : {2u, 3u, 5u}) EXPECT_TRUE(document_at(Sequence(n)).is_dead) << n;
  EXPECT_FALSE(document_at(Sequence(4)).is_dead);
  expect_all_accounted_for();
  EXPECT_EQ(env_.run(db_->count_documents()).value(), 1u);
  reopen();
  EXPECT_THAT(names("*"), ElementsAre("b"));
}

// Pages of one entry: nothing newer of the document on a page hides an older entry.
TEST_F(DocumentPurgerTest, AReaderElsewhereForgetsWhatItRemembers) {
  put_ok("a", R"({"channels":["news"]})", {});
  put_ok("b", R"({"channels":["news"]})");
  expect_all_accounted_for();
  SequenceAllocator allocator(env_, bucket_, bucket_, db_->id());
  const CacheSpace space = db_->cache_space();
  CacheReader elsewhere(space, allocator);
  EXPECT_THAT(shown(elsewhere, env_, "news"), ElementsAre("a", "b"));
  purge_ok("a");
  EXPECT_THAT(shown(elsewhere, env_, "news"), ElementsAre("b"));
}

// The one that killed the documents ended before it could publish that.
TEST_F(DocumentPurgerTest, AReaderElsewhereForgetsWhatAnEarlierCacheWriterKilled) {
  put_ok("a", R"({"channels":["news"]})");
  expect_all_accounted_for();
  SequenceAllocator allocator(env_, bucket_, bucket_, db_->id());
  const CacheSpace space = db_->cache_space();
  CacheReader elsewhere(space, allocator);
  EXPECT_THAT(shown(elsewhere, env_, "news"), ElementsAre("a"));
  bucket_.inject({.matches = writes_of_kind(KeyKind::stable_copy), .times = 100'000});
  ASSERT_TRUE(purge("a"));
  env_.run(env_.sleep_for(std::chrono::milliseconds(100)));
  EXPECT_TRUE(document_at(Sequence(2)).is_dead);
  EXPECT_THAT(shown(elsewhere, env_, "news"), ElementsAre("a")) << "else this tests nothing";
  db_.reset();
  bucket_.clear();
  open(env_.run(catalog_.get("db")).value());
  EXPECT_THAT(shown(elsewhere, env_, "news"), IsEmpty());
}

TEST_F(DocumentPurgerTest, AttachmentsAndBodiesGo) {
  const std::string with =
      R"({"text":")" + std::string(1'000, 'x') + R"(","_attachments":{"f":{"data":"aGVsbG8="}}})";
  ASSERT_TRUE(write(replicated("a", with, "2-a,1-a")));
  ASSERT_TRUE(write(replicated("a", "{}", "2-b,1-a")));
  const auto count = [&](KeyKind kind) {
    return env_.run(bucket_.scan({db_->id(), kind, base_tag_of("a")}, kNoDeadline))
        .value()
        .items.size();
  };
  EXPECT_EQ(count(KeyKind::attachment), 1u);
  EXPECT_EQ(count(KeyKind::revision_body), 1u);
  purge_ok("a");
  EXPECT_EQ(count(KeyKind::attachment), 0u);
  EXPECT_EQ(count(KeyKind::revision_body), 0u);
}

TEST_F(DocumentPurgerTest, ADocumentWrittenAgainBeginsANewTreeAtAHigherSequence) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  const std::string second = put_ok("a", R"({"channels":["news"],"n":2})", first);
  purge_ok("a");
  EXPECT_EQ(put("a", "{}", second).error().code, Errc::conflict);
  const auto again = put("a", R"({"channels":["sport"]})");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->rev.generation, 1u);
  EXPECT_TRUE(again->is_created);
  EXPECT_GT(again->sequence, Sequence(4));
  EXPECT_EQ(get("a", second).error().code, Errc::not_found);
  EXPECT_THAT(names("news"), IsEmpty());
  EXPECT_THAT(names("sport"), ElementsAre("a"));
}

// The feed shows only the new document's entry: it has to carry the purge on.
TEST_F(DocumentPurgerTest, ADocumentWrittenAgainAtOnceKeepsNothingOfThePurgedOne) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  put_ok("a", R"({"channels":["old"]})", first);
  expect_all_accounted_for();
  env_.run(db_->stop_cache_writer());
  ASSERT_TRUE(purge("a"));
  EXPECT_EQ(get("a").error().code, Errc::not_found);
  const auto again = put("a", R"({"channels":["sport"]})");
  ASSERT_TRUE(again);
  const std::string rev = to_string(again->rev);
  put_ok("a", R"({"channels":["sport"],"n":2})", rev);
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
  expect_all_accounted_for();
  EXPECT_THAT(names("news"), IsEmpty());
  EXPECT_THAT(names("old"), IsEmpty());
  EXPECT_THAT(names("sport"), ElementsAre("a"));
  EXPECT_TRUE(is_stored("a"));
  put_ok("a", R"({"n":3})", to_string(envelope("a").tree.winner().value()));
  EXPECT_FALSE(envelope("a").purged_to.has_value()) << "the cache has been seen to";
}

// A4: the purge's number was buried, and stable has passed it, before its base write came.
TEST_F(DocumentPurgerTest, ALatePurgeIsCarriedOnByADocumentWrittenAgain) {
  put_ok("a", R"({"channels":["news"]})");
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  TaskScope scope(env_);
  std::optional<Result<Sequence>> purged;
  scope.spawn(purge_into(purged));
  env_.run_ready();
  ASSERT_EQ(bucket_.held(), 1u);
  env_.run(env_.sleep_for(std::chrono::seconds(3)));
  ASSERT_EQ(db_->stable(), db_->highest());
  put_ok("b", "{}");
  env_.run(env_.sleep_for(std::chrono::milliseconds(100)));
  env_.run(db_->stop_cache_writer());
  bucket_.release();
  env_.run(scope.join());
  ASSERT_TRUE(*purged);
  ASSERT_LT(**purged, db_->stable());
  put_ok("a", R"({"channels":["sport"]})");
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
  EXPECT_EQ(db_->stable(), db_->highest());
  EXPECT_THAT(names("news"), IsEmpty());
  EXPECT_THAT(names("sport"), ElementsAre("a"));
}

TEST_F(DocumentPurgerTest, WhatIsNotThereIsNotPurged) {
  EXPECT_EQ(purge("a").error().code, Errc::not_found);
  put_ok("a", "{}");
  env_.run(db_->stop_cache_writer());
  ASSERT_TRUE(purge("a"));
  EXPECT_EQ(purge("a").error().code, Errc::not_found) << "the purged envelope is no document";
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
}

TEST_F(DocumentPurgerTest, AWriteThatComesBetweenIsNotLost) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  std::optional<Result<Sequence>> purged;
  TaskScope scope(env_);
  scope.spawn(purge_into(purged));
  env_.run_ready();
  ASSERT_EQ(bucket_.held(), 1u);
  put_ok("a", R"({"channels":["news"],"n":2})", first);
  bucket_.release();
  env_.run(scope.join());
  EXPECT_EQ(purged->error().code, Errc::conflict);
  EXPECT_TRUE(get("a"));
  EXPECT_THAT(names("news"), ElementsAre("a"));
  expect_all_accounted_for();
}

// A failover takes the purge between its base write and the removal of the attachment.
TEST_F(DocumentPurgerTest, ALostPurgeTakesNoAttachment) {
  put_ok("a", R"({"_attachments":{"f":{"data":"aGVsbG8="}}})");
  const std::size_t before = store_.operation_count(PartitionNumber(0));
  bucket_.inject({.matches =
                      [](const Operation& operation) {
                        return std::holds_alternative<operation::Remove>(operation) &&
                               key_of(operation).kind == KeyKind::attachment;
                      },
                  .effect = FaultBucket::Effect::hold});
  TaskScope scope(env_);
  std::optional<Result<Sequence>> purged;
  scope.spawn(purge_into(purged));
  env_.run_ready();
  ASSERT_EQ(bucket_.held(), 1u);
  store_.fail_over(PartitionNumber(0), before);
  bucket_.release();
  env_.run(scope.join());
  const auto bytes = env_.run(db_->documents().get_attachment(admin(), DocId("a"), {}, "f"));
  EXPECT_TRUE(bytes) << bytes.error().context;
}

// The purge saw the attachment's bytes before the new document came to rely on them.
TEST_F(DocumentPurgerTest, ANewDocumentKeepsTheAttachmentThatItShares) {
  const std::string with = R"({"_attachments":{"f":{"data":"aGVsbG8="}}})";
  put_ok("a", with);
  bucket_.inject({.matches =
                      [](const Operation& operation) {
                        return std::holds_alternative<operation::Remove>(operation) &&
                               key_of(operation).kind == KeyKind::attachment;
                      },
                  .effect = FaultBucket::Effect::hold});
  TaskScope scope(env_);
  std::optional<Result<Sequence>> purged;
  scope.spawn(purge_into(purged));
  env_.run_ready();
  ASSERT_EQ(bucket_.held(), 1u);
  put_ok("a", with);
  bucket_.release();
  env_.run(scope.join());
  ASSERT_TRUE(*purged);
  const auto bytes = env_.run(db_->documents().get_attachment(admin(), DocId("a"), {}, "f"));
  ASSERT_TRUE(bytes) << bytes.error().context;
  EXPECT_EQ(bytes->bytes, "hello");
}

TEST_F(DocumentPurgerTest, ItsGrantsAreTakenBackWhenItIsAcknowledged) {
  put_user("ann");
  ASSERT_TRUE(put_role("staff", {"desk"}));
  put_ok("g", R"({"grant":{"users":"ann","channels":"red"},
                  "roles":{"users":"ann","roles":"role:staff"}})");
  EXPECT_TRUE(user("ann")->access.can_read_channel("red"));
  EXPECT_TRUE(user("ann")->access.can_read_channel("desk"));
  env_.run(db_->stop_cache_writer());
  ASSERT_TRUE(purge("g"));
  EXPECT_FALSE(user("ann")->access.can_read_channel("red"));
  EXPECT_FALSE(user("ann")->access.can_read_channel("desk"));
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
  expect_all_accounted_for();
  EXPECT_FALSE(user("ann")->access.can_read_channel("red"));
  EXPECT_EQ(user("ann")->access_history.count("red"), 1u) << "revocations tell of it";
  EXPECT_THAT(names("*"), IsEmpty());
  EXPECT_EQ(env_.run(db_->count_documents()).value(), 0u);
  EXPECT_TRUE(is_stored("g")) << "it says until when";
  reopen();
  EXPECT_FALSE(user("ann")->access.can_read_channel("red"));
  EXPECT_EQ(user("ann")->access_history.count("red"), 1u);
  EXPECT_EQ(purge("g").error().code, Errc::not_found);
  put_ok("g", R"({"channels":["x"]})");
  expect_all_accounted_for();
  EXPECT_EQ(db_->cache_writer_statistics().resequences, 0u);
  EXPECT_EQ(user("ann")->access_history.count("red"), 1u);
  EXPECT_THAT(names("x"), ElementsAre("g"));
  EXPECT_FALSE(user("ann")->access.can_read_channel("red"));
}

// A front end stopped between its base write and its cache work, and goes on after the purge.
TEST_F(DocumentPurgerTest, ALateFrontEndBringsNothingBack) {
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::sequence_document), .effect = FaultBucket::Effect::hold});
  TaskScope scope(env_);
  const auto run = [](DocumentWriter& writer, WriteItem item) -> Task<void> {
    (void)co_await writer.write_one(Principal::admin(), std::move(item));
  };
  env_.run(db_->stop_cache_writer());
  scope.spawn(run(db_->writer(), item("a", R"({"channels":["news"]})")));
  env_.run_ready();
  ASSERT_EQ(bucket_.held(), 1u);
  ASSERT_TRUE(purge("a"));
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
  expect_all_accounted_for();
  bucket_.release();
  env_.run(scope.join());
  EXPECT_THAT(names("news"), IsEmpty());
  EXPECT_THAT(names("*"), IsEmpty());
  EXPECT_FALSE(is_stored("a"));
}

// The process ends after n calls of the store, at whatever it and its cache writer are about.
TEST_F(DocumentPurgerTest, AnEndAtAnyStepLeavesTheDocumentWholeOrNotAtAll) {
  constexpr std::size_t kMoreThanThereAre = 80;
  put_user("ann");
  for (std::size_t calls = 0; calls <= kMoreThanThereAre; ++calls) {
    SCOPED_TRACE(calls);
    const std::string id = "a" + std::to_string(calls);
    const std::string channel = "c" + std::to_string(calls);
    const std::string first = put_ok(id, R"({"channels":["news"]})");
    put_ok(id,
           R"({"channels":[")" + channel + R"("],"grant":{"users":"ann","channels":")" + channel +
               "\"}}",
           first);
    bucket_.fail_calls(Errc::unavailable, calls, 1'000'000);
    const auto purged = purge(id);
    env_.run(env_.sleep_for(std::chrono::milliseconds(20)));
    db_.reset();
    bucket_.clear();
    open(env_.run(catalog_.get("db")).value());
    const TimePoint limit = env_.now() + std::chrono::seconds(5);
    while (db_->stable() < db_->highest() && env_.now() < limit)
      env_.run(env_.sleep_for(std::chrono::milliseconds(5)));
    ASSERT_EQ(db_->stable(), db_->highest());
    const bool is_there = get(id).has_value();
    EXPECT_EQ(names(channel).size(), is_there ? 1u : 0u);
    EXPECT_EQ(user("ann")->access.can_read_channel(channel), is_there);
    const std::vector<std::string> news = names("news");
    EXPECT_EQ(std::ranges::count(news, "-" + id), is_there ? 1 : 0);
    EXPECT_FALSE(is_there && purged) << "acknowledged, and lost";
    if (calls == 0) EXPECT_TRUE(is_there);
    if (calls == kMoreThanThereAre) EXPECT_TRUE(purged);
    if (is_there) purge_ok(id);
  }
}

class WithoutStarTest : public DocumentPurgerTest {
 protected:
  void SetUp() override {
    DatabaseConfig config = scripted();
    config.star_channel = false;
    auto entry = env_.run(catalog_.create("bare", std::move(config)));
    ASSERT_TRUE(entry);
    env_.run(db_->stop());
    open(*std::move(entry));
  }
};

TEST_F(WithoutStarTest, ThePurgedOneIsInNoListOfAllDocuments) {
  put_user("ann");
  put_ok("g", R"({"grant":{"users":"ann","channels":"red"}})");
  put_ok("a", "{}");
  env_.run(db_->stop_cache_writer());
  ASSERT_TRUE(purge("g"));
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
  expect_all_accounted_for();
  EXPECT_THAT(names("*"), ElementsAre("a"));
}

}  // namespace
}  // namespace headgate
