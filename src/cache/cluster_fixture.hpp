// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "cache/cache_writer.hpp"

namespace headgate {

/// What a node of a cluster has of one database, with a small stand-in for the database room: a
/// document is a feed record under its name.
class ClusterNode final : public ChangeListener, public BaseRepair {
 public:
  static constexpr DatabaseId kDatabase{7};

  ClusterNode(Environment& environment, MemoryStore& base_store, MemoryStore& cache_store,
              CacheSettings settings)
      : base_memory_(environment, base_store),
        cache_memory_(environment, cache_store),
        base(environment, base_memory_),
        cache(environment, cache_memory_),
        space{environment, cache, kDatabase, settings, Deployment::cluster},
        allocator(environment, base, cache, kDatabase,
                  {.chunk = 50,
                   .timeout = settings.operation_timeout,
                   .deployment = Deployment::cluster,
                   .generation_changed = [this](std::uint32_t g) { space.generation = g; }}),
        reader(space, allocator),
        front_end(space, reader, *this),
        cache_writer({space, base, allocator, front_end, reader, *this, *this}) {}

  static Key doc_key(const std::string& name) {
    return Key{kDatabase, KeyKind::document, "d" + name, name};
  }

  // --- Writing, step by step (R1) ---

  struct Written {
    CacheWrite write;
    Allocation allocation;
  };
  /// What a front end has done that dies right after its base write.
  Task<Result<Written>> base_write(std::string name, std::set<std::string> channels,
                                   std::optional<Allocation> drawn = {},
                                   std::vector<Grant> grants = {}) {
    const Reply found = co_await base.get(doc_key(name), space.deadline());
    if (!found.ok() && found.status != Errc::not_found) co_return found.status;
    FeedRecord record = next_version(name, found, channels);
    record.entry.grants = std::move(grants);
    if (!drawn) {
      HG_CO_TRY(drawn, co_await allocator.allocate(1, found.ok() ? present_of(found) : Sequence()));
    }
    record.entry.sequence = drawn->first;
    HG_CO_TRY(CacheWrite write, co_await store(std::move(record), found.cas));
    co_return Written{std::move(write), *drawn};
  }
  Task<FrontEndCacheWriter::Outcome> cache_write(Written written) {
    std::vector<CacheWrite> writes{std::move(written.write)};
    const auto outcomes = co_await front_end.write(
        std::move(writes), {written.allocation.epoch, written.allocation.cache_histories});
    co_return outcomes.front();
  }
  Task<Result<Sequence>> put(std::string name, std::set<std::string> channels) {
    HG_CO_TRY(Written written, co_await base_write(std::move(name), std::move(channels)));
    const Sequence sequence = written.allocation.first;
    co_await cache_write(std::move(written));
    co_return sequence;
  }
  /// Takes a document away; the cache writer does the rest.
  Task<Result<Sequence>> purge(std::string name) {
    const Reply found = co_await base.get(doc_key(name), space.deadline());
    if (!found.ok()) co_return found.status;
    HG_CO_TRY(FeedRecord record, FeedRecord::decode(found.bytes));
    HG_CO_TRY(const auto drawn, co_await allocator.allocate(1, record.entry.sequence));
    remember_number(record);
    for (RecentSequence& earlier : record.recent) earlier.removals.clear();
    record.entry.channels.clear();
    record.entry.flags = CacheEntry::kPurged;
    record.entry.sequence = record.purged_to = drawn.first;
    HG_CO_CHECK(co_await store(std::move(record), found.cas));
    co_return drawn.first;
  }

  // --- What the database room would do ---

  void channels_changed(const std::vector<ChannelId>&) override { ++wakes; }
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override { ++wakes; }

  Task<Result<void>> resequence(Key key, Cas cas, Unlisted unlisted) override {
    const Reply found = co_await base.get(key, space.deadline());
    if (found.status == Errc::not_found || (found.ok() && found.cas != cas))
      co_return Result<void>();
    if (!found.ok()) co_return found.status;
    HG_CO_TRY(FeedRecord record, FeedRecord::decode(found.bytes));
    HG_CO_TRY(const auto drawn, co_await allocator.allocate(1, record.entry.sequence));
    unlisted.numbers.push_back(record.entry.sequence);
    remember_number(record);
    for (RecentSequence& earlier : record.recent) {
      const auto& numbers = unlisted.numbers;
      const bool is_unlisted =
          unlisted.is_everything_left ||
          std::find(numbers.begin(), numbers.end(), earlier.sequence) != numbers.end();
      if (!is_unlisted) continue;
      for (const ChannelId& channel : earlier.removals)
        if (!contains(record.entry.channels, channel) && !contains(record.entry.removals, channel))
          record.entry.removals.push_back(channel);
      earlier.removals.clear();
    }
    record.entry.sequence = drawn.first;
    auto written = co_await store(std::move(record), cas);
    if (!written && written.error().code == Errc::cas_mismatch) co_return Result<void>();
    if (!written) co_return written.error();
    ++resequences;
    std::vector<CacheWrite> writes{*std::move(written)};
    co_await front_end.write(std::move(writes), {drawn.epoch, drawn.cache_histories});
    co_return Result<void>();
  }
  Task<Result<Holding>> holds(CacheEntry entry) override {
    const Key key = doc_key(entry.doc_id.text());
    const Reply found = co_await base.get(key, space.deadline());
    if (!found.ok() && found.status != Errc::not_found) co_return found.status;
    Holding holding{false, base.partition_of(key), found.history};
    if (!found.ok()) co_return holding;
    HG_CO_TRY(const FeedRecord record, FeedRecord::decode(found.bytes));
    holding.is_held = record.entry.sequence == entry.sequence ||
                      std::any_of(record.recent.begin(), record.recent.end(),
                                  [&](const auto& r) { return r.sequence == entry.sequence; });
    co_return holding;
  }
  Task<Result<void>> finish_purge(Key key, Cas cas) override {
    WriteOptions options;
    options.feed_entry = std::string();
    const Reply removed = co_await base.remove(std::move(key), cas, options, space.deadline());
    const bool is_lost = removed.status == Errc::not_found || removed.status == Errc::cas_mismatch;
    if (!removed.ok() && !is_lost) co_return removed.status;
    co_return Result<void>();
  }
  Task<Result<void>> resequence_present(CacheEntry entry) override {
    const Key key = doc_key(entry.doc_id.text());
    const Reply found = co_await base.get(key, space.deadline());
    if (found.status == Errc::not_found) co_return Result<void>();
    if (!found.ok()) co_return found.status;
    co_return co_await resequence(key, found.cas, {.numbers = {entry.sequence}});
  }
  bool may_take_access(const Grant& grant) const override { return grant.given.empty(); }
  Task<Result<std::optional<CacheEntry>>> entry_for_rebuild(Key key, Cas cas) override {
    const Reply found = co_await base.get(key, space.deadline());
    if (found.status == Errc::not_found || (found.ok() && found.cas != cas))
      co_return std::optional<CacheEntry>();
    if (!found.ok()) co_return found.status;
    HG_CO_TRY(FeedRecord record, FeedRecord::decode(found.bytes));
    for (const RecentSequence& earlier : record.recent)
      for (const ChannelId& channel : earlier.removals)
        if (!contains(record.entry.channels, channel) && !contains(record.entry.removals, channel))
          record.entry.removals.push_back(channel);
    co_return std::optional<CacheEntry>(std::move(record.entry));
  }

 private:
  static bool contains(const std::vector<ChannelId>& all, const ChannelId& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
  }
  static Sequence present_of(const Reply& found) {
    return FeedRecord::decode(found.bytes).value().entry.sequence;
  }
  static void remember_number(FeedRecord& record) {
    RecentSequence earlier{record.entry.sequence, record.entry.removals, {}};
    for (const Grant& grant : record.entry.grants) earlier.grants.push_back(grant.principal);
    record.recent.push_back(std::move(earlier));
    record.entry.removals.clear();
    record.entry.grants.clear();
  }
  FeedRecord next_version(const std::string& name, const Reply& found,
                          const std::set<std::string>& channels) {
    FeedRecord record;
    int generation = 0;
    std::vector<ChannelId> before;
    if (found.ok()) {
      record = FeedRecord::decode(found.bytes).value();
      generation = std::stoi(record.entry.rev_id.text());
      before = record.entry.channels;
      remember_number(record);
    }
    record.entry.doc_id = DocId(name);
    record.entry.rev_id = RevId(std::to_string(generation + 1) + "-r");
    record.entry.channels.clear();
    for (const std::string& channel : channels)
      record.entry.channels.push_back(ChannelId::of_documents(channel));
    for (const ChannelId& channel : before)
      if (!contains(record.entry.channels, channel)) record.entry.removals.push_back(channel);
    return record;
  }
  Task<Result<CacheWrite>> store(FeedRecord record, Cas over) {
    const Key key = doc_key(record.entry.doc_id.text());
    const std::string bytes = record.encode();
    WriteOptions options;
    options.feed_entry = bytes;
    const Reply reply = over == Cas()
                            ? co_await base.insert(key, bytes, options, space.deadline())
                            : co_await base.replace(key, bytes, over, options, space.deadline());
    if (!reply.ok()) co_return reply.status;
    co_return CacheWrite{std::move(record.entry),
                         {base.partition_of(key), reply.position, reply.cas, reply.history}};
  }

  MemoryBucket base_memory_;
  MemoryBucket cache_memory_;

 public:
  FaultBucket base;
  FaultBucket cache;
  CacheSpace space;
  SequenceAllocator allocator;
  CacheReader reader;
  FrontEndCacheWriter front_end;
  CacheWriter cache_writer;
  int resequences = 0;
  int wakes = 0;
};

/// Several nodes on one store whose partitions fail over.
class ClusterFixture : public testing::Test {
 protected:
  static CacheSettings cluster_settings() {
    CacheSettings settings;
    settings.block_capacity = 4;
    settings.sequences_per_tag = 8;
    settings.has_star_channel = false;
    settings.operation_timeout = std::chrono::milliseconds(500);
    return settings;
  }

  ClusterFixture() : ClusterFixture(cluster_settings()) {}
  explicit ClusterFixture(CacheSettings settings, std::size_t partitions = 4)
      : settings_(settings),
        base_store_(partitions),
        cache_store_(partitions, HistoryId(1'000)),
        a_(node()),
        b_(node()) {}
  ~ClusterFixture() override {
    for (ClusterNode* n : {a_.get(), b_.get()}) {
      n->base.clear();
      n->cache.clear();
      n->base.release();
      n->cache.release();
      env_.run(n->cache_writer.stop());
    }
  }

  std::unique_ptr<ClusterNode> node() {
    auto made = std::make_unique<ClusterNode>(env_, base_store_, cache_store_, settings_);
    EXPECT_TRUE(env_.run(made->allocator.open()));
    return made;
  }
  void start(ClusterNode& node) {
    const auto started = env_.run(node.cache_writer.start());
    ASSERT_TRUE(started) << started.error().context;
  }

  // --- Failovers ---

  /// The partition goes on without its last `lost` writes.
  static void fail_over(MemoryStore& store, PartitionNumber partition, std::size_t lost) {
    ASSERT_LE(lost, store.operation_count(partition));
    store.fail_over(partition, store.operation_count(partition) - lost);
  }
  /// Of every partition what no barrier has covered is lost.
  static void lose_uncovered(MemoryStore& store) {
    for (std::uint32_t i = 0; i < store.partition_count(); ++i)
      store.fail_over(PartitionNumber(i), store.covered_count(PartitionNumber(i)));
  }
  PartitionNumber partition_of_doc(const std::string& name) const {
    return base_store_.partition_of(ClusterNode::doc_key(name));
  }
  PartitionNumber partition_of_channel(const std::string& name) const {
    return cache_store_.partition_of(a_->space.counter_key(ChannelId::of_documents(name)));
  }
  /// A channel alone in its partition, as far as the records of the protocol go.
  std::string channel_apart() const {
    const CacheSpace& space = a_->space;
    const std::set<PartitionNumber> taken{
        cache_store_.partition_of(space.stable_key()),
        cache_store_.partition_of(horizon_key(space.database, space.generation)),
        cache_store_.partition_of(space.sequence_key(Sequence(2)))};
    for (int i = 0;; ++i) {
      std::string name = "apart" + std::to_string(i);
      if (!taken.contains(partition_of_channel(name))) return name;
    }
  }

  // --- Writing and reading ---

  Sequence put(ClusterNode& node, const std::string& name, std::set<std::string> channels) {
    const auto done = env_.run(node.put(name, std::move(channels)));
    EXPECT_TRUE(done) << done.error().context;
    return done.value_or(Sequence());
  }
  ClusterNode::Written base_write(ClusterNode& node, const std::string& name,
                                  std::set<std::string> channels,
                                  std::optional<Allocation> drawn = {}) {
    return env_.run(node.base_write(name, std::move(channels), std::move(drawn))).value();
  }
  FrontEndCacheWriter::Outcome cache_write(ClusterNode& node, ClusterNode::Written written) {
    return env_.run(node.cache_write(std::move(written)));
  }
  Allocation allocate(ClusterNode& node) {
    return env_.run(node.allocator.allocate(1, Sequence())).value();
  }

  Task<Result<ChannelPage>> read_task(ClusterNode& node, ChannelId channel, Sequence since,
                                      ReadMode mode) {
    HG_CO_TRY(const PassStart pass, co_await node.reader.start_pass());
    HG_CO_TRY(auto pages, co_await node.reader.read(pass, mode, {{channel, since}}, 1'000));
    co_return std::move(pages.at(0));
  }
  /// "doc@sequence", with "-" before what left the channel; the error's name if it cannot be read.
  std::vector<std::string> names(ClusterNode& node, const std::string& channel,
                                 Sequence since = Sequence(), ReadMode mode = ReadMode::available) {
    const auto page = env_.run(read_task(node, ChannelId::of_documents(channel), since, mode));
    if (!page) return {std::string(to_string(page.error().code))};
    std::vector<std::string> found;
    for (const ChannelEntry& entry : page->entries)
      found.push_back((entry.is_removal ? "-" : "") + entry.document->entry.doc_id.text() + "@" +
                      std::to_string(entry.sequence.value()));
    return found;
  }
  static std::string at(const std::string& name, Sequence sequence) {
    return name + "@" + std::to_string(sequence.value());
  }

  Sequence stable(ClusterNode& node) {
    const auto pass = env_.run(node.reader.start_pass());
    return pass ? pass->stable : Sequence();
  }
  void run_for(std::chrono::nanoseconds time) {
    for (auto past = time - time; past < time; past += std::chrono::milliseconds(5))
      env_.advance(std::chrono::milliseconds(5));
  }
  /// Lets time pass until stable is at least `wanted`, or 20 s have gone.
  bool stable_reaches(ClusterNode& node, Sequence wanted) {
    for (int i = 0; i < 2'000; ++i) {
      if (stable(node) >= wanted) return true;
      env_.advance(std::chrono::milliseconds(10));
    }
    return false;
  }
  /// Lets time pass until the node's cache writer has finished another audit.
  bool is_audited(ClusterNode& node) {
    const auto before = node.cache_writer.statistics().audits;
    for (int i = 0; i < 2'000; ++i) {
      if (node.cache_writer.statistics().audits > before) return all_is_stable(node);
      env_.advance(std::chrono::milliseconds(10));
    }
    return false;
  }
  /// Until everything that was drawn is stable, under the histories of now.
  bool all_is_stable(ClusterNode& node) {
    for (int i = 0; i < 2'000; ++i) {
      const auto highest = env_.run(node.allocator.read_highest());
      if (highest && stable(node) >= *highest) return true;
      env_.advance(std::chrono::milliseconds(10));
    }
    return false;
  }

  ManualEnvironment env_;
  CacheSettings settings_;
  MemoryStore base_store_;
  MemoryStore cache_store_;
  std::unique_ptr<ClusterNode> a_;
  std::unique_ptr<ClusterNode> b_;
};

}  // namespace headgate
