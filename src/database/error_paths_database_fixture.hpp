// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "database/embedded_bucket_fixture.hpp"
#include "database/error_paths_fixture.hpp"

namespace headgate {

enum class Store : std::uint8_t { memory, rocksdb };

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
