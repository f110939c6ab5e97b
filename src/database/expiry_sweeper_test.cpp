// SPDX-License-Identifier: Apache-2.0
#include "database/expiry_sweeper.hpp"

#include <gmock/gmock.h>

#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

class ExpiryTest : public DatabaseFixture {
 protected:
  static constexpr seconds kSweep = 2 * ExpirySweeper::kEvery;

  std::string put_for(std::string_view id, seconds life, std::string_view rev = {}) {
    WriteItem expiring = item(id, R"({"channels":["news"]})", rev);
    expiring.document.expiry = env_.wall_now() + life;
    const auto answer = write(std::move(expiring));
    EXPECT_TRUE(answer) << answer.error().context;
    return answer ? to_string(answer->rev) : std::string();
  }
  bool is_deleted(std::string_view id) { return envelope(id).tree.is_deleted(); }
};

TEST_F(ExpiryTest, ADocumentExpiresAsAChangeLikeAnyOther) {
  put_for("a", seconds(60));
  put_for("later", seconds(600));
  put_ok("never", "{}");
  env_.advance(seconds(40));
  EXPECT_FALSE(is_deleted("a"));
  env_.advance(seconds(20) + kSweep);
  EXPECT_TRUE(is_deleted("a"));
  EXPECT_FALSE(is_deleted("later"));
  EXPECT_THAT(names("news"), ElementsAre("later", "-a"));
  EXPECT_EQ(db_->expiry().expired(), 1u);
  expect_all_accounted_for();
  env_.advance(seconds(600) + kSweep);
  EXPECT_TRUE(is_deleted("later"));
  EXPECT_FALSE(is_deleted("never"));
}

TEST_F(ExpiryTest, TheNewestRevisionDecides) {
  const std::string rev = put_for("longer", seconds(60));
  put_for("longer", seconds(600), rev);
  const std::string other = put_for("without", seconds(60));
  put_ok("without", "{}", other);
  env_.advance(seconds(60) + kSweep);
  EXPECT_FALSE(is_deleted("longer"));
  EXPECT_FALSE(is_deleted("without"));
  EXPECT_EQ(db_->expiry().expired(), 0u);
  env_.advance(seconds(600) + kSweep);
  EXPECT_TRUE(is_deleted("longer"));
}

TEST_F(ExpiryTest, AllLivingLeavesAreDeleted) {
  put_for("a", seconds(60));
  WriteItem conflict = replicated("a", "{}", "1-aaaa");
  conflict.document.expiry = env_.wall_now() + seconds(60);
  ASSERT_TRUE(write(std::move(conflict)));
  EXPECT_TRUE(envelope("a").tree.in_conflict());
  env_.advance(seconds(60) + kSweep);
  EXPECT_TRUE(is_deleted("a"));
}

TEST_F(ExpiryTest, WhatExpiredWhileTheProcessWasDownIsDeletedThen) {
  put_for("a", seconds(60));
  reopen();
  env_.advance(seconds(60) + kSweep);
  EXPECT_TRUE(is_deleted("a"));
}

TEST_F(ExpiryTest, AFailureIsTriedAgain) {
  put_for("a", seconds(10));
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::document), .code = Errc::unavailable, .times = 2});
  env_.advance(seconds(60));
  EXPECT_TRUE(is_deleted("a"));
}

}  // namespace
}  // namespace headgate
