// SPDX-License-Identifier: Apache-2.0
// What one document costs on Redis, counted: operations and round trips, by the process that has to
// do them. docs/scale.md has the table that this prints.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/task_scope.hpp"
#include "bucket/decorator/counting_bucket.hpp"
#include "bucket/redis/redis_fixture.hpp"
#include "database/database.hpp"

namespace headgate {
namespace {

constexpr std::size_t kDocuments = 256;
constexpr std::size_t kWriters = 64;
/// Where the machine stands still for a moment, the cache writer takes the front end for dead.
constexpr std::size_t kRepairsMost = kDocuments / 8;
/// Steps of a node that has nothing to do, while so many documents are written.
constexpr std::size_t kPollsMost = kDocuments / 4;

class Nobody final : public ChangeListener {
 public:
  void channels_changed(const std::vector<ChannelId>&) override {}
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}
};

/// One process: connections of its own, counted.
struct Site {
  Site(AsioDriver& driver, const RedisServer& server, const DatabaseEntry& entry)
      : bucket(open_bucket(driver, {.addresses = {server.address()}})),
        counting(*bucket),
        database({driver.environment(), counting, counting, nobody, Deployment::cluster}, entry) {}

  std::unique_ptr<RedisBucket> bucket;
  CountingBucket counting;  ///< base and cache
  Nobody nobody;
  Database database;
};

/// Of all documents of a run.
struct Cost {
  std::size_t document_operations = 0;
  std::size_t draws = 0;
  std::size_t appends = 0;
  std::size_t counters = 0;
  std::size_t sequence_documents = 0;  ///< written
  std::size_t checks = 0;              ///< sequence documents read
  std::size_t round_trips = 0;
  std::size_t steps = 0;  ///< round trips that were waited for one after the other

  std::size_t cache_operations() const {
    return draws + appends + counters + sequence_documents + checks;
  }
  std::size_t operations() const { return document_operations + cache_operations(); }

  static Cost of(const Site& site) {
    Cost cost;
    const auto documents = [&](auto operation) {
      return site.counting.count<decltype(operation)>(KeyKind::document);
    };
    cost.document_operations = documents(operation::Get{}) + documents(operation::Insert{}) +
                               documents(operation::Replace{});
    cost.draws = site.counting.count<operation::Increment>(KeyKind::sequence_counter);
    cost.appends = site.counting.count<operation::Append>(KeyKind::block);
    cost.counters = site.counting.count<operation::Increment>(KeyKind::channel_counter);
    cost.sequence_documents = site.counting.count<operation::Insert>(KeyKind::sequence_document);
    cost.checks = site.counting.count<operation::Get>(KeyKind::sequence_document);
    cost.round_trips = site.counting.pipelines();
    cost.steps = site.counting.steps();
    return cost;
  }
};

struct Workload {
  CacheWrites cache_writes;
  std::size_t channels;
  std::size_t writers;  ///< at once
};

WriteItem item_of(std::size_t number, std::size_t channels) {
  std::string body = "{\"channels\":[";
  for (std::size_t i = 0; i < channels; ++i)
    body += fmt::format("{}\"c{}\"", i == 0 ? "" : ",", (number + i) % 16);
  WriteItem item;
  item.id = DocId(fmt::format("d{}", number));
  item.document = parse_document(body + "]}").value();
  return item;
}

Task<void> write_every(Database& database, Workload run, std::size_t first) {
  for (std::size_t i = first; i < kDocuments; i += run.writers) {
    const auto answer =
        co_await database.writer().write_one(Principal::admin(), item_of(i, run.channels));
    EXPECT_TRUE(answer) << answer.error().context;
  }
}

class OperationCounts : public testing::Test {
 protected:
  struct Costs {
    Cost front_end;
    Cost cache_writer;
  };

  Costs measure(Workload run) {
    auto bucket = open_bucket(driver_, {.addresses = {server_.address()}});
    DatabaseCatalog catalog(driver_.environment(), *bucket, *bucket);
    EXPECT_TRUE(driver_.get(catalog.open()));
    DatabaseConfig config;
    config.durability = Durability::memory;
    config.cache_writes = run.cache_writes;
    config.star_channel = false;
    const auto entry =
        driver_.get(catalog.create(fmt::format("db{}", ++databases_), config)).value();
    Site front_end(driver_, server_, entry);
    Site cache_writer(driver_, server_, entry);
    driver_.run(work(front_end, cache_writer, run));
    print(run);
    return counted_;
  }

  Task<void> work(Site& front_end, Site& cache_writer, Workload run) {
    EXPECT_TRUE(co_await cache_writer.database.start());
    EXPECT_TRUE(co_await cache_writer.database.start_cache_writer());
    EXPECT_TRUE(co_await front_end.database.start());
    // The first write learns what it needs.
    EXPECT_TRUE(co_await front_end.database.writer().write_one(Principal::admin(),
                                                               item_of(kDocuments, 16)));
    co_await settle(front_end, cache_writer);
    front_end.counting.reset();
    cache_writer.counting.reset();
    TaskScope writers(driver_.environment());
    for (std::size_t i = 0; i < run.writers; ++i)
      writers.spawn(write_every(front_end.database, run, i));
    co_await writers.join();
    co_await settle(front_end, cache_writer);
    counted_ = {Cost::of(front_end), Cost::of(cache_writer)};
    co_await front_end.database.stop();
    co_await cache_writer.database.stop();
  }

  Task<void> settle(Site& front_end, Site& cache_writer) {
    const Deadline limit = driver_.environment().now() + std::chrono::seconds(30);
    while (cache_writer.database.stable() < front_end.database.highest() &&
           driver_.environment().now() < limit)
      co_await driver_.environment().sleep_for(std::chrono::milliseconds(1));
    EXPECT_GE(cache_writer.database.stable(), front_end.database.highest());
  }

  void print(const Workload& run) const {
    const auto per = [](std::size_t count) {
      return static_cast<double>(count) / static_cast<double>(kDocuments);
    };
    const Cost& f = counted_.front_end;
    const Cost& w = counted_.cache_writer;
    fmt::print("| {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {} |\n",
               run.cache_writes == CacheWrites::feed ? "feed" : "frontend", run.channels,
               run.writers, per(f.operations()), per(f.round_trips), per(f.steps),
               per(w.operations()), per(w.round_trips), 3 * run.channels + 2);
    std::fflush(stdout);
  }

  AsioDriver driver_;
  RedisServer server_;
  int databases_ = 0;
  Costs counted_;
};

// The work of the one cache writer does not grow with the channels, and it is shared by what the
// feed shows at once; that of a front end is its own.
TEST_F(OperationCounts, FrontEndsDoTheCacheWork) {
  for (const std::size_t channels : {1u, 4u}) {
    for (const std::size_t writers : {std::size_t{1}, kWriters}) {
      const Costs costs = measure({CacheWrites::frontend, channels, writers});
      EXPECT_EQ(costs.front_end.document_operations, 2 * kDocuments);
      EXPECT_EQ(costs.front_end.appends, channels * kDocuments);
      EXPECT_EQ(costs.front_end.counters, channels * kDocuments);
      EXPECT_EQ(costs.front_end.sequence_documents, kDocuments);
      EXPECT_LE(costs.front_end.draws, kDocuments);
      // While the document is read the number is drawn; then base, blocks with counters, sequence
      // document.
      if (writers == 1) EXPECT_LE(costs.front_end.steps, 4 * kDocuments + kPollsMost);
      EXPECT_LE(costs.cache_writer.appends, kRepairsMost);
      EXPECT_LE(costs.cache_writer.counters, kRepairsMost);
      EXPECT_LE(costs.cache_writer.sequence_documents, kRepairsMost);
      EXPECT_LE(costs.cache_writer.checks, 4 * kDocuments);
      EXPECT_EQ(costs.cache_writer.document_operations, 0u);
    }
  }
}

TEST_F(OperationCounts, FromTheFeedTheCacheWriterDoesItForAll) {
  for (const std::size_t channels : {1u, 4u}) {
    for (const std::size_t writers : {std::size_t{1}, kWriters}) {
      const Costs costs = measure({CacheWrites::feed, channels, writers});
      EXPECT_EQ(costs.front_end.document_operations, 2 * kDocuments);
      EXPECT_EQ(costs.front_end.appends, 0u);
      if (writers == 1) EXPECT_LE(costs.front_end.steps, 2 * kDocuments + kPollsMost);
      EXPECT_EQ(costs.front_end.sequence_documents, 0u);
      EXPECT_GT(costs.cache_writer.appends, 0u);
      EXPECT_EQ(costs.cache_writer.sequence_documents, kDocuments);
    }
  }
}

}  // namespace
}  // namespace headgate
