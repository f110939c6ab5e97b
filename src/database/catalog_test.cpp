// SPDX-License-Identifier: Apache-2.0
#include "database/catalog.hpp"

#include <gmock/gmock.h>

#include "base/manual_environment.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CatalogTest : public testing::Test {
 protected:
  DatabaseId create(std::string_view name, DatabaseConfig config = {}) {
    auto entry = env_.run(catalog_.create(std::string(name), std::move(config)));
    EXPECT_TRUE(entry) << entry.error().context;
    return entry ? entry->id : DatabaseId();
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    const auto entries = env_.run(catalog_.list()).value();
    for (const DatabaseEntry& entry : entries) names.push_back(entry.name);
    return names;
  }

  ManualEnvironment env_;
  MemoryStore store_;
  MemoryBucket memory_{env_, store_};
  FaultBucket bucket_{env_, memory_};
  DatabaseCatalog catalog_{env_, bucket_, bucket_};
};

TEST_F(CatalogTest, TheServersUuidIsConstant) {
  const std::string uuid = env_.run(catalog_.open()).value();
  EXPECT_EQ(uuid.size(), 32u);
  EXPECT_EQ(uuid.find_first_not_of("0123456789abcdef"), std::string::npos);
  DatabaseCatalog again(env_, bucket_, bucket_);
  bucket_.inject({.matches = writes_of_kind(KeyKind::database), .code = Errc::no_space});
  EXPECT_EQ(env_.run(again.open()).value(), uuid) << "also on a full disk";
}

TEST_F(CatalogTest, AFullDiskIsNamedToTheFirstServer) {
  bucket_.inject({.matches = writes_of_kind(KeyKind::database), .code = Errc::no_space});
  EXPECT_EQ(env_.run(catalog_.open()).error().code, Errc::no_space);
}

TEST_F(CatalogTest, DatabasesAreListedByName) {
  for (const std::string_view name : {"news", "db", "a/b"}) create(name);
  EXPECT_THAT(names(), ElementsAre("a/b", "db", "news"));
  for (int i = 0; i < 250; ++i) create("many" + std::to_string(i));
  EXPECT_EQ(names().size(), 253u);
}

TEST_F(CatalogTest, AnExistingNameIsRefused) {
  create("db");
  EXPECT_EQ(env_.run(catalog_.create("db", {})).error().code, Errc::exists);
}

TEST_F(CatalogTest, ANumberIsNeverUsedTwice) {
  const DatabaseId first = create("db");
  ASSERT_TRUE(env_.run(catalog_.remove("db")));
  EXPECT_EQ(env_.run(catalog_.get("db")).error().code, Errc::not_found);
  EXPECT_EQ(env_.run(catalog_.remove("db")).error().code, Errc::not_found);
  EXPECT_NE(create("db"), first);
}

TEST_F(CatalogTest, RemovalTakesTheDatabasesValues) {
  const Key key{create("db"), KeyKind::document, "t", "a"};
  const auto soon = env_.now() + std::chrono::seconds(1);
  ASSERT_TRUE(env_.run(bucket_.insert(key, "x", {}, soon)).ok());
  ASSERT_TRUE(env_.run(catalog_.remove("db")));
  EXPECT_EQ(env_.run(bucket_.get(key, soon)).status, Errc::not_found);
}

// A crash in the middle of a removal: the next open, or the next create, finishes it.
TEST_F(CatalogTest, ARemovalThatWasCutShortIsFinished) {
  for (const std::string_view name : {"db", "other"}) {
    create(name);
    const Key key{env_.run(catalog_.get(std::string(name)))->id, KeyKind::document, "t", "a"};
    const auto soon = env_.now() + std::chrono::seconds(1);
    ASSERT_TRUE(env_.run(bucket_.insert(key, "x", {}, soon)).ok());
    bucket_.inject({.matches = [](const Operation& o) {
      return std::holds_alternative<operation::Remove>(o);
    }});
    EXPECT_FALSE(env_.run(catalog_.remove(std::string(name))));
  }
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(env_.run(catalog_.get("db")).error().code, Errc::not_found);
  create("other");
  ASSERT_TRUE(env_.run(catalog_.open()));
  EXPECT_THAT(names(), ElementsAre("other"));
  create("db");
}

TEST_F(CatalogTest, AConfigurationIsStoredAndChanged) {
  DatabaseConfig config;
  config.sync = "function (doc) { channel(doc.team); }";
  config.cache_writes = CacheWrites::feed;
  create("db", config);
  EXPECT_EQ(env_.run(catalog_.get("db"))->config, config);
  config.cache_writes = CacheWrites::frontend;
  ASSERT_TRUE(env_.run(catalog_.update("db", config)));
  EXPECT_EQ(env_.run(catalog_.get("db"))->config, config);
  config.block_format = BlockFormat::indexed;
  EXPECT_EQ(env_.run(catalog_.update("db", config)).error().code, Errc::invalid_argument);
  EXPECT_EQ(env_.run(catalog_.update("absent", {})).error().code, Errc::not_found);
}

TEST_F(CatalogTest, ASyncFunctionThatDoesNotCompileIsRefused) {
  DatabaseConfig config;
  config.sync = "function (doc) { channel(";
  EXPECT_EQ(env_.run(catalog_.create("db", config)).error().code, Errc::invalid_argument);
  EXPECT_TRUE(names().empty());
}

TEST(DatabaseNameTest, NamesAreThoseOfCouchDb) {
  for (const std::string_view good : {"a", "db", "a1_$()+-/z"})
    EXPECT_TRUE(check_database_name(good));
  EXPECT_TRUE(check_database_name(std::string(238, 'a')));
  for (const std::string_view bad : {"", "A", "aB", "1a", "_users", "a b", "a.b", "\xc3\xa4"})
    EXPECT_EQ(check_database_name(bad).error().code, Errc::invalid_argument) << bad;
  EXPECT_FALSE(check_database_name(std::string(239, 'a')));
}

TEST(DatabaseConfigTest, WhatIsPrintedIsReadBack) {
  DatabaseConfig config;
  config.sync = "function (doc) { channel(\"a\"); }";
  config.allow_conflicts = false;
  config.guest = {false, {"a", "!"}};
  config.durability = Durability::memory;
  config.changes_mode = ReadMode::stable;
  config.removals = Removals::deleted;
  config.revs_limit = 7;
  config.max_bulk_docs = 5;
  config.block_format = BlockFormat::indexed;
  config.block_capacity = 4;
  config.star_channel = false;
  config.cache_writes = CacheWrites::feed;
  config.gap_timeout = std::chrono::milliseconds(10);
  EXPECT_EQ(DatabaseConfig::parse(config.print()).value(), config);
  EXPECT_EQ(DatabaseConfig::parse(DatabaseConfig{}.print()).value(), DatabaseConfig{});
  EXPECT_EQ(DatabaseConfig::parse("").value(), DatabaseConfig{});
}

TEST(DatabaseConfigTest, WhatIsWrongIsNamed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"([])", "must be an object"},
      {R"({"synch":""})", R"("synch" is not a known setting)"},
      {R"({"sync":1})", R"("sync" must be the source text)"},
      {R"({"allow_conflicts":"no"})", R"("allow_conflicts" must be true or false)"},
      {R"({"block_format":"list"})", R"("block_format" must be "append" or "indexed")"},
      {R"({"block_capacity":0})", R"("block_capacity" must be a whole number from 1 to)"},
      {R"({"guest":{"enabled":true}})", R"("guest" "enabled" is not a known setting)"},
      {R"({"guest":{"admin_channels":["a,b"]}})", R"("guest" "admin_channels")"},
      {R"({"revs_limit":5})", R"("revs_limit" must be at least 20)"},
      {R"({"poll_ms":1.5})", R"("poll_ms" must be a whole number)"},
      {R"({"sync":"","sync":""})", R"("sync" is given twice)"},
  };
  for (const auto& [text, message] : cases) {
    const auto config = DatabaseConfig::parse(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, Errc::invalid_argument);
    EXPECT_THAT(config.error().context, HasSubstr(message));
  }
  EXPECT_EQ(DatabaseConfig::parse("{").error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace headgate
