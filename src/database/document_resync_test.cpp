// SPDX-License-Identifier: Apache-2.0
#include "database/document_resync.hpp"

#include <gmock/gmock.h>

#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using State = DocumentResync::State;

class ResyncTest : public DatabaseFixture {
 protected:
  void change_function(std::string_view source) {
    DatabaseConfig config = *db_->config();
    config.sync = source;
    ASSERT_TRUE(env_.run(db_->reconfigure(config)));
    ASSERT_TRUE(env_.run(catalog_.update("db", config)));
  }
  DocumentResync::Progress run_resync(bool from_start = false) {
    EXPECT_TRUE(env_.run(db_->resync().start(from_start)));
    await_end();
    return db_->resync().progress();
  }
  void await_end() {
    for (int i = 0; i < 10'000 && db_->resync().progress().state == State::running; ++i)
      env_.advance(std::chrono::milliseconds(10));
  }
  static constexpr std::size_t kMany = 500;
  void put_many() {
    std::vector<WriteItem> items;
    for (std::size_t i = 0; i < kMany; ++i)
      items.push_back(item("d" + std::to_string(i), R"({"channels":["old"],"kind":"new"})"));
    env_.run(db_->writer().write(admin(), std::move(items)));
  }
  /// Writes of documents fail after so many.
  void fail_from(std::size_t count) {
    bucket_.inject({.matches = writes_of_kind(KeyKind::document),
                    .code = Errc::unavailable,
                    .skip = count,
                    .times = SIZE_MAX});
  }
  static constexpr std::string_view kByKind =
      "function (doc) { channel(doc.kind); if (doc.kind == 'gate') access('ann', 'news'); }";
};

// couchbase/sync_gateway#116, #1382: a new function takes effect while the database serves.
TEST_F(ResyncTest, DocumentsMoveToWhereTheNewFunctionPutsThem) {
  put_user("ann");
  put_ok("a", R"({"channels":["old"],"kind":"news"})");
  put_ok("same", R"({"channels":["stay"],"kind":"stay"})");
  put_ok("g", R"({"channels":["old"],"kind":"gate"})");
  const std::string rev = put_ok("gone", R"({"channels":["old"],"kind":"news"})");
  ASSERT_TRUE(put("gone", R"({"_deleted":true,"kind":"news"})", rev));
  const Sequence same = envelope("same").sequence;
  const std::string before = to_string(envelope("a").tree.winner().value());
  change_function(kByKind);
  const auto progress = run_resync();
  EXPECT_EQ(progress.state, State::completed);
  EXPECT_EQ(progress.processed, 4u);
  EXPECT_EQ(progress.changed, 3u);
  EXPECT_EQ(progress.failed, 0u);
  EXPECT_THAT(names("news"), UnorderedElementsAre("a", "gone"));
  EXPECT_THAT(names("old"), UnorderedElementsAre("-a", "-g", "-gone"));
  EXPECT_EQ(to_string(envelope("a").tree.winner().value()), before) << "the same revision";
  EXPECT_EQ(envelope("same").sequence, same) << "nothing changed: no sequence";
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  expect_all_accounted_for();
  EXPECT_EQ(run_resync(true).changed, 0u) << "once more, nothing is left to do";
}

TEST_F(ResyncTest, AGrantThatTheNewFunctionNoLongerGivesIsTakenBack) {
  put_user("ann");
  put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  change_function("function (doc) {}");
  run_resync();
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
}

TEST_F(ResyncTest, WhatTheNewFunctionRefusesIsInNoChannel) {
  put_ok("a", R"({"channels":["old"]})");
  change_function("function (doc) { throw({forbidden: 'no'}); }");
  EXPECT_EQ(run_resync().changed, 1u);
  EXPECT_THAT(envelope("a").current_channels(), IsEmpty());
  EXPECT_TRUE(get("a")) << "it is still there for admins";
}

TEST_F(ResyncTest, ExpiryAndLosingRevisionsStay) {
  WriteItem expiring = item("a", R"({"channels":["old"],"kind":"news"})");
  expiring.document.expiry = env_.wall_now() + std::chrono::hours(1);
  ASSERT_TRUE(write(std::move(expiring)));
  const auto before = envelope("a");
  change_function(kByKind);
  run_resync();
  EXPECT_EQ(envelope("a").expiry, before.expiry);
  EXPECT_EQ(envelope("a").tree, before.tree);
}

TEST_F(ResyncTest, GoesOnAfterAStop) {
  put_many();
  change_function(kByKind);
  fail_from(150);
  ASSERT_TRUE(env_.run(db_->resync().start(false)));
  env_.run_ready();
  EXPECT_EQ(db_->resync().progress().state, State::running) << "it tries again";
  EXPECT_EQ(db_->resync().progress().processed, 100u);
  env_.run(db_->resync().stop());
  EXPECT_EQ(db_->resync().progress().state, State::stopped);
  bucket_.clear();
  const auto progress = run_resync();
  EXPECT_EQ(progress.state, State::completed);
  EXPECT_EQ(progress.processed, kMany) << "the first hundred were not judged again";
  EXPECT_EQ(names("new").size(), kMany);
}

TEST_F(ResyncTest, GoesOnAfterACrash) {
  put_many();
  change_function(kByKind);
  fail_from(250);
  ASSERT_TRUE(env_.run(db_->resync().start(false)));
  env_.run_ready();
  bucket_.clear();
  reopen(false);
  EXPECT_GE(db_->resync().progress().processed, 200u);
  await_end();
  EXPECT_EQ(db_->resync().progress().state, State::completed);
  EXPECT_EQ(db_->resync().progress().processed, kMany);
  EXPECT_EQ(names("new").size(), kMany);
}

TEST_F(ResyncTest, AnotherFunctionMeanwhileBeginsAnew) {
  put_many();
  change_function("function (doc) { channel('between'); }");
  fail_from(150);
  ASSERT_TRUE(env_.run(db_->resync().start(false)));
  env_.run_ready();
  bucket_.clear();
  change_function(kByKind);
  await_end();
  EXPECT_EQ(db_->resync().progress().state, State::completed);
  EXPECT_EQ(names("new").size(), kMany);
}

// A write of a client while its document is judged anew wins, and nothing is lost.
TEST_F(ResyncTest, AWriteMeanwhileIsJudgedByTheNewFunction) {
  const std::string rev = put_ok("a", R"({"channels":["old"],"kind":"news"})");
  change_function(kByKind);
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  ASSERT_TRUE(env_.run(db_->resync().start(false)));
  env_.run_ready();
  put_ok("a", R"({"kind":"sport"})", rev);
  bucket_.release();
  await_end();
  EXPECT_EQ(db_->resync().progress().state, State::completed);
  EXPECT_THAT(envelope("a").current_channels(), ElementsAre("sport"));
  expect_all_accounted_for();
}

}  // namespace
}  // namespace headgate
