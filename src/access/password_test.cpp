// SPDX-License-Identifier: Apache-2.0
#include "access/password.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"

namespace headgate {
namespace {

constexpr int kTestCost = 4;

std::string hashed(std::string_view password, PasswordSalt salt = {1, 2}) {
  return *hash_password(password, salt, kTestCost);
}

TEST(Password, MatchesItsHashOnly) {
  const std::string hash = hashed("secret");
  EXPECT_THAT(hash, testing::StartsWith("$2b$04$"));
  EXPECT_TRUE(matches_password("secret", hash));
  EXPECT_FALSE(matches_password("Secret", hash));
  EXPECT_FALSE(matches_password("secret ", hash));
  EXPECT_FALSE(matches_password("", hash));
}

TEST(Password, MatchesAHashMadeElsewhere) {
  // A published test vector of bcrypt.
  EXPECT_TRUE(
      matches_password("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

TEST(Password, TheSaltMakesTheHash) {
  EXPECT_EQ(hashed("secret", {1, 2}), hashed("secret", {1, 2}));
  EXPECT_NE(hashed("secret", {1, 2}), hashed("secret", {1, 3}));
}

TEST(Password, LengthIsBoundedInsteadOfCut) {
  EXPECT_FALSE(check_password("ab"));
  EXPECT_TRUE(check_password("abc"));
  const std::string longest(kMaxPasswordBytes, 'x');
  EXPECT_TRUE(matches_password(longest, hashed(longest)));
  EXPECT_EQ(hash_password(longest + "y", {}, kTestCost).error().code, Errc::invalid_argument);
  EXPECT_FALSE(matches_password(longest + "y", hashed(longest)));
}

TEST(Password, AZeroByteDoesNotCutIt) {
  const std::string_view password("abc\0def", 7);
  EXPECT_FALSE(check_password(password));
  EXPECT_FALSE(matches_password(password, hashed("abc")));
}

TEST(Password, AStrangeHashMatchesNothing) {
  for (const char* hash :
       {"", "*", "*0", "secret", "$2b$", "$2b$04$short", "$1$abc$def", "$2b$99$x"})
    EXPECT_FALSE(matches_password("secret", hash)) << hash;
}

TEST(Password, AStrangeCostIsRefused) {
  EXPECT_EQ(hash_password("secret", {}, 3).error().code, Errc::invalid_argument);
  EXPECT_EQ(hash_password("secret", {}, 32).error().code, Errc::invalid_argument);
}

TEST(VerifiedCredentials, AreKnownByUserHashAndPasswordTogether) {
  VerifiedCredentials verified({1, 2}, 10);
  verified.insert(verified.digest("alice", "$2b$h", "secret"));
  EXPECT_TRUE(verified.contains(verified.digest("alice", "$2b$h", "secret")));
  EXPECT_FALSE(verified.contains(verified.digest("bob", "$2b$h", "secret")));
  EXPECT_FALSE(verified.contains(verified.digest("alice", "$2b$i", "secret")));
  EXPECT_FALSE(verified.contains(verified.digest("alice", "$2b$h", "secre")));
  EXPECT_FALSE(verified.contains(verified.digest("alic", "e$2b$h", "secret")));
}

TEST(VerifiedCredentials, TheLeastRecentlyUsedGoFirst) {
  VerifiedCredentials verified({1, 2}, 2);
  const auto a = verified.digest("a", "h", "p");
  const auto b = verified.digest("b", "h", "p");
  const auto c = verified.digest("c", "h", "p");
  verified.insert(a);
  verified.insert(b);
  EXPECT_TRUE(verified.contains(a));
  verified.insert(c);
  EXPECT_EQ(verified.size(), 2u);
  EXPECT_TRUE(verified.contains(a));
  EXPECT_FALSE(verified.contains(b));
  EXPECT_TRUE(verified.contains(c));
}

TEST(VerifiedCredentials, DigestsOfTwoCachesDiffer) {
  EXPECT_NE(VerifiedCredentials({1, 2}, 2).digest("a", "h", "p"),
            VerifiedCredentials({1, 3}, 2).digest("a", "h", "p"));
}

class PasswordVerifierTest : public testing::Test {
 protected:
  bool verify(const std::string& password) {
    return *env_.run(verifier_.verify("alice", hash_, password));
  }
  static Task<void> verify_later(PasswordVerifier& verifier, std::string hash, std::string password,
                                 std::vector<Errc>& outcomes) {
    const auto is_right = co_await verifier.verify("alice", hash, password);
    outcomes.push_back(!is_right   ? is_right.error().code
                       : *is_right ? Errc::ok
                                   : Errc::unauthorized);
  }

  static Task<void> give_up(std::unique_ptr<TaskScope>& tasks) {
    tasks.reset();
    co_return;
  }

  ManualEnvironment env_;
  PasswordVerifier verifier_{env_};
  std::string hash_ = hashed("secret");
};

TEST_F(PasswordVerifierTest, RightCredentialsCostOneHash) {
  EXPECT_TRUE(verify("secret"));
  EXPECT_TRUE(verify("secret"));
  EXPECT_EQ(verifier_.hashes_computed(), 1u);
}

TEST_F(PasswordVerifierTest, AChangedHashMakesThemUnknown) {
  EXPECT_TRUE(verify("secret"));
  hash_ = hashed("changed");
  EXPECT_FALSE(verify("secret"));
  EXPECT_TRUE(verify("changed"));
}

TEST_F(PasswordVerifierTest, WhatCannotBeRightCostsNothing) {
  EXPECT_FALSE(verify("ab"));
  hash_.clear();
  EXPECT_FALSE(verify("secret"));
  EXPECT_EQ(verifier_.hashes_computed(), 0u);
}

TEST_F(PasswordVerifierTest, EqualCredentialsAtOneTimeAreCheckedOnce) {
  for (const char* password : {"secret", "wrong"}) {
    std::vector<Errc> outcomes;
    TaskScope tasks(env_);
    for (int i = 0; i < 5; ++i) tasks.spawn(verify_later(verifier_, hash_, password, outcomes));
    env_.run(tasks.join());
    const bool is_right = std::string_view(password) == "secret";
    EXPECT_EQ(outcomes, std::vector<Errc>(5, is_right ? Errc::ok : Errc::unauthorized));
  }
  EXPECT_EQ(verifier_.hashes_computed(), 2u);
}

TEST_F(PasswordVerifierTest, AGivenUpCheckStopsNobody) {
  std::vector<Errc> given_up_outcomes;
  std::vector<Errc> outcomes;
  auto given_up = std::make_unique<TaskScope>(env_);
  given_up->spawn(verify_later(verifier_, hash_, "secret", given_up_outcomes));
  TaskScope waiting(env_);
  waiting.spawn(verify_later(verifier_, hash_, "secret", outcomes));
  waiting.spawn(give_up(given_up));  // after both began, before the worker is done
  env_.run(waiting.join());
  EXPECT_THAT(given_up_outcomes, testing::IsEmpty());
  EXPECT_THAT(outcomes, testing::ElementsAre(Errc::ok));
  EXPECT_EQ(verifier_.hashes_computed(), 2u);
}

TEST_F(PasswordVerifierTest, TooManyAtOnceAreRefused) {
  std::vector<Errc> outcomes;
  TaskScope tasks(env_);
  for (std::size_t i = 0; i <= PasswordVerifier::kMaxRunning; ++i)
    tasks.spawn(verify_later(verifier_, hash_, "wrong" + std::to_string(i), outcomes));
  env_.run(tasks.join());
  EXPECT_EQ(std::ranges::count(outcomes, Errc::overloaded), 1);
  EXPECT_EQ(std::ranges::count(outcomes, Errc::unauthorized), PasswordVerifier::kMaxRunning);
}

}  // namespace
}  // namespace headgate
