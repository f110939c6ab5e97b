// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "base/manual_environment.hpp"
#include "bucket/rocksdb/fault_file_system.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"

namespace headgate {

/// A store on a disk with faults, and a bucket on it.
class RocksTest : public testing::Test {
 protected:
  static constexpr DatabaseId kDatabase{7};
  static constexpr WriteOptions kDurable{.durability = Durability::disk};

  ~RocksTest() override { disk_.files->release_syncs(); }

  static Key key(std::string name, KeyKind kind = KeyKind::document) {
    return {kDatabase, kind, "tag", std::move(name)};
  }
  static WriteOptions with_entry(std::string entry, Durability durability) {
    return {.durability = durability, .feed_entry = std::move(entry)};
  }

  RocksOptions options() {
    RocksOptions options{.directory = directory_ / "store", .env = disk_.env.get()};
    options.block_cache_bytes = 8u << 20;
    options.write_buffer_bytes = 8u << 20;
    return options;
  }
  void open() { open(options()); }
  void open(const RocksOptions& with) {
    auto store = RocksStore::open(with);
    ASSERT_TRUE(store) << store.error().context;
    store_ = std::move(*store);
    bucket_ = std::make_unique<RocksBucket>(environment_, *store_);
  }
  void close() {
    bucket_.reset();
    store_.reset();
  }

  template <class T>
  T run(Task<T> task) {
    return environment_.run(std::move(task));
  }
  Reply get(Key k) { return run(bucket_->get(std::move(k), kNoDeadline)); }
  Reply insert(Key k, std::string value, WriteOptions with = {}) {
    return run(bucket_->insert(std::move(k), std::move(value), std::move(with), kNoDeadline));
  }
  Reply append(Key k, std::string bytes) {
    return run(bucket_->append(std::move(k), std::move(bytes), {}, kNoDeadline));
  }
  std::unique_ptr<MutationFeed> open_feed(FeedPositions from = {}) {
    return std::move(*bucket_->open_feed(kDatabase, std::move(from)));
  }

  /// Waits in real time for another thread.
  template <class Condition>
  static bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  FaultDisk disk_;
  TemporaryDirectory directory_;
  ManualEnvironment environment_;
  std::unique_ptr<RocksStore> store_;
  std::unique_ptr<RocksBucket> bucket_;
};

}  // namespace headgate
