// SPDX-License-Identifier: Apache-2.0
#include "database/principal_store.hpp"

#include <gmock/gmock.h>

#include "database/database_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::Pair;

class PrincipalStoreTest : public DatabaseFixture {
 protected:
  static UserUpdate parsed(std::string_view json, std::string_view name = "ann") {
    return UserUpdate::parse(JsonView(json), name).value();
  }
  Result<UserWrite> put(std::string_view name, UserUpdate update, bool must_be_new = false) {
    return env_.run(db_->principals().put_user(std::string(name), std::move(update), must_be_new));
  }
  /// Waits for a held write of a principal, writes ann, and lets the held one go on.
  Task<Result<UserWrite>> put_after_hold() {
    while (bucket_.held() == 0) co_await bucket_.changed().wait_past(bucket_.changed().count());
    UserUpdate fast;
    fast.email = "fast@example.org";
    auto written = co_await db_->principals().put_user("ann", std::move(fast));
    bucket_.release();
    co_return written;
  }
  Errc load_error(std::string_view name) {
    return env_.run(db_->principals().load(std::string(name))).error().code;
  }
  Errc log_in(std::string_view name, std::string_view password) {
    const auto in =
        env_.run(db_->principals().authenticate(std::string(name), std::string(password)));
    return in ? Errc::ok : in.error().code;
  }
};

TEST_F(PrincipalStoreTest, AUserHasItsChannelsSinceItsWrite) {
  const UserWrite written = put_user("ann", {"news"});
  EXPECT_TRUE(written.is_created);
  const auto ann = user("ann");
  EXPECT_THAT(ann->access.channels(),
              ElementsAre(Pair("!", Sequence(1)), Pair("news", written.sequence)));
  EXPECT_EQ(ann->sequence, written.sequence);
  EXPECT_THAT(ann->hidden_channels, ElementsAre(ChannelId::of_principal("user:ann")));
  EXPECT_EQ(load_error("bob"), Errc::not_found);
  expect_all_accounted_for();
}

TEST_F(PrincipalStoreTest, AWriteThatChangesNothingTakesNoSequence) {
  put_user("ann", {"news"});
  const Sequence highest = db_->highest();
  const UserWrite again = put_user("ann", {"news"});
  EXPECT_FALSE(again.is_changed);
  EXPECT_FALSE(again.is_created);
  EXPECT_EQ(db_->highest(), highest);
}

TEST_F(PrincipalStoreTest, AnUnchangedPasswordIsNoChange) {
  ASSERT_TRUE(put("ann", parsed(R"({"password":"secret"})")));
  const std::string hash = env_.run(db_->principals().get_user("ann"))->password_hash;
  EXPECT_FALSE(put("ann", parsed(R"({"password":"secret"})"))->is_changed);
  EXPECT_EQ(env_.run(db_->principals().get_user("ann"))->password_hash, hash);
  EXPECT_TRUE(put("ann", parsed(R"({"password":"other"})"))->is_changed);
}

TEST_F(PrincipalStoreTest, AChangeKeepsWhatItDoesNotName) {
  ASSERT_TRUE(put("ann", parsed(R"({"admin_channels":["news"],"email":"a@b.c"})")));
  const auto since = user("ann")->access.granted_at("news");
  ASSERT_TRUE(put("ann", parsed(R"({"admin_channels":["news","sport"]})")));
  const auto record = env_.run(db_->principals().get_user("ann"));
  EXPECT_EQ(record->email, "a@b.c");
  EXPECT_EQ(user("ann")->access.granted_at("news"), since);
  EXPECT_EQ(user("ann")->access.granted_at("sport"), record->sequence);
}

TEST_F(PrincipalStoreTest, CreatingTwiceIsRefused) {
  ASSERT_TRUE(put("ann", {}, true));
  EXPECT_EQ(put("ann", {}, true).error().code, Errc::exists);
}

TEST_F(PrincipalStoreTest, BadNamesAndMembersAreRefused) {
  EXPECT_EQ(put("a/b", {}).error().code, Errc::invalid_argument);
  UserUpdate bad_channel;
  bad_channel.admin_channels = {"a,b"};
  EXPECT_EQ(put("ann", bad_channel).error().code, Errc::invalid_argument);
  for (const std::string_view json :
       {R"([])", R"({"nmae":"ann"})", R"({"name":"bob"})", R"({"password":"xx"})",
        R"({"disabled":1})", R"({"admin_channels":"news"})", R"({"admin_channels":[1]})",
        R"({"admin_roles":["a:b"]})"})
    EXPECT_EQ(UserUpdate::parse(JsonView(json), "ann").error().code, Errc::invalid_argument)
        << json;
  EXPECT_EQ(db_->highest(), Sequence(1));
}

TEST_F(PrincipalStoreTest, ADocumentGrantsAndStopsGranting) {
  put_user("ann");
  const std::string rev = put_ok("g", R"({"grant":{"users":["ann"],"channels":["news"]}})");
  EXPECT_EQ(user("ann")->access.granted_at("news"), envelope("g").sequence);
  const Sequence first = envelope("g").sequence;
  const std::string next =
      put_ok("g", R"({"grant":{"users":["ann"],"channels":["news","b"]}})", rev);
  EXPECT_EQ(user("ann")->access.granted_at("news"), first);  // without interruption since
  EXPECT_EQ(user("ann")->access.granted_at("b"), envelope("g").sequence);
  put_ok("g", R"({"_deleted":true})", next);
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
  expect_all_accounted_for();
}

TEST_F(PrincipalStoreTest, SeveralDocumentsGrantTheSameChannel) {
  put_user("ann");
  const std::string first = put_ok("g1", R"({"grant":{"users":"ann","channels":"news"}})");
  put_ok("g2", R"({"grant":{"users":"ann","channels":"news"}})");
  put_ok("g1", "{}", first);
  EXPECT_EQ(user("ann")->access.granted_at("news"), envelope("g2").sequence);
}

TEST_F(PrincipalStoreTest, AGrantMayComeBeforeItsUser) {
  put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  put_user("ann");
  EXPECT_EQ(user("ann")->access.granted_at("news"), envelope("g").sequence);
}

// sync_gateway#75: a grant written just before the read counts; the cache writer is not needed.
TEST_F(PrincipalStoreTest, AGrantCountsBeforeStableReachesIt) {
  put_user("ann");
  env_.run(db_->stop_cache_writer());
  put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  EXPECT_LT(db_->stable(), envelope("g").sequence);
}

// R5b: rebuilt from the cache alone, for however many documents grant.
TEST_F(PrincipalStoreTest, RightsAreBuiltWithoutReadingDocuments) {
  put_user("ann");
  for (int i = 0; i < 30; ++i)
    put_ok("g" + std::to_string(i),
           R"({"grant":{"users":"ann","channels":"c)" + std::to_string(i) + "\"}}");
  reopen();
  counting_.reset();
  EXPECT_EQ(user("ann")->access.channels().size(), 31u);
  EXPECT_EQ(counting_.count<operation::Get>(KeyKind::document), 0u);
}

TEST_F(PrincipalStoreTest, RightsAreRememberedUntilTheAccessCounterMoves) {
  put_user("ann");
  user("ann");
  const auto builds = db_->principals().builds();
  put_ok("a", R"({"channels":["news"]})");
  user("ann");
  EXPECT_EQ(db_->principals().builds(), builds);
  put_ok("g", R"({"grant":{"users":"ann","channels":"news"}})");
  user("ann");
  EXPECT_EQ(db_->principals().builds(), builds + 1);
}

TEST_F(PrincipalStoreTest, ManyLoadsAtOnceBuildOnce) {
  put_user("ann", {"news"});
  const auto before = db_->principals().builds();
  std::vector<Task<Result<std::shared_ptr<const Principal>>>> loads;
  for (int i = 0; i < 100; ++i) loads.push_back(db_->principals().load("ann"));
  for (const auto& loaded : env_.run(when_all(env_, std::move(loads)))) EXPECT_TRUE(loaded);
  EXPECT_EQ(db_->principals().builds(), before + 1);
}

// A grant whose cache work is still under way is not there yet, and nothing is remembered.
TEST_F(PrincipalStoreTest, AnUnfinishedGrantIsNotRemembered) {
  put_user("ann");
  user("ann");
  bucket_.hold_feeds();
  bucket_.inject({.matches = writes_of_kind(KeyKind::sequence_document),
                  .code = Errc::unavailable,
                  .times = 9});
  EXPECT_EQ(
      DatabaseFixture::put("g", R"({"grant":{"users":"ann","channels":"news"}})").error().code,
      Errc::timeout_unknown_outcome);
  const auto builds = db_->principals().builds();
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
  EXPECT_EQ(db_->principals().builds(), builds + 2);
  bucket_.clear();
  bucket_.release();
  expect_all_accounted_for();
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
}

// I7: what somebody else wrote, and could not put in force, is not acknowledged as "no change".
TEST_F(PrincipalStoreTest, AnUnchangedUserIsInForceWhenAcknowledged) {
  put_user("ann", {"news"});
  EXPECT_TRUE(user("ann")->access.can_read_channel("news"));
  bucket_.hold_feeds();
  for (const KeyKind kind : {KeyKind::block, KeyKind::access_counter})
    bucket_.inject({.matches = writes_of_kind(kind), .code = Errc::unavailable, .times = SIZE_MAX});
  UserUpdate update;
  update.admin_channels = std::set<std::string>();
  EXPECT_FALSE(env_.run(db_->principals().put_user("ann", update)));
  bucket_.clear();
  const auto again = env_.run(db_->principals().put_user("ann", update));
  ASSERT_TRUE(again) << again.error().context;
  EXPECT_FALSE(again->is_changed);
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
}

TEST_F(PrincipalStoreTest, ARoleGivesItsChannelsToThoseWhoHaveIt) {
  put_user("ann", {}, {"editor"});
  EXPECT_FALSE(user("ann")->access.can_read_channel("drafts"));
  const auto role = put_role("editor", {"drafts"});
  ASSERT_TRUE(role);
  EXPECT_EQ(user("ann")->access.granted_at("drafts"), role->sequence);
  EXPECT_THAT(user("ann")->roles, ElementsAre("editor"));
  EXPECT_EQ(user("ann")->hidden_channels.size(), 2u);
  put_ok("g", R"({"grant":{"users":"role:editor","channels":"secret"}})");
  EXPECT_TRUE(user("ann")->access.can_read_channel("secret"));
  ASSERT_TRUE(env_.run(db_->principals().delete_role("editor")));
  EXPECT_FALSE(user("ann")->access.can_read_channel("drafts"));
}

// What a failover may undo, until stable has come there (B5).
TEST_F(PrincipalStoreTest, RightsTellWhereTheyWereNarrowed) {
  const auto narrowed_at = [this] { return user("ann")->narrowed_at; };
  ASSERT_TRUE(put_role("editor", {"drafts"}));
  const UserWrite made = put_user("ann", {}, {"editor"});
  EXPECT_EQ(narrowed_at(), made.sequence);
  const std::string rev = put_ok("g", R"({"grant":{"users":"ann","channels":["drafts","news"]}})");
  EXPECT_EQ(narrowed_at(), made.sequence);
  // The document's grant, which is later, takes over from the role's.
  const Sequence granted_at = envelope("g").sequence;
  const auto emptied = put_role("editor", {});
  ASSERT_TRUE(emptied);
  EXPECT_EQ(user("ann")->access.granted_at("drafts"), granted_at);
  EXPECT_EQ(narrowed_at(), granted_at);
  put_ok("g", "{}", rev);
  EXPECT_EQ(narrowed_at(), envelope("g").sequence);
}

TEST_F(PrincipalStoreTest, ADocumentGrantsARole) {
  put_user("ann");
  ASSERT_TRUE(put_role("editor", {"drafts"}));
  put_ok("g", R"({"roles":{"users":"ann","roles":"role:editor"}})");
  EXPECT_EQ(user("ann")->access.granted_at("drafts"), envelope("g").sequence);
}

TEST_F(PrincipalStoreTest, ADeletedUserIsGoneAtOnceAndCanBeMadeAgain) {
  put_user("ann", {"news"});
  user("ann");
  ASSERT_TRUE(env_.run(db_->principals().delete_user("ann")));
  EXPECT_EQ(load_error("ann"), Errc::not_found);
  EXPECT_EQ(env_.run(db_->principals().delete_user("ann")).error().code, Errc::not_found);
  EXPECT_TRUE(put_user("ann").is_created);
  EXPECT_FALSE(user("ann")->access.can_read_channel("news"));
  expect_all_accounted_for();
}

TEST_F(PrincipalStoreTest, ADisabledUserCannotDoAnything) {
  ASSERT_TRUE(put("ann", parsed(R"({"password":"secret","admin_channels":["news"]})")));
  EXPECT_EQ(log_in("ann", "secret"), Errc::ok);
  ASSERT_TRUE(put("ann", parsed(R"({"disabled":true})")));
  EXPECT_EQ(load_error("ann"), Errc::unauthorized);
  EXPECT_EQ(log_in("ann", "secret"), Errc::unauthorized);
  EXPECT_TRUE(env_.run(db_->principals().inspect("ann"))->get()->access.can_read_channel("news"));
}

TEST_F(PrincipalStoreTest, PasswordsAreChecked) {
  ASSERT_TRUE(put("ann", parsed(R"({"password":"secret"})")));
  ASSERT_TRUE(put("bob", {}));
  EXPECT_EQ(log_in("ann", "secret"), Errc::ok);
  EXPECT_EQ(log_in("ann", "wrong"), Errc::unauthorized);
  EXPECT_EQ(log_in("nobody", "secret"), Errc::unauthorized);
  EXPECT_EQ(log_in("bob", ""), Errc::unauthorized);
  EXPECT_EQ(log_in("", ""), Errc::unauthorized);
  ASSERT_TRUE(put("ann", parsed(R"({"password":"other"})")));
  EXPECT_EQ(log_in("ann", "secret"), Errc::unauthorized);
}

TEST_F(PrincipalStoreTest, TheGuestIsAsConfigured) {
  EXPECT_EQ(env_.run(db_->principals().guest()).error().code, Errc::unauthorized);
  DatabaseConfig config = *db_->config();
  config.guest = {false, {"open"}};
  ASSERT_TRUE(env_.run(db_->reconfigure(config)));
  const auto guest = env_.run(db_->principals().load("")).value();
  EXPECT_TRUE(guest->is_guest());
  EXPECT_EQ(guest->access.granted_at("open"), Sequence(1));
}

TEST_F(PrincipalStoreTest, AGuestsGrantIsMadeUpForAfterACrash) {
  DatabaseConfig config = *db_->config();
  config.guest = {false, {"news"}};
  ASSERT_TRUE(env_.run(db_->prepare(config)));
  ASSERT_TRUE(env_.run(catalog_.update("db", config)));
  reopen(false);
  const PassStart pass = env_.run(db_->cache_reader().start_pass()).value();
  const auto guest = env_.run(db_->principals().load("", pass)).value();
  const auto granted = guest->access.granted_at("news");
  ASSERT_TRUE(granted);
  EXPECT_GT(*granted, Sequence(1)) << "who has read on before gets the backfill";
}

// sync_gateway PR 7316: concurrent updates of one user lose no number.
TEST_F(PrincipalStoreTest, ConcurrentUpdatesOfOneUserLeaveNoGap) {
  put_user("ann");
  std::vector<Task<Result<UserWrite>>> updates;
  for (int i = 0; i < 8; ++i) {
    UserUpdate update;
    update.email = "ann" + std::to_string(i) + "@example.org";
    updates.push_back(db_->principals().put_user("ann", std::move(update)));
  }
  for (const auto& written : env_.run(when_all(env_, std::move(updates)))) EXPECT_TRUE(written);
  expect_all_accounted_for();
}

TEST_F(PrincipalStoreTest, AnOvertakenNumberIsReleased) {
  put_user("ann");
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::principal), .effect = FaultBucket::Effect::hold});
  std::vector<Task<Result<UserWrite>>> updates;
  UserUpdate slow;
  slow.email = "slow@example.org";
  updates.push_back(db_->principals().put_user("ann", slow));
  updates.push_back(put_after_hold());
  for (const auto& written : env_.run(when_all(env_, std::move(updates)))) EXPECT_TRUE(written);
  EXPECT_EQ(user("ann")->sequence, Sequence(5));  // 3 was overtaken by 4
  EXPECT_EQ(counting_.count<operation::Insert>(KeyKind::released), 1u);
  EXPECT_EQ(env_.run(db_->principals().get_user("ann"))->email, "slow@example.org");
  expect_all_accounted_for();
}

TEST_F(PrincipalStoreTest, AnUnknownOutcomeIsReadBackOrTold) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::principal),
                  .moment = FaultBucket::Moment::after,
                  .code = Errc::timeout_unknown_outcome});
  EXPECT_TRUE(put("ann", {}));
  EXPECT_TRUE(user("ann"));
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::principal), .code = Errc::timeout_unknown_outcome});
  EXPECT_EQ(put("bob", {}).error().code, Errc::timeout_unknown_outcome);
  EXPECT_EQ(counting_.count<operation::Insert>(KeyKind::released), 0u);
}

TEST_F(PrincipalStoreTest, UsersAreListedInOrder) {
  for (const std::string_view name : {"dora", "ann", "carl", "bob"}) put_user(name);
  ASSERT_TRUE(put_role("editor", {}));
  ASSERT_TRUE(env_.run(db_->principals().delete_user("carl")));
  EXPECT_THAT(*env_.run(db_->principals().list_users("", 10)), ElementsAre("ann", "bob", "dora"));
  EXPECT_THAT(*env_.run(db_->principals().list_users("b", 1)), ElementsAre("bob"));
}

// sync_gateway#2258: entries of users are left out of every feed, so that all of them are alike.
TEST_F(PrincipalStoreTest, AUserIsNoDocumentForAnybody) {
  put_user("ann");
  const auto entry = entries(ChannelId::of_principal("user:ann")).front();
  EXPECT_EQ(entry.document->entry.doc_id, DocId("_user/ann"));
  EXPECT_TRUE(entry.document->entry.is_principal());
  EXPECT_FALSE(is_visible(entry.document->entry, EffectiveAccess::admin()));
  EXPECT_TRUE(names("*").empty());
}

// A late user write is renumbered like a document's (R9).
TEST_F(PrincipalStoreTest, ALateUserWriteGetsAFreshNumber) {
  bucket_.inject(
      {.matches = writes_of_kind(KeyKind::principal), .effect = FaultBucket::Effect::hold});
  EXPECT_EQ(put("ann", {}).error().code, Errc::timeout_unknown_outcome);
  const TimePoint limit = env_.now() + seconds(20);
  while (db_->stable() < Sequence(2) && env_.now() < limit) env_.run(env_.sleep_for(seconds(1)));
  bucket_.release();
  env_.run(env_.sleep_for(seconds(1)));
  EXPECT_GT(user("ann")->sequence, Sequence(2));
  EXPECT_EQ(entries(ChannelId::of_principal("user:ann")).front().sequence, user("ann")->sequence);
}

}  // namespace
}  // namespace headgate
