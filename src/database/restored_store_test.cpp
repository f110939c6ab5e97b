// SPDX-License-Identifier: Apache-2.0
#include "database/restored_store.hpp"

#include <gtest/gtest.h>

#include "database/database_fixture.hpp"
#include "sequence/restored_numbers.hpp"

namespace headgate {
namespace {

class RestoredStoreTest : public DatabaseFixture {
 protected:
  RestoredStoreTest() { put_user("ann", {"news"}); }

  std::string uuid() { return env_.run(catalog_.open()).value(); }
  Result<LocalDocuments::Stored> local(std::string_view id) {
    return env_.run(db_->local_documents().get(DocId(std::string(id))));
  }
  /// As if it had been copied from a running server.
  void restore() {
    db_.reset();
    env_.run_ready();
    EXPECT_EQ(env_.run(renew_identity(env_, bucket_)).value(), 1u);
    open(env_.run(catalog_.get("db")).value());
  }
};

TEST_F(RestoredStoreTest, NothingTellsAClientThatItIsFurther) {
  put_ok("doc", R"({"channels":["news"]})");
  ParsedDocument checkpoint;
  checkpoint.body = R"({"last_seq":7})";
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(
        env_.run(db_->local_documents().put(DocId("_local/" + std::to_string(i)), checkpoint)));
  const auto session =
      env_.run(db_->sessions().begin(user("ann"), std::chrono::hours(1), false)).value();
  const std::string before = uuid();
  const Sequence highest = db_->highest();

  restore();
  EXPECT_NE(uuid(), before);
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(local("_local/" + std::to_string(i)).error().code, Errc::not_found);
  EXPECT_EQ(env_.run(db_->sessions().resume(session.id)).error().code, Errc::unauthorized);
  EXPECT_GE(db_->highest().value(), highest.value() + kRestoreLift);
}

// The numbers in between are never looked at one by one, also not by a second restore.
TEST_F(RestoredStoreTest, NumbersGoOnAboveAllThatMayHaveBeenDrawn) {
  Sequence last = db_->highest();
  for (int round = 0; round < 3; ++round) {
    restore();
    EXPECT_GE(db_->highest().value(), last.value() + kRestoreLift);
    put_ok("doc" + std::to_string(round), R"({"channels":["news"]})");
    EXPECT_GT(db_->highest().value(), last.value() + kRestoreLift + 1)
        << "the beginning is no number";
    const auto pass = env_.run(db_->cache_reader().start_pass()).value();
    EXPECT_TRUE(pass.record->epochs.is_void({Sequence(), Sequence(), last}));
    EXPECT_FALSE(pass.record->epochs.is_void({Sequence(), Sequence(), db_->highest()}));
    last = db_->highest();
  }
}

}  // namespace
}  // namespace headgate
