// SPDX-License-Identifier: Apache-2.0
#include "api/database_directory.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/manual_environment.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

/// A store with databases d0, d1, ... and a directory that has been opened on it.
class DatabaseDirectoryTest : public testing::Test {
 protected:
  static constexpr std::size_t kDatabases = 10;

  DatabaseDirectoryTest() {
    open();
    for (std::size_t i = 0; i < kDatabases; ++i)
      EXPECT_TRUE(env_.run(directory_->create(fmt::format("d{}", i), {})));
    close();
    open();
  }
  ~DatabaseDirectoryTest() override {
    bucket_.clear();
    bucket_.release();
    close();
  }

  void open() {
    directory_.emplace(DatabaseDirectory::Dependencies{env_, bucket_, bucket_});
    EXPECT_TRUE(env_.run(directory_->open()));
  }
  void close() {
    env_.run(directory_->stop());
    directory_.reset();
    env_.run_ready();
  }

  void fail_starts(std::size_t times) {
    bucket_.inject({.matches = writes_of_kind(KeyKind::stable_copy), .times = times});
  }
  std::size_t running() { return directory_->running().size(); }
  /// Lets time pass until so many databases run, without anybody asking for one.
  bool eventually_running(std::size_t count, seconds within = seconds(30)) {
    const TimePoint give_up = env_.now() + within;
    while (running() != count && env_.now() < give_up) env_.run(env_.sleep_for(milliseconds(50)));
    return running() == count;
  }
  Task<void> find_into(std::string name, std::optional<Errc>& into) {
    const auto lease = co_await directory_->find(std::move(name));
    into = lease ? Errc::ok : lease.error().code;
  }
  Errc find(std::string_view name) {
    std::optional<Errc> found;
    env_.run(find_into(std::string(name), found));
    return found.value();
  }

  ManualEnvironment env_;
  MemoryStore store_;
  MemoryBucket memory_{env_, store_};
  FaultBucket bucket_{env_, memory_};
  std::optional<DatabaseDirectory> directory_;
};

TEST_F(DatabaseDirectoryTest, AllDatabasesAreStartedWithoutAClient) {
  EXPECT_EQ(running(), 0u);
  directory_->start_all();
  EXPECT_TRUE(eventually_running(kDatabases));
}

// The background takes the last names first.
TEST_F(DatabaseDirectoryTest, AFewAtATimeAndARequestWaitsForItsOwnOnly) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::stable_copy),
                  .effect = FaultBucket::Effect::hold,
                  .times = 4});
  directory_->start_all();
  env_.run_ready();
  EXPECT_EQ(bucket_.held(), 4u);
  EXPECT_EQ(running(), 0u);
  EXPECT_EQ(find("d0"), Errc::ok);
  EXPECT_EQ(bucket_.held(), 4u);
  bucket_.release();
  EXPECT_TRUE(eventually_running(kDatabases));
}

TEST_F(DatabaseDirectoryTest, WhatCannotStartIsTriedAgainWithoutAClient) {
  fail_starts(6);
  directory_->start_all();
  EXPECT_TRUE(eventually_running(kDatabases));
}

TEST_F(DatabaseDirectoryTest, ACatalogThatCannotBeReadIsReadAgain) {
  bucket_.fail_calls(Errc::unavailable, 0, 2);
  directory_->start_all();
  EXPECT_TRUE(eventually_running(kDatabases));
}

TEST_F(DatabaseDirectoryTest, StoppingWaitsForNoRetry) {
  fail_starts(SIZE_MAX);
  directory_->start_all();
  env_.run(env_.sleep_for(seconds(20)));
  const TimePoint before = env_.now();
  env_.run(directory_->stop());
  EXPECT_LT(env_.now() - before, seconds(1));
}

TEST_F(DatabaseDirectoryTest, AFullDiskIsToldAsThat) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::stable_copy), .code = Errc::no_space});
  EXPECT_EQ(find("d0"), Errc::no_space);
}

TEST_F(DatabaseDirectoryTest, ANewDatabaseThatDoesNotStartIsStartedLater) {
  fail_starts(1);
  EXPECT_EQ(env_.run(directory_->create("late", {})).error().code, Errc::unavailable);
  EXPECT_TRUE(eventually_running(1));
}

TEST_F(DatabaseDirectoryTest, AConfigurationThatCannotBeAppliedStartsTheDatabaseAnew) {
  ASSERT_EQ(find("d0"), Errc::ok);
  DatabaseConfig config;
  config.cache_writes = CacheWrites::feed;
  fail_starts(3);
  const auto refused = env_.run(directory_->reconfigure("d0", config));
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_THAT(refused.error().context, HasSubstr("is stored"));
  env_.run_ready();
  EXPECT_TRUE(eventually_running(1));
  const Database& database = directory_->running().front().database;
  EXPECT_EQ(database.config()->cache_writes, CacheWrites::feed);
  EXPECT_TRUE(database.cache_writer_statistics().is_in_charge);
  EXPECT_EQ(find("d0"), Errc::ok);
}

TEST_F(DatabaseDirectoryTest, RequestsWaitWhileADatabaseStartsAnew) {
  auto lease = env_.run(directory_->find("d0")).value();
  DatabaseConfig config;
  config.cache_writes = CacheWrites::feed;
  fail_starts(1);
  ASSERT_FALSE(env_.run(directory_->reconfigure("d0", config)));
  env_.run_ready();
  std::optional<Errc> found;
  TaskScope scope(env_);
  scope.spawn(find_into("d0", found));
  env_.run_ready();
  EXPECT_EQ(running(), 0u);
  EXPECT_FALSE(found) << "the old one still serves a request";
  lease = {};
  env_.run(scope.join());
  EXPECT_EQ(found, Errc::ok);
}

}  // namespace
}  // namespace headgate
