// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "bucket/decorator/time_holding_bucket.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"
#include "database/error_paths_fixture.hpp"

namespace headgate {

enum class Store : std::uint8_t { memory, rocksdb };

/// The embedded store with all that it needs.
class EmbeddedBucket final : public Bucket {
 public:
  explicit EmbeddedBucket(ManualEnvironment& environment)
      : store_(RocksStore::open({.directory = directory_ / "store",
                                 .block_cache_bytes = 1u << 20,
                                 .write_buffer_bytes = 1u << 20,
                                 .free_bytes_min = 1})
                   .value()),
        bucket_(environment, *store_),
        holding_(environment, bucket_) {}

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override {
    return holding_.pipeline(std::move(operations), deadline);
  }
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override {
    return holding_.scan(std::move(scan), deadline);
  }
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override {
    return holding_.barrier(deadline);
  }
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override {
    return holding_.open_feed(database, std::move(positions));
  }
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override {
    return holding_.drop_database(database, deadline);
  }
  PartitionNumber partition_of(const Key& key) const override { return bucket_.partition_of(key); }
  std::size_t partition_count() const override { return bucket_.partition_count(); }
  std::vector<HistoryId> histories() const override { return bucket_.histories(); }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<RocksStore> store_;
  RocksBucket bucket_;
  TimeHoldingBucket holding_;
};

struct Setting {
  const char* name;
  Store store;
  BlockFormat format;
  CacheWrites cache_writes = CacheWrites::frontend;
};
inline constexpr Setting kSettings[] = {
    {"AppendInMemory", Store::memory, BlockFormat::append},
    {"IndexedInMemory", Store::memory, BlockFormat::indexed},
    {"FeedInMemory", Store::memory, BlockFormat::append, CacheWrites::feed},
    {"AppendOnRocksDb", Store::rocksdb, BlockFormat::append},
};

/// Of documents, principals and the database itself, on each store and in each form of the cache.
class ErrorPathsTest : public ErrorPathsFixture,
                       public testing::WithParamInterface<std::tuple<Setting, CallFailure>> {
 protected:
  ErrorPathsTest() : ErrorPathsFixture(config_of(setting()), make_bucket(setting())) {}

  static Setting setting() { return std::get<0>(GetParam()); }
  static DatabaseConfig config_of(const Setting& setting) {
    DatabaseConfig config = scripted();
    config.block_format = setting.format;
    config.cache_writes = setting.cache_writes;
    return config;
  }
  static MakeBucket make_bucket(const Setting& setting) {
    if (setting.store == Store::memory) return {};
    return [](ManualEnvironment& environment) {
      return std::make_unique<EmbeddedBucket>(environment);
    };
  }

  void run_all(const std::vector<Case>& cases) { run_cases(cases, std::get<1>(GetParam())); }

  // --- Documents ---

  std::vector<Errc> put_now(const std::string& id, std::string_view body,
                            std::string_view rev = {}) {
    return {code(put(id, body, rev))};
  }
  /// The winner's body says so.
  std::vector<bool> has(const std::string& id, std::string_view what) {
    const auto shown = get(id);
    return {shown && shown->json.find(what) != std::string::npos};
  }
  void make(const std::string& id) { revs_[id] = put_ok(id, R"({"channels":["news"],"v":"one"})"); }

  std::vector<Errc> codes(const std::vector<Result<WriteAnswer>>& answers) {
    std::vector<Errc> all;
    for (const auto& answer : answers) all.push_back(code(answer));
    return all;
  }

  // --- Principals ---

  std::vector<Errc> put_user_now(const std::string& name, std::set<std::string> channels) {
    UserUpdate update;
    update.admin_channels = std::move(channels);
    return {code(env_.run(db_->principals().put_user(name, std::move(update))))};
  }
  bool user_reads(const std::string& name, const std::string& channel) {
    const auto loaded = env_.run(db_->principals().inspect(name));
    return loaded && (*loaded)->access.can_read_channel(channel);
  }

  std::map<std::string, std::string> revs_;
  int count_ = 0;
};

}  // namespace headgate
