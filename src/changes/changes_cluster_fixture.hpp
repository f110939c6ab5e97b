// SPDX-License-Identifier: Apache-2.0
#pragma once

// A database on two nodes with shared stores, for tests of feeds.
#include <gmock/gmock.h>

#include "base/task_scope.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "changes/changes_fixture.hpp"

namespace headgate {

/// One node: buckets of its own on the shared store, a database and its feeds.
struct ClusterSite {
  ClusterSite(ManualEnvironment& environment, MemoryStore& base_store, MemoryStore& cache_store,
              DatabaseEntry entry)
      : base_memory(environment, base_store),
        cache_memory(environment, cache_store),
        base(environment, base_memory),
        cache(environment, cache_memory),
        hub(environment, {.deployment = Deployment::cluster}),
        database({environment, base, cache, hub, Deployment::cluster}, std::move(entry)),
        source(database) {}

  MemoryBucket base_memory;
  MemoryBucket cache_memory;
  FaultBucket base;
  FaultBucket cache;
  FeedHub hub;
  Database database;
  DatabaseChangesSource source;
};

class ChangesClusterTest : public testing::Test {
 protected:
  explicit ChangesClusterTest(std::optional<StableDurability> stable_durability = {},
                              bool has_star_channel = true) {
    MemoryBucket base(env_, base_store_);
    MemoryBucket cache(env_, cache_store_);
    DatabaseCatalog catalog(env_, base, cache);
    EXPECT_TRUE(env_.run(catalog.open()));
    DatabaseConfig config;
    config.block_capacity = 4;
    config.stable_durability = stable_durability;
    config.star_channel = has_star_channel;
    entry_ = env_.run(catalog.create("db", config)).value();
    a_ = open();
    b_ = open();
    const auto started = env_.run(a_->database.start_cache_writer());
    EXPECT_TRUE(started) << started.error().context;
    settle();
  }
  ~ChangesClusterTest() override {
    for (ClusterSite* site : {a_.get(), b_.get()}) {
      site->base.release();
      env_.run(site->hub.stop());
      env_.run_ready();
      env_.run(site->database.stop());
    }
    env_.run_ready();
  }

  std::unique_ptr<ClusterSite> open() {
    auto site = std::make_unique<ClusterSite>(env_, base_store_, cache_store_, entry_);
    EXPECT_TRUE(env_.run(site->database.start()));
    site->hub.start(site->source);
    return site;
  }
  void settle(std::chrono::nanoseconds time = std::chrono::seconds(3)) {
    for (auto past = time - time; past < time; past += std::chrono::milliseconds(5))
      env_.advance(std::chrono::milliseconds(5));
  }

  std::string put(ClusterSite& site, std::string_view id, std::string_view channel,
                  std::string_view rev = {}) {
    WriteItem item;
    item.id = DocId(std::string(id));
    item.document = parse_document("{\"channels\":[\"" + std::string(channel) + "\"]}").value();
    if (!rev.empty()) item.document.rev = parse_revision(rev).value();
    const auto answer =
        env_.run(site.database.writer().write_one(Principal::admin(), std::move(item)));
    EXPECT_TRUE(answer) << answer.error().context;
    return answer ? to_string(answer->rev) : std::string();
  }
  // The partition that holds the document loses its last writes.
  void lose(std::string_view id, std::size_t writes) {
    const auto partition =
        base_store_.partition_of(document_key(entry_.id, DocId(std::string(id))));
    ASSERT_GE(base_store_.operation_count(partition), writes);
    base_store_.fail_over(partition, base_store_.operation_count(partition) - writes);
  }

  Follower& follow(ClusterSite& site, FeedKind feed, std::string_view from,
                   std::shared_ptr<const Principal> reader = Principal::admin(),
                   std::optional<std::size_t> limit = {}) {
    ChangesOptions options;
    options.feed = feed;
    options.limit = limit;
    options.since = SequenceId::parse(from).value();
    followers_.push_back(
        std::make_unique<Follower>(site.source, site.hub, std::move(reader), std::move(options)));
    pumps_.spawn(pump(*followers_.back()));
    settle(std::chrono::milliseconds(5));
    return *followers_.back();
  }
  static Task<void> pump(Follower& follower) {
    while (!follower.has_ended && !follower.error) {
      auto batch = co_await follower.feed.next();
      if (!batch) {
        follower.error = batch.error();
        co_return;
      }
      for (const ChangesRow& row : batch->rows) follower.rows.push_back(SeenRow::parse(row.text()));
      follower.has_ended = batch->is_end;
      follower.last_seq = batch->last_seq.print();
    }
  }
  static std::vector<std::string> ids(const Follower& follower) {
    std::vector<std::string> ids;
    for (const SeenRow& row : follower.rows) ids.push_back(row.id + " " + row.revs.front());
    return ids;
  }
  // In another partition than the document "doc".
  DocId checkpoint_id() const {
    const auto partition = base_store_.partition_of(document_key(entry_.id, DocId("doc")));
    for (int i = 0;; ++i) {
      DocId id("_local/push" + std::to_string(i));
      if (base_store_.partition_of(local_document_key(entry_.id, id)) != partition) return id;
    }
  }
  Result<Revision> put_checkpoint(ClusterSite& site, std::string_view body) {
    ParsedDocument document = parse_document(body, {.is_local = true}).value();
    return env_.run(site.database.local_documents().put(checkpoint_id(), std::move(document)));
  }
  Errc checkpoint(ClusterSite& site) {
    const auto found = env_.run(site.database.local_documents().get(checkpoint_id()));
    return found ? Errc::ok : found.error().code;
  }

  ManualEnvironment env_;
  MemoryStore base_store_{3};
  MemoryStore cache_store_{3, HistoryId(1'000)};
  DatabaseEntry entry_;
  std::unique_ptr<ClusterSite> a_;
  std::unique_ptr<ClusterSite> b_;
  std::list<std::unique_ptr<Follower>> followers_;
  TaskScope pumps_{env_};
};

}  // namespace headgate
