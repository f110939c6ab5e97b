// SPDX-License-Identifier: Apache-2.0
// What becomes of sequences and documents when writes race, fail, or are never answered.
#include <gmock/gmock.h>

#include "database/database_fixture.hpp"
#include "database/feed_record.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class WriteFaultsTest : public DatabaseFixture {
 protected:
  std::vector<Result<WriteAnswer>> write_at_once(std::vector<WriteItem> items) {
    std::vector<Task<Result<WriteAnswer>>> tasks;
    for (WriteItem& item : items)
      tasks.push_back(db_->writer().write_one(admin(), std::move(item)));
    return env_.run(when_all(env_, std::move(tasks)));
  }

  /// Waits for a held write of a document, writes, and lets the held one go on.
  Task<Result<WriteAnswer>> write_after_hold(WriteItem item) {
    while (bucket_.held() == 0) co_await bucket_.changed().wait_past(bucket_.changed().count());
    auto answer = co_await db_->writer().write_one(admin(), std::move(item));
    bucket_.release();
    co_return answer;
  }

  /// Waits for the document's first revision, or the one after `before`, writes another one, and
  /// lets the feeds go on.
  Task<Result<WriteAnswer>> supersede(std::string id, std::string body,
                                      std::optional<Revision> before = {}) {
    std::optional<Revision> rev = before;
    while (rev == before) {
      std::vector<DocId> ids{DocId(id)};
      const auto found = co_await db_->documents().load(std::move(ids));
      if (found && found->front()) rev = found->front()->tree.winner();
      co_await env_.sleep_for(milliseconds(1));
    }
    auto answer = co_await db_->writer().write_one(admin(), item(id, body, to_string(*rev)));
    bucket_.release();
    co_return answer;
  }

  std::size_t releases() const { return counting_.count<operation::Insert>(KeyKind::released); }

  void lose_replies(FaultBucket::Moment moment, std::size_t times = 1) {
    bucket_.inject({.matches = writes_of_kind(KeyKind::document),
                    .moment = moment,
                    .code = Errc::timeout_unknown_outcome,
                    .times = times});
  }

  /// Puts a document in the base as if another gateway had numbered it.
  void store_with_sequence(std::string_view id, Sequence sequence) {
    DocumentEnvelope stored;
    const Revision rev = *parse_revision("1-a");
    ASSERT_TRUE(stored.tree.insert(rev, nullptr, false));
    stored.contents.push_back({rev, "{}", false, {}, {}});
    stored.sequence = sequence;
    record_sequence(stored, {sequence, {}, {}});
    const DocId doc(std::string{id});
    ASSERT_TRUE(env_.run(memory_.insert(document_key(db_->id(), doc), encode_envelope(stored), {},
                                        env_.now() + seconds(1)))
                    .ok());
  }
};

// sync_gateway#2365: the number of a write that lost the race must not hold stable back.
TEST_F(WriteFaultsTest, ALostRaceLeavesNoGap) {
  std::vector<WriteItem> items;
  for (int i = 0; i < 5; ++i) items.push_back(item("a", "{\"n\":" + std::to_string(i) + "}"));
  int stored = 0;
  for (const auto& answer : write_at_once(std::move(items))) {
    stored += answer ? 1 : 0;
    if (!answer) EXPECT_EQ(answer.error().code, Errc::conflict);
  }
  EXPECT_EQ(stored, 1);
  EXPECT_GT(db_->writer().statistics().cas_retries, 0u);
  EXPECT_GT(db_->highest(), Sequence(2));
  expect_all_accounted_for();
}

TEST_F(WriteFaultsTest, ManyWritersOfOneDocumentAllSucceedInTheEnd) {
  std::vector<WriteItem> items;
  for (int i = 0; i < 40; ++i) {
    const std::string rev = "1-" + std::to_string(1'000 + i);
    items.push_back(replicated("a", R"({"channels":["news"]})", rev));
  }
  for (const auto& answer : write_at_once(std::move(items))) EXPECT_TRUE(answer);
  EXPECT_EQ(envelope("a").tree.leaves().size(), 40u);
  EXPECT_THAT(names("news"), ElementsAre("a"));
  EXPECT_EQ(entries(ChannelId::star()).front().sequence, envelope("a").sequence);
  expect_all_accounted_for();
}

// R2: a number that was overtaken while its write was under way goes into the recent set.
TEST_F(WriteFaultsTest, AnOvertakenNumberIsRecorded) {
  put_ok("a", "{}");
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  std::vector<Task<Result<WriteAnswer>>> writes;
  writes.push_back(db_->writer().write_one(admin(), replicated("a", "{}", "1-slow")));
  writes.push_back(write_after_hold(replicated("a", "{}", "1-fast")));
  for (const auto& answer : env_.run(when_all(env_, std::move(writes)))) EXPECT_TRUE(answer);
  std::vector<std::uint64_t> recent;
  for (const auto& recorded : envelope("a").recent) recent.push_back(recorded.sequence.value());
  EXPECT_THAT(recent, ElementsAre(2, 3, 4, 5));  // 3 was overtaken by 4
  EXPECT_EQ(releases(), 0u);
  expect_all_accounted_for();
}

TEST_F(WriteFaultsTest, ARaceLostToTheSameRevisionReleasesItsNumber) {
  std::vector<WriteItem> items;
  for (int i = 0; i < 3; ++i) items.push_back(replicated("a", "{}", "2-b,1-a"));
  for (const auto& answer : write_at_once(std::move(items))) EXPECT_TRUE(answer);
  EXPECT_EQ(envelope("a").tree.leaves().size(), 1u);
  expect_all_accounted_for();
}

TEST_F(WriteFaultsTest, AWriteThatWasNotDoneReleasesItsNumber) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::document), .code = Errc::no_space});
  EXPECT_EQ(put("a", "{}").error().code, Errc::no_space);
  EXPECT_EQ(releases(), 1u);
  EXPECT_EQ(get("a").error().code, Errc::not_found);
  expect_all_accounted_for();
}

TEST_F(WriteFaultsTest, AReadThatFailsLeavesNothingUnknown) {
  bucket_.inject({.matches = of_kind(KeyKind::document), .code = Errc::timeout_unknown_outcome});
  EXPECT_EQ(put("a", "{}").error().code, Errc::unavailable);
  EXPECT_EQ(db_->highest(), Sequence(1));
}

TEST_F(WriteFaultsTest, AWriteWhoseReplyWasLostIsReadBack) {
  lose_replies(FaultBucket::Moment::after);
  const auto answer = put("a", R"({"channels":["news"]})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->sequence, Sequence(2));
  EXPECT_EQ(releases(), 0u);
  expect_all_accounted_for();  // the cache writer does the cache work
  EXPECT_THAT(names("news"), ElementsAre("a"));
}

// I9; found by the simulator: a write that was read back had been acknowledged as replicated, and
// was on the master alone.
TEST_F(WriteFaultsTest, WhatIsReadBackIsMadeDurableBeforeItIsAcknowledged) {
  for (const auto durability : {Durability::memory, Durability::disk, Durability::replicated}) {
    counting_.reset();
    lose_replies(FaultBucket::Moment::after);
    WriteItem lost = item(std::string(to_string(durability)), "{}");
    lost.durability = durability;
    EXPECT_TRUE(env_.run(db_->writer().write_one(admin(), std::move(lost))));
    EXPECT_EQ(counting_.barriers(), durability == Durability::memory ? 0u : 1u);
  }
}

// sync_gateway PR 7050: the outcome is unknown, so the number is not released, and the write that
// is carried out later reaches the feeds.
TEST_F(WriteFaultsTest, AnUnknownOutcomeKeepsItsNumber) {
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  EXPECT_EQ(put("a", R"({"channels":["news"]})").error().code, Errc::timeout_unknown_outcome);
  EXPECT_EQ(db_->writer().statistics().unknown, 1u);
  EXPECT_EQ(releases(), 0u);
  bucket_.release();
  env_.run(env_.sleep_for(milliseconds(600)));
  EXPECT_THAT(names("news"), ElementsAre("a"));
  EXPECT_TRUE(get("a"));
}

// The same, but the number was buried before (R9).
TEST_F(WriteFaultsTest, ALateWriteGetsAFreshNumberWithItsChannels) {
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  EXPECT_EQ(put("a", R"({"channels":["news"]})").error().code, Errc::timeout_unknown_outcome);
  const TimePoint limit = env_.now() + seconds(20);
  while (db_->stable() < Sequence(2) && env_.now() < limit)
    env_.run(env_.sleep_for(milliseconds(50)));
  ASSERT_GE(db_->stable(), Sequence(2));
  bucket_.release();
  env_.run(env_.sleep_for(seconds(1)));
  EXPECT_THAT(names("news", ReadMode::stable), ElementsAre("a"));
  EXPECT_GT(envelope("a").sequence, Sequence(2));
  EXPECT_TRUE(envelope("a").channels.at("news").is_current());
}

TEST_F(WriteFaultsTest, AReplyLostBeforeTheWriteIsNeverSuccess) {
  lose_replies(FaultBucket::Moment::before);
  EXPECT_EQ(put("a", "{}").error().code, Errc::timeout_unknown_outcome);
  EXPECT_EQ(releases(), 0u);
}

TEST_F(WriteFaultsTest, OneFailedItemOfABulkStopsNoOther) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::document), .code = Errc::no_space, .skip = 1});
  std::vector<WriteItem> items;
  for (const std::string id : {"a", "b", "c"}) items.push_back(item(id, "{}"));
  const auto answers = env_.run(db_->writer().write(admin(), std::move(items)));
  EXPECT_TRUE(answers[0]);
  EXPECT_EQ(answers[1].error().code, Errc::no_space);
  EXPECT_TRUE(answers[2]);
  expect_all_accounted_for();
}

// A2: the front end's cache work fails; the document is there, the cache writer finishes.
TEST_F(WriteFaultsTest, FailedCacheWorkIsFinishedByTheCacheWriter) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable});
  const auto answer = put("a", R"({"channels":["news"]})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(db_->writer().statistics().unfinished, 1u);
  expect_all_accounted_for();
  EXPECT_THAT(names("news"), ElementsAre("a"));
}

// I7: what revokes is acknowledged when it is in force, or not at all.
TEST_F(WriteFaultsTest, ARevocationWithoutItsCacheWorkIsNotAcknowledged) {
  put_user("ann");
  const std::string rev = put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  ASSERT_TRUE(user("ann")->access.can_read_channel("news"));
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable, .times = SIZE_MAX});
  EXPECT_EQ(put("g", "{}", rev).error().code, Errc::timeout_unknown_outcome);
  bucket_.clear();
  expect_all_accounted_for();
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
}

TEST_F(WriteFaultsTest, ARevocationIsTriedAgain) {
  put_user("ann");
  const std::string rev = put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  bucket_.inject({.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable});
  EXPECT_TRUE(put("g", "{}", rev));
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
}

// What its front end cannot do the cache writer does: the author is told then.
TEST_F(WriteFaultsTest, AGrantIsAcknowledgedWhenTheCacheWriterHasFinishedIt) {
  put_user("ann");
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable, .times = 6});
  const std::string rev = put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  EXPECT_EQ(db_->writer().statistics().unfinished, 1u);
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  lose_replies(FaultBucket::Moment::after);
  put_ok("g", "{}", rev);
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
  EXPECT_EQ(db_->writer().statistics().unknown, 0u);
  EXPECT_EQ(releases(), 0u);
  expect_all_accounted_for();
}

TEST_F(WriteFaultsTest, AGrantThatIsSupersededAtOnceIsAcknowledged) {
  put_user("ann");
  put_ok("warm", "{}");
  for (const bool keeps_grant : {true, false}) {
    const std::string id = keeps_grant ? "keeps" : "takes";
    const std::string grant = R"({"grant":{"users":"ann","channels":")" + id + "\"}}";
    bucket_.hold_feeds();
    bucket_.inject(
        {.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable, .times = 6});
    const std::uint64_t unfinished = db_->writer().statistics().unfinished;
    std::vector<Task<Result<WriteAnswer>>> tasks;
    tasks.push_back(db_->writer().write_one(admin(), item(id, grant)));
    tasks.push_back(supersede(id, keeps_grant ? grant : "{}"));
    for (const auto& answer : env_.run(when_all(env_, std::move(tasks))))
      EXPECT_TRUE(answer) << id << ": " << answer.error().context;
    EXPECT_EQ(db_->writer().statistics().unfinished, unfinished + 1);
    EXPECT_EQ(user("ann")->access.can_read_channel(id), keeps_grant);
  }
}

// What came after says nothing of whom the overtaken write had granted to.
TEST_F(WriteFaultsTest, ARevocationThatIsSupersededAtOnceIsInForceWhenAcknowledged) {
  put_user("ann");
  const std::string rev = put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  bucket_.hold_feeds();
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable, .times = 6});
  std::vector<Task<Result<WriteAnswer>>> tasks;
  tasks.push_back(db_->writer().write_one(admin(), item("g", "{}", rev)));
  tasks.push_back(supersede("g", R"({"and":"more"})", parse_revision(rev).value()));
  for (const auto& answer : env_.run(when_all(env_, std::move(tasks))))
    EXPECT_TRUE(answer) << answer.error().context;
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
}

// sync_gateway#1090: a document above the counter lifts it.
TEST_F(WriteFaultsTest, ADocumentAboveTheCounterLiftsIt) {
  store_with_sequence("a", Sequence(5'000));
  const auto answer = put("a", R"({"channels":["news"]})", "1-a");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->sequence, Sequence(5'001));
  EXPECT_EQ(releases(), 1u);  // PR 6547: one range, not thousands of markers
  expect_all_accounted_for();
  EXPECT_THAT(names("news"), ElementsAre("a"));
}

// sync_gateway PR 7436: an absurd number is refused, and only where it stands.
TEST_F(WriteFaultsTest, AnAbsurdSequenceFailsItsOwnWriteOnly) {
  store_with_sequence("a", Sequence(1'000'000'000'000));
  std::vector<WriteItem> items;
  items.push_back(item("b", "{}"));
  items.push_back(item("a", "{}", "1-a"));
  const auto answers = env_.run(db_->writer().write(admin(), std::move(items)));
  EXPECT_TRUE(answers[0]);
  EXPECT_EQ(answers[1].error().code, Errc::corrupted);
  EXPECT_EQ(db_->highest(), Sequence(2));
  expect_all_accounted_for();
}

// sync_gateway PR 7302: a fast-written document keeps at least its last five numbers.
TEST_F(WriteFaultsTest, ThePrunedRecentSetKeepsTheLastFive) {
  std::string rev;
  for (int i = 0; i < 100; ++i) {
    rev = put_ok("a", "{\"n\":" + std::to_string(i) + "}", rev);
    if (i % 10 == 0) expect_all_accounted_for();
  }
  const auto recent = envelope("a").recent;
  EXPECT_GE(recent.size(), kRecentSequencesMin);
  EXPECT_LE(recent.size(), kRecentSequencesMax + 10);
  EXPECT_EQ(recent.back().sequence, db_->highest());
}

TEST_F(WriteFaultsTest, NothingIsPrunedThatAPausedFeedStillNeeds) {
  put_ok("warm", "{}");
  bucket_.hold_feeds();
  std::string rev;
  for (int i = 0; i < 60; ++i) rev = put_ok("a", "{\"n\":" + std::to_string(i) + "}", rev);
  EXPECT_GE(envelope("a").recent.size(), 60u);
  bucket_.release();
  expect_all_accounted_for();
}

// sync_gateway#3824: deleted and made again, no number is forgotten.
TEST_F(WriteFaultsTest, ADeletedAndRecreatedDocumentLeavesNoGap) {
  put_ok("warm", "{}");
  bucket_.hold_feeds();
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  put_ok("a", R"({"_deleted":true})", first);
  put_ok("a", R"({"channels":["sport"]})");
  bucket_.release();
  expect_all_accounted_for();
  EXPECT_THAT(names("sport"), ElementsAre("a"));
  EXPECT_THAT(names("news"), ElementsAre("-a"));
}

// R7 with sync_gateway#775: the version that left the channel was never finished and is hidden by a
// newer one on the feed; its removal is told at the document's fresh number.
TEST_F(WriteFaultsTest, AHiddenRemovalIsToldAtAFreshNumber) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  expect_all_accounted_for();
  bucket_.hold_feeds();
  bucket_.inject({.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable});
  const std::string second = put_ok("a", "{}", first);
  put_ok("a", R"({"n":1})", second);
  bucket_.release();
  env_.run(env_.sleep_for(seconds(1)));
  EXPECT_THAT(names("news", ReadMode::stable), ElementsAre("-a"));
  EXPECT_EQ(envelope("a").channels.at("news").removal->sequence, envelope("a").sequence);
}

// The same with a document that came back to the channel meanwhile: no removal is told.
TEST_F(WriteFaultsTest, AHiddenRemovalOfAChannelThatItIsInAgainIsDropped) {
  const std::string first = put_ok("a", R"({"channels":["news"]})");
  bucket_.hold_feeds();
  bucket_.inject({.matches = writes_of_kind(KeyKind::block), .code = Errc::unavailable});
  const std::string second = put_ok("a", "{}", first);
  put_ok("a", R"({"channels":["news"],"n":1})", second);
  bucket_.release();
  env_.run(env_.sleep_for(seconds(1)));
  EXPECT_THAT(names("news", ReadMode::stable), ElementsAre("a"));
}

TEST_F(WriteFaultsTest, AProcessThatEndsWithoutAWordLosesNothingAcknowledged) {
  put_ok("a", R"({"channels":["news"]})");
  bucket_.inject({.matches = writes_of_kind(KeyKind::sequence_document)});
  put_ok("b", R"({"channels":["news"]})");
  reopen(false);
  EXPECT_THAT(names("news"), ElementsAre("a", "b"));
  put_ok("c", R"({"channels":["news"]})");
  EXPECT_THAT(names("news"), ElementsAre("a", "b", "c"));
}

TEST_F(WriteFaultsTest, AnAttachmentThatCannotBeStoredStopsItsDocument) {
  bucket_.inject({.matches = of_kind(KeyKind::attachment), .code = Errc::no_space});
  EXPECT_EQ(put("a", R"({"_attachments":{"f":{"data":"aGVsbG8="}}})").error().code, Errc::no_space);
  EXPECT_EQ(db_->highest(), Sequence(1));
  EXPECT_EQ(get("a").error().code, Errc::not_found);
}

}  // namespace
}  // namespace headgate
