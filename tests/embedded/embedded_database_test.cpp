// SPDX-License-Identifier: Apache-2.0
// A database on the embedded store: what only a disk and threads can show.
#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "base/task_scope.hpp"
#include "bucket/rocksdb/rocks_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"
#include "database/database.hpp"
#include "net/asio_environment.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;

/// One process: its threads, store and database. The database is used on the event loop's thread
/// alone.
class Node : public ChangeListener {
 public:
  explicit Node(const std::string& directory)
      : store_(RocksStore::open({.directory = directory, .free_bytes_min = 1}).value()),
        bucket_(environment_, *store_),
        catalog_(environment_, bucket_, bucket_),
        loop_([this] { environment_.run(); }) {}
  ~Node() override {
    environment_.stop();
    loop_.join();
    db_.reset();
    workers_.stop();
  }

  /// Runs `task` on the event loop and waits for it.
  template <class T>
  T run(Task<T> task) {
    auto done = std::make_shared<std::promise<T>>();
    auto value = done->get_future();
    environment_.post_from_thread(
        [this, &task, done] { scope_.spawn(finish(std::move(task), done)); });
    return value.get();
  }
  Task<bool> create(DatabaseConfig config) {
    const auto opened = co_await catalog_.open();
    auto entry = co_await catalog_.create("db", std::move(config));
    co_return opened&& entry&& co_await start(*std::move(entry));
  }
  Task<bool> open() {
    const auto opened = co_await catalog_.open();
    auto entry = co_await catalog_.get("db");
    co_return opened&& entry&& co_await start(*std::move(entry));
  }
  Task<bool> stop() {
    co_await db_->stop();
    co_return true;
  }

  Task<Result<WriteAnswer>> put(std::string id, std::string body) {
    WriteItem item;
    item.id = DocId(std::move(id));
    item.document = parse_document(body).value();
    return db_->writer().write_one(Principal::admin(), std::move(item));
  }
  /// One after the other. The number that succeeded.
  Task<std::size_t> put_many(std::size_t count, std::string body) {
    std::size_t stored = 0;
    for (std::size_t i = 0; i < count; ++i)
      stored += co_await put("d" + std::to_string(i), body) ? 1 : 0;
    co_return stored;
  }
  Task<std::vector<std::string>> names(std::string channel) {
    const auto pass = co_await db_->cache_reader().start_pass();
    std::vector<ChannelQuery> queries{{ChannelId::of_documents(channel), Sequence()}};
    const auto pages =
        co_await db_->cache_reader().read(*pass, ReadMode::available, std::move(queries), 10'000);
    std::vector<std::string> names;
    for (const ChannelEntry& entry : pages->front().entries)
      names.push_back(entry.document->entry.doc_id.text());
    co_return names;
  }

  Database& db() { return *db_; }
  RocksStore& store() { return *store_; }
  Environment& environment() { return environment_; }

  void channels_changed(const std::vector<ChannelId>&) override {}
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}

 private:
  template <class T>
  static Task<void> finish(Task<T> task, std::shared_ptr<std::promise<T>> done) {
    done->set_value(co_await task);
  }
  Task<bool> start(DatabaseEntry entry) {
    db_ = std::make_unique<Database>(Database::Dependencies{environment_, bucket_, bucket_, *this},
                                     std::move(entry));
    co_return (co_await db_->start()).has_value();
  }

  WorkerPool workers_{2};
  AsioEnvironment environment_{workers_};
  std::unique_ptr<RocksStore> store_;
  RocksBucket bucket_;
  DatabaseCatalog catalog_;
  std::unique_ptr<Database> db_;
  TaskScope scope_{environment_};
  std::thread loop_;
};

class EmbeddedDatabaseTest : public testing::Test {
 protected:
  std::string directory() const { return directory_ / "data"; }
  TemporaryDirectory directory_;
};

TEST_F(EmbeddedDatabaseTest, EverythingIsThereAfterAReopen) {
  Sequence highest;
  {
    Node node(directory());
    ASSERT_TRUE(node.run(node.create({})));
    ASSERT_TRUE(node.run(node.put("a", R"({"channels":["news"]})")));
    UserUpdate update;
    update.password = "secret";
    update.admin_channels = {"news"};
    ASSERT_TRUE(node.run(node.db().principals().put_user("ann", update)));
    highest = node.db().highest();
    ASSERT_TRUE(node.run(node.stop()));
  }
  Node node(directory());
  ASSERT_TRUE(node.run(node.open()));
  EXPECT_EQ(node.db().highest(), highest);  // the rest of the horizon was given back
  EXPECT_THAT(node.run(node.names("news")), ElementsAre("a"));
  const auto ann = node.run(node.db().principals().authenticate("ann", "secret"));
  ASSERT_TRUE(ann);
  EXPECT_TRUE((*ann)->access.can_read_channel("news"));
  ASSERT_TRUE(node.run(node.put("b", R"({"channels":["news"]})")));
  EXPECT_THAT(node.run(node.names("news")), ElementsAre("a", "b"));
  ASSERT_TRUE(node.run(node.stop()));
}

// Design, section 3: one log, so that cache work costs no sync of its own.
TEST_F(EmbeddedDatabaseTest, ALonePutCostsOneSync) {
  Node node(directory());
  ASSERT_TRUE(node.run(node.create({})));
  ASSERT_TRUE(node.run(node.put("warm", R"({"channels":["news"]})")));
  const auto before = node.store().statistics();
  EXPECT_EQ(node.run(node.put_many(50, R"({"channels":["1","2","3","4","5","6","7"]})")), 50u);
  const auto after = node.store().statistics();
  EXPECT_EQ(after.wal_syncs - before.wal_syncs, 50u);
  ASSERT_TRUE(node.run(node.stop()));
}

TEST_F(EmbeddedDatabaseTest, InMemoryDurabilitySyncsOnlyForTheFeed) {
  Node node(directory());
  DatabaseConfig config;
  config.durability = Durability::memory;
  ASSERT_TRUE(node.run(node.create(config)));
  const auto before = node.store().statistics();
  EXPECT_EQ(node.run(node.put_many(50, "{}")), 50u);
  const auto after = node.store().statistics();
  EXPECT_EQ(after.wal_syncs - before.wal_syncs, after.feed_syncs - before.feed_syncs);
  ASSERT_TRUE(node.run(node.stop()));
}

TEST_F(EmbeddedDatabaseTest, ManyWritersAtOnceReachTheirChannelsAndStable) {
  Node node(directory());
  DatabaseConfig config;
  config.sync = "function (doc) { channel(doc.channels); }";
  config.block_capacity = 4;
  ASSERT_TRUE(node.run(node.create(config)));
  std::vector<Task<Result<WriteAnswer>>> writes;
  for (int i = 0; i < 300; ++i)
    writes.push_back(node.put("d" + std::to_string(i), R"({"channels":["news"]})"));
  for (const auto& answer : node.run(when_all(node.environment(), std::move(writes))))
    EXPECT_TRUE(answer);
  EXPECT_EQ(node.run(node.names("news")).size(), 300u);
  ASSERT_TRUE(node.run(node.stop()));
  EXPECT_EQ(node.db().stable(), node.db().highest());
  EXPECT_EQ(node.db().cache_writer_statistics().gaps_closed, 0u);
}

}  // namespace
}  // namespace headgate
