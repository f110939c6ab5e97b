// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/manual_environment.hpp"
#include "bucket/decorator/counting_bucket.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;

class Decorators : public testing::Test {
 protected:
  static Key key(std::string name, KeyKind kind = KeyKind::block) {
    return {DatabaseId(1), kind, "t", std::move(name)};
  }
  std::vector<Reply> append_to(std::vector<std::string> names, Deadline deadline = kNoDeadline) {
    std::vector<Operation> operations;
    for (std::string& name : names) operations.push_back(operation::Append{key(name), "x"});
    return environment_.run(faults_.pipeline(std::move(operations), deadline));
  }
  bool is_there(std::string name) {
    return environment_.run(inner_.get(key(std::move(name)), kNoDeadline)).ok();
  }
  static FaultBucket::Matches name_is(std::string name) {
    return [name](const Operation& o) { return key_of(o).name == name; };
  }

  ManualEnvironment environment_;
  MemoryStore store_;
  MemoryBucket inner_{environment_, store_};
  FaultBucket faults_{environment_, inner_};
};

TEST_F(Decorators, CountsStepsAndOperations) {
  CountingBucket counting(inner_);
  environment_.run(counting.append(key("a"), "x", {}, kNoDeadline));
  environment_.run(counting.get_many({key("a"), key("b", KeyKind::stable)}, kNoDeadline));
  EXPECT_EQ(counting.pipelines(), 2u);
  EXPECT_EQ(counting.operations(), 3u);
  EXPECT_EQ(counting.count<operation::Get>(), 2u);
  EXPECT_EQ(counting.count<operation::Get>(KeyKind::stable), 1u);
  EXPECT_EQ(counting.count<operation::Append>(KeyKind::stable), 0u);
  counting.reset();
  EXPECT_EQ(counting.operations(), 0u);
}

TEST_F(Decorators, FailsBeforeOrAfterTheMatchingOperation) {
  faults_.inject({.matches = name_is("b"), .code = Errc::no_space});
  faults_.inject({.matches = name_is("c"),
                  .moment = FaultBucket::Moment::after,
                  .code = Errc::timeout_unknown_outcome});
  const auto replies = append_to({"a", "b", "c", "d"});
  EXPECT_EQ(replies[0].status, Errc::ok);
  EXPECT_EQ(replies[1].status, Errc::no_space);
  EXPECT_EQ(replies[2].status, Errc::timeout_unknown_outcome);
  EXPECT_EQ(replies[3].status, Errc::ok);
  EXPECT_FALSE(is_there("b"));
  EXPECT_TRUE(is_there("c"));
  EXPECT_EQ(faults_.struck(), 2u);
  EXPECT_TRUE(append_to({"b"})[0].ok());
}

TEST_F(Decorators, FailsTheNthOfThem) {
  faults_.inject({.matches = writes_of_kind(KeyKind::block), .skip = 1, .times = 2});
  const auto replies = append_to({"a", "b", "c", "d"});
  EXPECT_TRUE(replies[0].ok());
  EXPECT_EQ(replies[1].status, Errc::unavailable);
  EXPECT_EQ(replies[2].status, Errc::unavailable);
  EXPECT_TRUE(replies[3].ok());
}

TEST_F(Decorators, FailsWholeCalls) {
  faults_.fail_calls(Errc::unavailable, 1);
  EXPECT_TRUE(append_to({"a"})[0].ok());
  EXPECT_EQ(environment_.run(faults_.barrier(kNoDeadline)).error().code, Errc::unavailable);
  EXPECT_TRUE(environment_.run(faults_.barrier(kNoDeadline)));
}

Task<void> append_later(Bucket& bucket, Key key, Deadline deadline, std::optional<Reply>& into) {
  into = co_await bucket.append(std::move(key), "x", {}, deadline);
}

TEST_F(Decorators, HoldsAnOperationUntilItIsReleased) {
  faults_.inject({.matches = name_is("a"), .effect = FaultBucket::Effect::hold});
  std::optional<Reply> reply;
  TaskScope calls(environment_);
  calls.spawn(append_later(faults_, key("a"), kNoDeadline, reply));
  environment_.run_ready();
  EXPECT_EQ(faults_.held(), 1u);
  EXPECT_FALSE(reply);
  EXPECT_FALSE(is_there("a"));
  faults_.release();
  environment_.run_ready();
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->ok());
  EXPECT_EQ(faults_.held(), 0u);
}

TEST_F(Decorators, AHeldOperationIsCarriedOutLateWhenItsCallerGaveUp) {
  faults_.inject({.matches = name_is("a"), .effect = FaultBucket::Effect::hold});
  const auto replies = append_to({"a"}, environment_.now() + seconds(1));
  EXPECT_EQ(replies[0].status, Errc::timeout_unknown_outcome);
  EXPECT_FALSE(is_there("a"));
  environment_.run_ready();
  faults_.release();
  environment_.run_ready();
  EXPECT_TRUE(is_there("a"));
}

TEST_F(Decorators, HoldsAFeed) {
  const auto feed = std::move(*faults_.open_feed(DatabaseId(1), {}));
  environment_.run(inner_.insert(key("a"), "x", {.feed_entry = "a"}, kNoDeadline));
  faults_.hold_feeds();
  EXPECT_TRUE(environment_.run(feed->next(1, environment_.now() + seconds(1)))->empty());
  faults_.release();
  EXPECT_EQ(environment_.run(feed->next(1, kNoDeadline))->size(), 1u);
}

Task<void> take_next(MutationFeed& feed, std::size_t& taken, Deadline deadline) {
  const auto entries = co_await feed.next(1, deadline);
  taken = entries->size();
}

TEST_F(Decorators, HoldsAFeedWhoseReaderWaitsAlready) {
  const auto feed = std::move(*faults_.open_feed(DatabaseId(1), {}));
  const FeedPositions before = feed->positions();
  std::size_t taken = 99;
  TaskScope scope(environment_);
  scope.spawn(take_next(*feed, taken, environment_.now() + seconds(5)));
  environment_.run(environment_.sleep_for(seconds(1)));
  faults_.hold_feeds();
  environment_.run(inner_.insert(key("a"), "x", {.feed_entry = "a"}, kNoDeadline));
  environment_.run(scope.join());
  EXPECT_EQ(taken, 0u);
  EXPECT_EQ(feed->positions(), before);
  faults_.release();
  EXPECT_EQ(environment_.run(feed->next(1, kNoDeadline))->size(), 1u);
  EXPECT_NE(feed->positions(), before);
}

TEST_F(Decorators, StopsTheProcessInTheMiddleOfAPipeline) {
  faults_.inject({.matches = name_is("b"), .effect = FaultBucket::Effect::exit_process});
  EXPECT_EXIT(append_to({"a", "b"}), testing::ExitedWithCode(FaultBucket::kExitStatus), "");
}

}  // namespace
}  // namespace headgate
