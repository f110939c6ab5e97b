// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/manual_environment.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// An empty store for one contract test; hands out buckets on it.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual std::unique_ptr<Bucket> open(Environment& environment) = 0;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};

/// The contract of bucket.hpp, sentence by sentence. An adapter's tests compile the contract_*.cpp
/// files in and instantiate this suite with its own StoreKind.
class BucketContract : public testing::TestWithParam<StoreKind> {
 protected:
  BucketContract() : store_(GetParam().make()), bucket_(store_->open(environment_)) {}

  static constexpr DatabaseId kDatabase{7};

  static Key key(std::string name, KeyKind kind = KeyKind::document, std::string tag = "tag") {
    return {kDatabase, kind, std::move(tag), std::move(name)};
  }
  static WriteOptions with_entry(std::string entry) { return {.feed_entry = std::move(entry)}; }

  template <class T>
  T run(Task<T> task) {
    return environment_.run(std::move(task));
  }
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

  ManualEnvironment environment_;
  std::unique_ptr<StoreUnderTest> store_;
  std::unique_ptr<Bucket> bucket_;
};

}  // namespace headgate
