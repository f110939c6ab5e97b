// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/manual_environment.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// Who turns the environment of a contract test.
class TestDriver {
 public:
  virtual ~TestDriver() = default;
  virtual Environment& environment() = 0;
  /// To its end; time moves on as needed.
  virtual void run(Task<void> task) = 0;
  /// What is ready, without moving time.
  virtual void run_ready() = 0;
  virtual void advance(std::chrono::nanoseconds by) = 0;
};

class ManualDriver final : public TestDriver {
 public:
  Environment& environment() override { return environment_; }
  void run(Task<void> task) override { environment_.run(std::move(task)); }
  void run_ready() override { environment_.run_ready(); }
  void advance(std::chrono::nanoseconds by) override { environment_.advance(by); }

 private:
  ManualEnvironment environment_;
};

/// An empty store for one contract test; hands out buckets on it.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual std::unique_ptr<Bucket> open(Environment& environment) = 0;
  /// Of the environment that the test opens its buckets with.
  virtual TestDriver& driver() { return manual_; }

 private:
  ManualDriver manual_;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};

/// The contract of bucket.hpp, sentence by sentence. An adapter's tests compile the contract_*.cpp
/// files in and instantiate this suite with its own StoreKind.
class BucketContract : public testing::TestWithParam<StoreKind> {
 protected:
  BucketContract()
      : store_(GetParam().make()),
        driver_(store_->driver()),
        environment_(driver_.environment()),
        bucket_(store_->open(environment_)) {}

  static constexpr DatabaseId kDatabase{7};

  static Key key(std::string name, KeyKind kind = KeyKind::document, std::string tag = "tag") {
    return {kDatabase, kind, std::move(tag), std::move(name)};
  }
  static WriteOptions with_entry(std::string entry) { return {.feed_entry = std::move(entry)}; }

  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& into) {
    into.emplace(co_await task);
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    driver_.run(keep(std::move(task), value));
    return std::move(*value);
  }
  void run(Task<void> task) { driver_.run(std::move(task)); }
  Reply get(Key k) { return run(bucket_->get(std::move(k), kNoDeadline)); }
  Reply get_range(Key k, std::uint64_t offset) {
    return run(bucket_->get_range(std::move(k), offset, kNoDeadline));
  }
  Reply insert(Key k, std::string value, WriteOptions options = {}) {
    return run(bucket_->insert(std::move(k), std::move(value), std::move(options), kNoDeadline));
  }
  Reply insert_if(Key k, std::string value, std::vector<Condition> conditions) {
    return run(
        bucket_->insert_if(std::move(k), std::move(value), std::move(conditions), {}, kNoDeadline));
  }
  Reply replace(Key k, std::string value, Cas cas, WriteOptions options = {}) {
    return run(
        bucket_->replace(std::move(k), std::move(value), cas, std::move(options), kNoDeadline));
  }
  Reply remove(Key k, Cas cas, WriteOptions options = {}) {
    return run(bucket_->remove(std::move(k), cas, std::move(options), kNoDeadline));
  }
  Reply append(Key k, std::string bytes, WriteOptions options = {}) {
    return run(bucket_->append(std::move(k), std::move(bytes), std::move(options), kNoDeadline));
  }
  Reply increment(Key k, std::uint64_t delta, WriteOptions options = {}) {
    return run(bucket_->increment(std::move(k), delta, std::move(options), kNoDeadline));
  }
  std::vector<Reply> pipeline(std::vector<Operation> operations) {
    return run(bucket_->pipeline(std::move(operations), kNoDeadline));
  }
  /// Names, in the order of the page.
  std::vector<std::string> scan(Bucket::Scan what);

  std::unique_ptr<MutationFeed> open_feed(FeedPositions from = {}, DatabaseId of = kDatabase);
  /// Reads until positions() has reached heads().
  std::vector<FeedEntry> drain(MutationFeed& feed);
  bool is_drained(MutationFeed& feed);

  std::unique_ptr<StoreUnderTest> store_;
  TestDriver& driver_;
  Environment& environment_;
  std::unique_ptr<Bucket> bucket_;
};

}  // namespace headgate
