// SPDX-License-Identifier: Apache-2.0
#include "access/login_limiter.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/manual_environment.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;

class LoginLimiterTest : public testing::Test {
 protected:
  void fail(const LoginLimiter::Account& account, int times) {
    for (int i = 0; i < times; ++i) limiter_.failed(account);
  }
  void pass(seconds time) { env_.run(env_.sleep_for(time)); }

  ManualEnvironment env_;
  LoginLimiter limiter_{env_};
  const LoginLimiter::Account ann_{"db", "ann", "192.0.2.1"};
};

TEST_F(LoginLimiterTest, TenWrongPasswordsBlockAnAccountForAWhile) {
  fail(ann_, 9);
  EXPECT_FALSE(limiter_.blocked_for(ann_));
  fail(ann_, 1);
  ASSERT_TRUE(limiter_.blocked_for(ann_));
  const seconds wait = *limiter_.blocked_for(ann_);
  EXPECT_LE(wait, seconds(6));
  pass(wait);
  EXPECT_FALSE(limiter_.blocked_for(ann_));
  fail(ann_, 1);
  EXPECT_TRUE(limiter_.blocked_for(ann_)) << "then one at a time";
  pass(seconds(60));
  fail(ann_, 9);
  EXPECT_FALSE(limiter_.blocked_for(ann_));
}

TEST_F(LoginLimiterTest, OthersAreNotDisturbed) {
  fail(ann_, 50);
  EXPECT_FALSE(limiter_.blocked_for({"db", "bob", ann_.address}));
  EXPECT_FALSE(limiter_.blocked_for({"db", "ann", "192.0.2.2"}));
  EXPECT_FALSE(limiter_.blocked_for({"other", "ann", ann_.address}));
}

TEST_F(LoginLimiterTest, GuessesFromManyAddressesAreCountedTogether) {
  for (int i = 0; i < 100; ++i) fail({"db", "ann", fmt::format("192.0.2.{}", i)}, 1);
  EXPECT_TRUE(limiter_.blocked_for({"db", "ann", "198.51.100.1"}));
  EXPECT_FALSE(limiter_.blocked_for({"db", "bob", "198.51.100.1"}));
}

TEST_F(LoginLimiterTest, AnIpv6NetworkIsOneAddress) {
  for (int i = 0; i < 10; ++i) fail({"db", "ann", fmt::format("2001:db8:1:2::{:x}", i)}, 1);
  EXPECT_TRUE(limiter_.blocked_for({"db", "ann", "2001:db8:1:2::ffff"}));
  EXPECT_FALSE(limiter_.blocked_for({"db", "ann", "2001:db8:1:3::1"}));
}

TEST_F(LoginLimiterTest, TheWaitIsBounded) {
  fail(ann_, 100'000);
  ASSERT_TRUE(limiter_.blocked_for(ann_));
  EXPECT_LE(*limiter_.blocked_for(ann_), seconds(1'000));
}

}  // namespace
}  // namespace headgate
