// SPDX-License-Identifier: Apache-2.0
#include "database/session_store.hpp"

#include <gtest/gtest.h>

#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class SessionStoreTest : public DatabaseFixture {
 protected:
  SessionStoreTest() { put_user("ann", {"news"}); }

  std::string begin(bool is_one_time = false) {
    return env_.run(db_->sessions().begin(user("ann"), hours(10), is_one_time)).value().id;
  }
  Errc resume(const std::string& id) {
    const auto resumed = env_.run(db_->sessions().resume(id));
    return resumed ? Errc::ok : resumed.error().code;
  }
  Errc take(const std::string& id) {
    const auto taken = env_.run(db_->sessions().take(id));
    return taken ? Errc::ok : taken.error().code;
  }
  bool is_renewed(const std::string& id) {
    return env_.run(db_->sessions().resume(id)).value().is_renewed;
  }
  void change(std::string_view json) {
    ASSERT_TRUE(env_.run(
        db_->principals().put_user("ann", UserUpdate::parse(JsonView(json), "ann").value())));
  }
  void pass(std::chrono::nanoseconds time) { env_.run(env_.sleep_for(time)); }
};

TEST_F(SessionStoreTest, ASessionStandsForItsUser) {
  const std::string id = begin();
  const auto resumed = env_.run(db_->sessions().resume(id)).value();
  EXPECT_EQ(resumed.user->name, "ann");
  EXPECT_TRUE(resumed.user->access.can_read_channel("news"));
  EXPECT_NE(begin(), id);
  EXPECT_EQ(env_.run(db_->sessions().find(id))->user, "ann");
  EXPECT_EQ(resume(std::string(64, '0')), Errc::unauthorized);
  EXPECT_EQ(resume("../ann"), Errc::unauthorized);
}

TEST_F(SessionStoreTest, ASessionOutlivesTheProcess) {
  const std::string id = begin();
  reopen(false);
  EXPECT_EQ(resume(id), Errc::ok);
}

TEST_F(SessionStoreTest, TheExpirySlides) {
  const std::string id = begin();
  EXPECT_FALSE(is_renewed(id));
  pass(minutes(59));
  EXPECT_FALSE(is_renewed(id));
  pass(minutes(1));
  EXPECT_TRUE(is_renewed(id));
  EXPECT_FALSE(is_renewed(id));
  pass(hours(9) + minutes(59));
  EXPECT_TRUE(is_renewed(id)) << "ten hours from the renewal";
  pass(hours(10));
  EXPECT_EQ(resume(id), Errc::unauthorized);
  EXPECT_EQ(env_.run(db_->sessions().find(id)).error().code, Errc::not_found);
}

TEST_F(SessionStoreTest, ALogoutEndsOneSessionForGood) {
  const std::string id = begin();
  const std::string other = begin();
  EXPECT_TRUE(env_.run(db_->sessions().remove(id)));
  EXPECT_EQ(resume(id), Errc::unauthorized);
  EXPECT_EQ(resume(other), Errc::ok);
  EXPECT_TRUE(env_.run(db_->sessions().remove(id))) << "idempotent";
}

TEST_F(SessionStoreTest, ANewPasswordEndsAllSessions) {
  const std::string id = begin();
  change(R"({"email":"a@b.c","admin_channels":["sport"]})");
  EXPECT_EQ(resume(id), Errc::ok);
  change(R"({"password":"secret"})");
  EXPECT_EQ(resume(id), Errc::unauthorized);
  EXPECT_EQ(resume(begin()), Errc::ok);
}

TEST_F(SessionStoreTest, DisablingEndsAllSessionsForGood) {
  const std::string id = begin();
  change(R"({"disabled":true})");
  EXPECT_EQ(resume(id), Errc::unauthorized);
  change(R"({"disabled":false})");
  EXPECT_EQ(resume(id), Errc::unauthorized);
}

TEST_F(SessionStoreTest, AUserMadeAnewHasNoneOfTheOldSessions) {
  const std::string id = begin();
  ASSERT_TRUE(env_.run(db_->principals().delete_user("ann")));
  EXPECT_EQ(resume(id), Errc::unauthorized);
  put_user("ann", {"news"});
  EXPECT_EQ(resume(id), Errc::unauthorized);
}

TEST_F(SessionStoreTest, AnAdminEndsAllOfAUser) {
  const std::string id = begin();
  UserUpdate update;
  update.ends_sessions = true;
  ASSERT_TRUE(env_.run(db_->principals().put_user("ann", update)));
  EXPECT_EQ(resume(id), Errc::unauthorized);
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  const std::string next = begin();
  ASSERT_TRUE(env_.run(db_->principals().put_user("ann", update)));
  EXPECT_EQ(resume(next), Errc::unauthorized) << "each time";
}

TEST_F(SessionStoreTest, AOneTimeSessionIsUsedOnce) {
  const std::string id = begin(true);
  EXPECT_EQ(resume(id), Errc::unauthorized) << "it is no cookie";
  EXPECT_EQ(take(id), Errc::ok);
  EXPECT_EQ(take(id), Errc::unauthorized);
  EXPECT_EQ(take(begin()), Errc::unauthorized) << "a cookie is no one-time session";
}

TEST_F(SessionStoreTest, AnUnknownOutcomeLetsNobodyIn) {
  const std::string id = begin(true);
  bucket_.inject({.matches = writes_of_kind(KeyKind::session),
                  .moment = FaultBucket::Moment::after,
                  .code = Errc::timeout_unknown_outcome});
  EXPECT_EQ(take(id), Errc::timeout_unknown_outcome);
  EXPECT_EQ(take(id), Errc::unauthorized);
}

TEST_F(SessionStoreTest, ARenewalThatFailsDisturbsNobody) {
  const std::string id = begin();
  pass(hours(5));
  bucket_.inject({.matches = writes_of_kind(KeyKind::session)});
  EXPECT_FALSE(is_renewed(id));
  EXPECT_TRUE(is_renewed(id));
}

}  // namespace
}  // namespace headgate
