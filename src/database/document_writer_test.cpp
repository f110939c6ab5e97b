// SPDX-License-Identifier: Apache-2.0
#include "database/document_writer.hpp"

#include <gmock/gmock.h>

#include "base/task_scope.hpp"
#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DocumentWriterTest : public DatabaseFixture {
 protected:
  std::vector<Result<WriteAnswer>> bulk(std::vector<WriteItem> items) {
    return env_.run(db_->writer().write(admin(), std::move(items)));
  }
};

TEST_F(DocumentWriterTest, AFirstWriteHasGenerationOne) {
  const auto answer = put("a", R"({"x":1})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->rev.generation, 1u);
  EXPECT_EQ(answer->sequence, Sequence(2));
  EXPECT_TRUE(answer->is_created);
  EXPECT_THAT(get("a")->json, HasSubstr(R"("x":1)"));
}

TEST_F(DocumentWriterTest, AnEditNamesTheLeafItReplaces) {
  const std::string first = put_ok("a", R"({"x":1})");
  EXPECT_EQ(put("a", R"({"x":2})").error().code, Errc::conflict);
  const auto second = put("a", R"({"x":2})", first);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->rev.generation, 2u);
  EXPECT_FALSE(second->is_created);
  EXPECT_EQ(put("a", R"({"x":3})", first).error().code, Errc::conflict);
  EXPECT_EQ(put("a", R"({"x":3})", "1-0").error().code, Errc::conflict);
  EXPECT_EQ(put("absent", R"({"x":3})", first).error().code, Errc::conflict);
}

// A client that lost the answer writes again: the same edit of the same parent is no conflict.
TEST_F(DocumentWriterTest, TheSameEditAgainIsSuccessAndTakesNoSequence) {
  const std::string first = put_ok("a", R"({"x":1})");
  const std::string second = put_ok("a", R"({"x":2})", first);
  const auto again = put("a", R"({"x":2})", first);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_string(again->rev), second);
  EXPECT_EQ(again->sequence, Sequence());
  EXPECT_EQ(db_->highest(), Sequence(3));
}

TEST_F(DocumentWriterTest, ADeletedDocumentIsMadeAgainAsAChildOfItsTombstone) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  const auto deleted = put("a", R"({"_deleted":true})", first);
  ASSERT_TRUE(deleted);
  EXPECT_EQ(get("a").error().context, "deleted");
  const auto again = put("a", R"({"channels":["news"]})");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->rev.generation, 3u);
  EXPECT_TRUE(again->is_created);
  EXPECT_THAT(names("news"), ElementsAre("a"));
}

TEST_F(DocumentWriterTest, AChannelThatIsLeftGetsARemoval) {
  const std::string first = put_ok("a", R"({"channels":["news","sport"]})");
  put_ok("a", R"({"channels":["sport"]})", first);
  EXPECT_THAT(names("news"), ElementsAre("-a"));
  EXPECT_THAT(names("sport"), ElementsAre("a"));
  EXPECT_THAT(names("*"), ElementsAre("a"));
  const auto removal = entries(ChannelId::of_documents("news")).front();
  EXPECT_EQ(removal.sequence, Sequence(3));
  EXPECT_EQ(envelope("a").channels.at("news").removal->sequence, Sequence(3));
  expect_all_accounted_for();
}

TEST_F(DocumentWriterTest, ATombstoneIsARemovalFromItsChannels) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  put_ok("a", R"({"_deleted":true})", first);
  const auto entry = entries(ChannelId::of_documents("news")).front();
  EXPECT_TRUE(entry.is_removal);
  EXPECT_TRUE(entry.document->entry.is_deleted());
}

TEST_F(DocumentWriterTest, AReplicatedRevisionThatIsThereTakesNoSequence) {
  ASSERT_TRUE(write(replicated("a", R"({"channels":["news"]})", "2-b,1-a")));
  const Sequence highest = db_->highest();
  counting_.reset();
  const auto again = write(replicated("a", R"({"channels":["news"]})", "2-b,1-a"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sequence, Sequence());
  EXPECT_EQ(db_->highest(), highest);
  EXPECT_EQ(counting_.count<operation::Append>(), 0u);
  EXPECT_EQ(counting_.count<operation::Replace>(KeyKind::document), 0u);
}

TEST_F(DocumentWriterTest, ALosingLeafTakesASequenceAndShowsBesideTheWinner) {
  ASSERT_TRUE(write(replicated("a", R"({"channels":["news"]})", "2-b,1-a")));
  const auto loser = write(replicated("a", R"({"channels":["sport"]})", "2-a,1-a"));
  ASSERT_TRUE(loser);
  EXPECT_EQ(loser->sequence, Sequence(3));
  const auto found = entries(ChannelId::of_documents("news"));
  ASSERT_EQ(found.size(), 1u);
  const CacheEntry& entry = found.front().document->entry;
  EXPECT_EQ(entry.sequence, Sequence(3));
  EXPECT_EQ(entry.rev_id, RevId("2-b"));
  EXPECT_THAT(entry.other_leaves, ElementsAre(RevId("2-a")));
  EXPECT_TRUE(entry.flags & CacheEntry::kConflict);
  EXPECT_THAT(names("sport"), IsEmpty());
  EXPECT_THAT(get("a", {}, admin(), {.conflicts = true})->json,
              HasSubstr(R"("_conflicts":["2-a"])"));
}

TEST_F(DocumentWriterTest, AWinnerThatIsOvertakenKeepsItsChannelsAsALeaf) {
  ASSERT_TRUE(write(replicated("a", R"({"channels":["news"]})", "2-a,1-a")));
  ASSERT_TRUE(write(replicated("a", R"({"channels":["sport"]})", "2-b,1-a")));
  EXPECT_THAT(names("news"), ElementsAre("-a"));
  EXPECT_THAT(names("sport"), ElementsAre("a"));
  EXPECT_THAT(envelope("a").channels_of(*parse_revision("2-a")), ElementsAre("news"));
}

// Semantics 1.6: the sync function is run for the leaf that a delete promotes.
TEST_F(DocumentWriterTest, DeletingTheWinnerPromotesAnotherLeaf) {
  const std::string long_text(1'000, 'x');
  ASSERT_TRUE(write(replicated("a",
                               R"({"channels":["sport"],"text":")" + long_text +
                                   R"(","grant":{"users":"ann","channels":"sport"}})",
                               "2-a,1-a")));
  ASSERT_TRUE(write(replicated("a", R"({"channels":["news"]})", "2-b,1-a")));
  EXPECT_TRUE(envelope("a").content_of(*parse_revision("2-a"))->is_external);
  EXPECT_TRUE(envelope("a").access.empty());
  ASSERT_TRUE(put("a", R"({"_deleted":true})", "2-b"));
  EXPECT_THAT(names("news"), ElementsAre("-a"));
  EXPECT_THAT(names("sport"), ElementsAre("a"));
  EXPECT_EQ(envelope("a").access.at("user:ann").at("sport"), Sequence(4));
  EXPECT_FALSE(envelope("a").winner_content()->is_external);
  EXPECT_THAT(get("a")->json, HasSubstr(long_text));
  EXPECT_EQ(counting_.count<operation::Remove>(KeyKind::revision_body), 1u);
}

TEST_F(DocumentWriterTest, ALosingLeafsLongBodyIsReadByItsRevision) {
  const std::string long_text(1'000, 'x');
  ASSERT_TRUE(write(replicated("a", R"({"n":1})", "3-c")));
  ASSERT_TRUE(write(replicated("a", R"({"text":")" + long_text + "\"}", "2-b")));
  EXPECT_THAT(get("a", "2-b")->json, HasSubstr(long_text));
}

TEST_F(DocumentWriterTest, ConflictsCanBeRefused) {
  DatabaseConfig config = *db_->config();
  config.allow_conflicts = false;
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  ASSERT_TRUE(write(replicated("a", R"({"n":1})", "2-b,1-a")));
  EXPECT_EQ(write(replicated("a", R"({"n":2})", "2-c,1-a")).error().code, Errc::conflict);
  EXPECT_EQ(write(replicated("a", R"({"n":2})", "1-z")).error().code, Errc::conflict);
  ASSERT_TRUE(write(replicated("a", R"({"_deleted":true})", "3-c,2-b")));
  EXPECT_TRUE(write(replicated("a", R"({"n":3})", "1-z")));  // back from a fresh root
  EXPECT_EQ(db_->highest(), Sequence(4));
}

TEST_F(DocumentWriterTest, ItemsOfOneDocumentTakeEffectInOrder) {
  std::vector<WriteItem> items;
  items.push_back(item("a", R"({"n":1})"));
  items.push_back(item("b", R"({"n":1})"));
  items.push_back(replicated("a", R"({"n":3,"channels":"news"})", "3-c,2-b"));
  items.push_back(replicated("a", R"({"n":4,"channels":"news"})", "4-d,3-c"));
  items.push_back(item("b", R"({"n":2})"));
  const auto answers = bulk(std::move(items));
  ASSERT_EQ(answers.size(), 5u);
  EXPECT_TRUE(answers[0]);
  EXPECT_TRUE(answers[2]);
  EXPECT_EQ(to_string(answers[3]->rev), "4-d");
  EXPECT_LT(answers[2]->sequence, answers[3]->sequence);
  EXPECT_EQ(answers[4].error().code, Errc::conflict);
  EXPECT_EQ(get("a")->rev, *parse_revision("4-d"));
  expect_all_accounted_for();
}

TEST_F(DocumentWriterTest, ALargeBulkIsStoredWhole) {
  std::vector<WriteItem> items;
  for (int i = 0; i < 1'300; ++i)
    items.push_back(item("d" + std::to_string(i), R"({"channels":["news"]})"));
  for (const auto& answer : bulk(std::move(items))) EXPECT_TRUE(answer);
  EXPECT_EQ(names("news").size(), 1'300u);
  expect_all_accounted_for();
}

TEST_F(DocumentWriterTest, ARejectedWriteLeavesNothing) {
  counting_.reset();
  const auto rejected = put("a", R"({"reject":"not today"})");
  EXPECT_EQ(rejected.error().code, Errc::forbidden);
  EXPECT_EQ(rejected.error().context, "not today");
  EXPECT_EQ(db_->highest(), Sequence(1));
  EXPECT_EQ(counting_.count<operation::Insert>(), 0u);
  EXPECT_EQ(get("a").error().code, Errc::not_found);
  EXPECT_EQ(db_->writer().statistics().rejected, 1u);
}

TEST_F(DocumentWriterTest, OneRejectedItemStopsNoOther) {
  std::vector<WriteItem> items;
  items.push_back(item("a", "{}"));
  items.push_back(item("b", R"({"reject":"no"})"));
  items.push_back(item("c", "{}"));
  const auto answers = bulk(std::move(items));
  EXPECT_TRUE(answers[0]);
  EXPECT_EQ(answers[1].error().code, Errc::forbidden);
  EXPECT_TRUE(answers[2]);
  EXPECT_EQ(db_->highest(), Sequence(3));
}

TEST_F(DocumentWriterTest, TheSyncFunctionSeesTheWriterAndTheOldDocument) {
  put_user("ann");
  put_user("bob");
  ASSERT_TRUE(write(item("a", R"({"only_user":"ann","owner":"ann"})"), user("ann")));
  EXPECT_EQ(write(item("b", R"({"only_user":"ann"})"), user("bob")).error().code, Errc::forbidden);
  const std::string rev = to_string(get("a")->rev);
  EXPECT_EQ(write(item("a", "{}", rev), user("bob")).error().code, Errc::forbidden);
  EXPECT_TRUE(write(item("a", "{}", rev), user("ann")));
}

// A conflicting branch from an ancestor whose body is gone is judged against the winner, so that a
// history made up by the client is no way round the old document.
TEST_F(DocumentWriterTest, ABranchFromAnOldAncestorIsJudgedAgainstTheWinner) {
  put_user("bob");
  ASSERT_TRUE(write(replicated("a", R"({"owner":"ann"})", "2-b,1-a")));
  EXPECT_EQ(write(replicated("a", "{}", "2-c,1-a"), user("bob")).error().code, Errc::forbidden);
}

TEST_F(DocumentWriterTest, RevisionsBeyondTheLimitAreForgotten) {
  DatabaseConfig config = *db_->config();
  config.revs_limit = 20;
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  std::string rev;
  for (int i = 0; i < 30; ++i) rev = put_ok("a", "{\"n\":" + std::to_string(i) + "}", rev);
  EXPECT_EQ(envelope("a").tree.size(), 20u);
}

TEST_F(DocumentWriterTest, ConfigurationsThatComeAtOnceTakeEffectOneAfterTheOther) {
  std::vector<Task<Result<void>>> changes;
  for (int poll : {10, 20, 30}) {
    DatabaseConfig config = *db_->config();
    config.poll = std::chrono::milliseconds(poll);
    changes.push_back(db_->reconfigure(std::move(config)));
  }
  for (const auto& done : env_.run(when_all(env_, std::move(changes)))) EXPECT_TRUE(done);
  EXPECT_EQ(db_->config()->poll, std::chrono::milliseconds(30));
  put_ok("a", "{}");
}

TEST_F(DocumentWriterTest, WhatIsTooLargeIsRefused) {
  DatabaseConfig config = *db_->config();
  config.max_document_bytes = 100;
  config.max_attachment_bytes = 4;
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  EXPECT_EQ(put("a", "{\"x\":\"" + std::string(100, 'x') + "\"}").error().code, Errc::too_large);
  EXPECT_EQ(put("a", R"({"_attachments":{"f":{"data":"aGVsbG8="}}})").error().code,
            Errc::too_large);
  EXPECT_EQ(db_->highest(), Sequence(1));
}

// Section 5 of the design: read, base, blocks with counters, sequence document.
class CountedWriteTest : public DatabaseFixture {
 protected:
  CountedWriteTest() : DatabaseFixture(DatabaseConfig{}) {}

  std::size_t steps_of(std::string_view id, std::string_view body) {
    counting_.reset();
    put_ok(id, body);
    return counting_.pipelines();
  }
};

TEST_F(CountedWriteTest, ALonePutTakesAReadAndThreeSteps) {
  const std::string ten = R"({"channels":["1","2","3","4","5","6","7","8","9","10"]})";
  put_ok("warm1", R"({"channels":["news"]})");
  put_ok("warm2", ten);
  env_.run(db_->stop_cache_writer());
  EXPECT_EQ(steps_of("a", R"({"channels":["news"]})"), 4u);
  EXPECT_EQ(steps_of("b", ten), 4u);
}

TEST_F(CountedWriteTest, ABulkIsOneBatchOfSteps) {
  put_ok("warm", R"({"channels":["news"]})");
  env_.run(db_->stop_cache_writer());
  std::vector<WriteItem> items;
  for (int i = 0; i < 100; ++i)
    items.push_back(item("d" + std::to_string(i), R"({"channels":["news"]})"));
  counting_.reset();
  for (const auto& answer : env_.run(db_->writer().write(admin(), std::move(items))))
    EXPECT_TRUE(answer);
  EXPECT_EQ(counting_.pipelines(), 4u);
  EXPECT_EQ(counting_.count<operation::Append>(), 2u);  // news and *
}

class FeedModeTest : public DatabaseFixture {
 protected:
  static DatabaseConfig by_feed() {
    DatabaseConfig config = scripted();
    config.cache_writes = CacheWrites::feed;
    return config;
  }
  FeedModeTest() : DatabaseFixture(by_feed()) {}
};

TEST_F(FeedModeTest, TheCacheWriterDoesAllCacheWork) {
  put_ok("a", R"({"channels":["news"]})");
  expect_all_accounted_for();
  EXPECT_THAT(names("news"), ElementsAre("a"));
  env_.run(db_->stop_cache_writer());
  put_ok("b", R"({"channels":["news"]})");
  EXPECT_THAT(names("news"), ElementsAre("a"));
  ASSERT_TRUE(env_.run(db_->start_cache_writer()));
  expect_all_accounted_for();
  EXPECT_THAT(names("news"), ElementsAre("a", "b"));
}

// I7: a revocation holds from its acknowledgement on, whoever does the cache work.
TEST_F(FeedModeTest, GrantsAreInForceWhenTheyAreAcknowledged) {
  put_user("ann");
  env_.run(db_->stop_cache_writer());
  const std::string rev = put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  put_ok("g", "{}", rev);
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
}

class NoStarTest : public DatabaseFixture {
 protected:
  static DatabaseConfig without_star() {
    DatabaseConfig config = scripted();
    config.star_channel = false;
    return config;
  }
  NoStarTest() : DatabaseFixture(without_star()) {}
};

// sync_gateway#718: nothing is written for the channel of all documents where nobody reads it.
TEST_F(NoStarTest, AWriteTouchesItsOwnChannelsOnly) {
  put_ok("a", R"({"channels":["news"]})");
  expect_all_accounted_for();
  EXPECT_THAT(envelope("a").current_channels(), ElementsAre("news"));
  EXPECT_FALSE(wakes_.contains(ChannelId::star()));
  EXPECT_THAT(names("*"), ElementsAre("a"));
}

}  // namespace
}  // namespace headgate
