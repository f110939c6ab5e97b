// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/sim_bucket.hpp"

namespace headgate {

/// A world with a store of one partition and two nodes, for tests of the simulator itself.
class SimStoreTest : public testing::Test {
 protected:
  static constexpr PartitionNumber kOnly{0};
  static constexpr DatabaseId kDatabase{1};
  static constexpr NodeNumber kFirst{1};
  static constexpr NodeNumber kSecond{2};

  explicit SimStoreTest(std::uint64_t seed = 1, std::size_t replicas = 1)
      : world_({.seed = seed}), store_(world_, {.partitions = 1, .replicas = replicas}) {}

  static Key key(std::string name) { return {kDatabase, KeyKind::document, "t", std::move(name)}; }
  static WriteOptions with_entry(std::string entry) { return {.feed_entry = std::move(entry)}; }
  Deadline in(std::chrono::nanoseconds duration) const { return world_.now() + duration; }

  /// By node a or b, within an hour.
  template <class T>
  T on_a(Task<T> task) {
    return *run_on(a_, std::move(task), std::chrono::hours(1));
  }
  template <class T>
  T on_b(Task<T> task) {
    return *run_on(b_, std::move(task), std::chrono::hours(1));
  }
  Reply insert(std::string name, WriteOptions options = {}) {
    return on_a(of_a_.insert(key(std::move(name)), "x", std::move(options), in(kTimeout)));
  }
  Reply append(std::string name, std::string bytes) {
    return on_a(of_a_.append(key(std::move(name)), std::move(bytes), {}, in(kTimeout)));
  }
  bool is_there(std::string name) { return store_.read(key(std::move(name))).ok(); }
  std::unique_ptr<MutationFeed> feed_of(Bucket& bucket, FeedPositions from = {}) {
    return std::move(*bucket.open_feed(kDatabase, std::move(from)));
  }
  Result<std::vector<FeedEntry>> next(MutationFeed& feed, std::size_t limit = 100) {
    return on_a(feed.next(limit, in(std::chrono::seconds(5))));
  }
  std::vector<std::string> next_bytes(MutationFeed& feed, std::size_t limit = 100) {
    std::vector<std::string> bytes;
    const auto entries = next(feed, limit);
    if (!entries) return {"error"};
    for (const FeedEntry& entry : *entries) bytes.push_back(entry.bytes);
    return bytes;
  }
  std::uint64_t faults(std::string_view kind) const {
    const auto found = world_.faults().find(kind);
    return found == world_.faults().end() ? 0 : found->second;
  }

  static constexpr std::chrono::seconds kTimeout{5};
  SimWorld world_;
  SimStore store_;
  SimEnvironment a_{world_, kFirst};
  SimEnvironment b_{world_, kSecond};
  SimBucket of_a_{a_, store_};
  SimBucket of_b_{b_, store_};
};

}  // namespace headgate
