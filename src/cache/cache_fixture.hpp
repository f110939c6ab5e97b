// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
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

/// A whole cache on memory buckets for tests, with a small stand-in for the database room: its
/// documents are a name, a revision number and a set of channels.
class CacheFixture : public testing::Test, public ChangeListener, public BaseRepair {
 protected:
  struct Doc {
    std::string rev;
    std::set<std::string> channels;
    std::vector<RecentSequence> recent;
    CacheEntry entry;
    Cas cas;
    WriteIdentity identity;
  };

  static CacheSettings small_settings(BlockFormat format = BlockFormat::append) {
    CacheSettings settings;
    settings.block_format = format;
    settings.block_capacity = 4;
    return settings;
  }

  CacheFixture() : CacheFixture(small_settings()) {}
  explicit CacheFixture(CacheSettings settings, std::size_t partitions = 1)
      : base_store_(partitions), cache_store_(partitions, HistoryId(100)) {
    space_ = std::make_unique<CacheSpace>(CacheSpace{env_, cache_, DatabaseId(7), settings});
    open_node();
  }
  ~CacheFixture() override {
    if (writer_) env_.run(writer_->stop());
  }

  /// A process's objects, new: nothing is remembered but what the buckets hold.
  void open_node() {
    writer_.reset();
    front_end_.reset();
    reader_.reset();
    allocator_ = std::make_unique<SequenceAllocator>(env_, base_, cache_, DatabaseId(7));
    ASSERT_TRUE(env_.run(allocator_->open()));
    reader_ = std::make_unique<CacheReader>(*space_, *allocator_);
    front_end_ = std::make_unique<FrontEndCacheWriter>(*space_, *reader_, *this);
  }
  /// A reader that has nothing in memory; the cache writer must be stopped or not be used again.
  void open_reader_cold() {
    if (writer_) stop_writer();
    front_end_.reset();
    reader_ = std::make_unique<CacheReader>(*space_, *allocator_);
    front_end_ = std::make_unique<FrontEndCacheWriter>(*space_, *reader_, *this);
  }
  void start_writer() {
    writer_ = std::make_unique<CacheWriter>(CacheWriter::Dependencies{
        *space_, base_, *allocator_, *front_end_, *reader_, *this, *this});
    const auto started = env_.run(writer_->start());
    ASSERT_TRUE(started) << started.error().context;
  }
  void stop_writer() {
    env_.run(writer_->stop());
    writer_.reset();
  }

  // --- Writing, step by step (R1) ---

  Allocation allocate() { return env_.run(allocator_->allocate(1, Sequence())).value(); }

  /// The base write alone: what a front end has done that dies right afterwards.
  CacheWrite base_write(const std::string& name, std::set<std::string> channels,
                        const Allocation& allocation, std::vector<Grant> grants = {}) {
    return base_write_at(name, std::move(channels), allocation.first, std::move(grants));
  }
  CacheWrite base_write_at(const std::string& name, std::set<std::string> channels,
                           Sequence sequence, std::vector<Grant> grants = {}) {
    Doc doc = docs_[name];
    CacheEntry entry;
    entry.sequence = sequence;
    entry.doc_id = DocId(name);
    entry.rev_id = RevId(std::to_string(++revision_) + "-r");
    for (const auto& channel : channels) entry.channels.push_back(ChannelId::of_documents(channel));
    if (space_->settings.has_star_channel) entry.channels.push_back(ChannelId::star());
    for (const auto& channel : doc.channels)
      if (!channels.contains(channel)) entry.removals.push_back(ChannelId::of_documents(channel));
    entry.grants = std::move(grants);
    return env_.run(store(name, std::move(entry), std::move(channels)));
  }
  Task<CacheWrite> store(std::string name, CacheEntry entry, std::set<std::string> channels) {
    Doc& doc = docs_[name];
    if (doc.cas != Cas()) {
      RecentSequence earlier{doc.entry.sequence, doc.entry.removals, {}};
      for (const Grant& grant : doc.entry.grants) earlier.grants.push_back(grant.principal);
      doc.recent.push_back(earlier);
    }
    WriteOptions options;
    options.feed_entry = FeedRecord{entry, doc.recent}.encode();
    const Key key = doc_key(name);
    const Reply reply = doc.cas == Cas()
                            ? co_await base_.insert(key, name, options, kNoDeadline)
                            : co_await base_.replace(key, name, doc.cas, options, kNoDeadline);
    EXPECT_EQ(reply.status, Errc::ok);
    doc.cas = reply.cas;
    doc.channels = std::move(channels);
    doc.entry = entry;
    doc.rev = entry.rev_id.text();
    doc.identity = {base_.partition_of(key), reply.position, reply.cas, reply.history};
    co_return CacheWrite{std::move(entry), doc.identity};
  }
  FrontEndCacheWriter::Outcome cache_write(CacheWrite write, const Allocation& allocation) {
    return env_
        .run(front_end_->write({std::move(write)}, {allocation.epoch, allocation.cache_histories}))
        .at(0);
  }
  Sequence put(const std::string& name, std::set<std::string> channels,
               std::vector<Grant> grants = {}) {
    const Allocation allocation = allocate();
    cache_write(base_write(name, std::move(channels), allocation, std::move(grants)), allocation);
    return allocation.first;
  }

  // --- Reading ---

  Result<ChannelPage> try_read(const std::string& channel, Sequence since = Sequence(),
                               ReadMode mode = ReadMode::available, std::size_t limit = 1'000) {
    return env_.run(read_task(ChannelId::of_documents(channel), since, mode, limit));
  }
  ChannelPage read(const std::string& channel, Sequence since = Sequence(),
                   ReadMode mode = ReadMode::available, std::size_t limit = 1'000) {
    auto page = try_read(channel, since, mode, limit);
    EXPECT_TRUE(page) << to_string(page.error().code) << " " << page.error().context;
    return page ? *page : ChannelPage{};
  }
  /// As for a client that has seen everything above stable.
  Result<ChannelPage> read_all_seen(const std::string& channel) {
    return env_.run(read_task(ChannelId::of_documents(channel), Sequence(), ReadMode::available,
                              1'000, kNoSequence));
  }
  Task<Result<ChannelPage>> read_task(ChannelId channel, Sequence since, ReadMode mode,
                                      std::size_t limit, Sequence seen = {}) {
    HG_CO_TRY(const PassStart pass, co_await reader_->start_pass());
    HG_CO_TRY(auto pages, co_await reader_->read(pass, mode, {{channel, since, seen}}, limit));
    co_return std::move(pages.at(0));
  }
  /// "doc@sequence", with "-" before what left the channel.
  static std::vector<std::string> names(const ChannelPage& page) {
    std::vector<std::string> found;
    for (const ChannelEntry& entry : page.entries)
      found.push_back((entry.is_removal ? "-" : "") + entry.document->entry.doc_id.text() + "@" +
                      std::to_string(entry.sequence.value()));
    return found;
  }
  Sequence stable() {
    const auto pass = env_.run(reader_->start_pass());
    return pass ? pass->stable : Sequence();
  }
  /// Lets time pass until stable is at least `wanted`, or 10 s have gone.
  bool stable_reaches(Sequence wanted) {
    for (int i = 0; i < 1'000; ++i) {
      if (stable() >= wanted) return true;
      env_.advance(std::chrono::milliseconds(10));
    }
    return false;
  }

  // --- What the database room would do ---

  void channels_changed(const std::vector<ChannelId>& channels) override {
    for (const ChannelId& channel : channels) ++wakes_[channel];
  }
  void stable_advanced(Sequence, const std::vector<ChannelId>& channels) override {
    advanced_.insert(channels.begin(), channels.end());
  }

  Task<Result<void>> resequence(Key key, Cas cas, Unlisted unlisted) override {
    if (const auto broken = broken_.find(key.name); broken != broken_.end())
      co_return broken->second;
    Doc& doc = docs_.at(key.name);
    if (doc.cas != cas) co_return Result<void>();
    ++resequences_;
    const auto allocation = co_await allocator_->allocate(1, doc.entry.sequence);
    if (!allocation) co_return allocation.error();
    CacheEntry entry = doc.entry;
    entry.sequence = allocation->first;
    for (RecentSequence& earlier : doc.recent)
      if (std::find(unlisted.numbers.begin(), unlisted.numbers.end(), earlier.sequence) !=
          unlisted.numbers.end()) {
        entry.removals.insert(entry.removals.end(), earlier.removals.begin(),
                              earlier.removals.end());
        for (const ChannelId& principal : earlier.grants) entry.grants.push_back({principal, ""});
        earlier = RecentSequence{earlier.sequence, {}, {}};
      }
    doc.entry.removals.clear();
    doc.entry.grants.clear();
    const CacheWrite write = co_await store(key.name, std::move(entry), doc.channels);
    co_await front_end_->write({write}, {allocation->epoch, allocation->cache_histories});
    co_return Result<void>();
  }
  Task<Result<Holding>> holds(CacheEntry entry) override {
    const auto doc = docs_.find(entry.doc_id.text());
    if (doc == docs_.end()) co_return Holding{};
    bool is_held = doc->second.entry.sequence == entry.sequence;
    for (const RecentSequence& earlier : doc->second.recent)
      is_held = is_held || earlier.sequence == entry.sequence;
    co_return Holding{.is_held = is_held};
  }
  Task<Result<void>> finish_purge(Key key, Cas cas) override {
    WriteOptions options;
    options.feed_entry = std::string();
    const Reply removed = co_await base_.remove(std::move(key), cas, options, space_->deadline());
    const bool is_lost = removed.status == Errc::not_found || removed.status == Errc::cas_mismatch;
    if (!removed.ok() && !is_lost) co_return removed.status;
    co_return Result<void>();
  }
  Task<Result<void>> resequence_present(CacheEntry entry) override {
    const auto doc = docs_.find(entry.doc_id.text());
    if (doc == docs_.end()) co_return Result<void>();
    co_return co_await resequence(doc_key(entry.doc_id.text()), doc->second.cas, {});
  }
  bool may_take_access(const Grant& grant) const override { return grant.given.empty(); }
  Task<Result<std::optional<CacheEntry>>> entry_for_rebuild(Key, Cas) override {
    co_return Errc::unsupported;  // of a cluster
  }

  Key doc_key(const std::string& name) const {
    return Key{DatabaseId(7), KeyKind::document, "d", name};
  }

  ManualEnvironment env_;
  MemoryStore base_store_;
  MemoryStore cache_store_;
  MemoryBucket base_memory_{env_, base_store_};
  MemoryBucket cache_memory_{env_, cache_store_};
  FaultBucket base_{env_, base_memory_};  // without a fault, transparent
  FaultBucket cache_{env_, cache_memory_};
  std::unique_ptr<CacheSpace> space_;
  std::unique_ptr<SequenceAllocator> allocator_;
  std::unique_ptr<CacheReader> reader_;
  std::unique_ptr<FrontEndCacheWriter> front_end_;
  std::unique_ptr<CacheWriter> writer_;
  std::map<std::string, Doc> docs_;
  std::map<ChannelId, int> wakes_;
  std::set<ChannelId> advanced_;        // of all advances of stable
  std::map<std::string, Errc> broken_;  // documents that cannot be resequenced
  int revision_ = 0;
  int resequences_ = 0;
};

}  // namespace headgate
