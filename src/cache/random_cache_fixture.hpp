// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "bucket/decorator/fault_bucket.hpp"
#include "cache/cache_writer.hpp"

/// Who takes part in a random run of the cache: front ends that die, wait and lose races anywhere,
/// with a small stand-in for the database room, and clients that follow channels.
namespace headgate::random_cache {

inline constexpr DatabaseId kDatabase{7};
inline constexpr std::array<const char*, 3> kChannels{"news", "sport", "law"};
inline constexpr int kDocuments = 5;
inline constexpr std::size_t kRecentMost = 20;

inline Key doc_key(const std::string& name) {
  return Key{kDatabase, KeyKind::document, name, name};
}

inline int generation_of(const RevId& rev) {
  return std::stoi(rev.text());
}

/// The decisions of one run, all drawn from its seed.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::chrono::milliseconds up_to(std::uint64_t ms) {
    return std::chrono::milliseconds(below(ms + 1));
  }

 private:
  std::mt19937_64 engine_;
};

struct Shared {
  Environment& environment;
  FaultBucket& base;
  FaultBucket& cache;
  const CacheSpace& space;
  SequenceAllocator& allocator;
  Chance& chance;
  bool is_over = false;
};

/// A stored document: its feed record is its value. What the database room would write.
inline Task<Reply> store(Shared& shared, FeedRecord record, Cas over) {
  const Key key = doc_key(record.entry.doc_id.text());
  if (record.recent.size() > kRecentMost) record.recent.erase(record.recent.begin());
  const std::string bytes = record.encode();
  WriteOptions options;
  options.feed_entry = bytes;
  const Deadline deadline = shared.space.deadline();
  if (over == Cas()) co_return co_await shared.base.insert(key, bytes, options, deadline);
  co_return co_await shared.base.replace(key, bytes, over, options, deadline);
}

inline CacheWrite cache_write_of(Shared& shared, const FeedRecord& record, const Reply& reply) {
  const Key key = doc_key(record.entry.doc_id.text());
  return {record.entry, {shared.base.partition_of(key), reply.position, reply.cas, reply.history}};
}

inline void remember_number(FeedRecord& record) {
  record.recent.push_back({record.entry.sequence, record.entry.removals, {}});
  record.entry.removals.clear();
}

class Repair final : public BaseRepair {
 public:
  Repair(Shared& shared, FrontEndCacheWriter& front_end) : shared_(shared), front_end_(front_end) {}

  Task<Result<void>> resequence(Key key, Cas cas, Unlisted unlisted) override {
    const Reply found = co_await shared_.base.get(key, shared_.space.deadline());
    if (found.status == Errc::not_found || (found.ok() && found.cas != cas))
      co_return Result<void>();
    if (!found.ok()) co_return found.status;
    HG_CO_TRY(FeedRecord record, FeedRecord::decode(found.bytes));
    HG_CO_TRY(const auto drawn, co_await shared_.allocator.allocate(1, record.entry.sequence));
    std::set<ChannelId> left(record.entry.removals.begin(), record.entry.removals.end());
    remember_number(record);
    record.recent.back().removals.clear();
    for (RecentSequence& earlier : record.recent)
      if (std::find(unlisted.numbers.begin(), unlisted.numbers.end(), earlier.sequence) !=
          unlisted.numbers.end()) {
        left.insert(earlier.removals.begin(), earlier.removals.end());
        earlier.removals.clear();
      }
    for (const ChannelId& channel : record.entry.channels) left.erase(channel);
    record.entry.removals.assign(left.begin(), left.end());
    record.entry.sequence = drawn.first;
    const Reply written = co_await store(shared_, record, cas);
    if (written.status == Errc::cas_mismatch) co_return Result<void>();
    if (!written.ok()) co_return written.status;
    std::vector<CacheWrite> writes{cache_write_of(shared_, record, written)};
    co_await front_end_.write(std::move(writes), {drawn.epoch, drawn.cache_histories});
    co_return Result<void>();
  }
  Task<Result<Holding>> holds(CacheEntry entry) override {
    const Reply found =
        co_await shared_.base.get(doc_key(entry.doc_id.text()), shared_.space.deadline());
    if (found.status == Errc::not_found) co_return Holding{};
    if (!found.ok()) co_return found.status;
    HG_CO_TRY(const FeedRecord record, FeedRecord::decode(found.bytes));
    const bool is_held = record.entry.sequence == entry.sequence ||
                         std::any_of(record.recent.begin(), record.recent.end(),
                                     [&](const auto& r) { return r.sequence == entry.sequence; });
    co_return Holding{.is_held = is_held};
  }
  Task<Result<void>> finish_purge(Key key, Cas cas) override {
    WriteOptions options;
    options.feed_entry = std::string();
    const Reply removed =
        co_await shared_.base.remove(std::move(key), cas, options, shared_.space.deadline());
    const bool is_lost = removed.status == Errc::not_found || removed.status == Errc::cas_mismatch;
    if (!removed.ok() && !is_lost) co_return removed.status;
    co_return Result<void>();
  }
  Task<Result<void>> resequence_present(CacheEntry entry) override {
    const Key key = doc_key(entry.doc_id.text());
    const Reply found = co_await shared_.base.get(key, shared_.space.deadline());
    if (found.status == Errc::not_found) co_return Result<void>();
    if (!found.ok()) co_return found.status;
    co_return co_await resequence(key, found.cas, {});
  }
  bool may_take_access(const Grant& grant) const override { return grant.given.empty(); }
  Task<Result<std::optional<CacheEntry>>> entry_for_rebuild(Key, Cas) override {
    co_return Errc::unsupported;  // of a cluster
  }

 private:
  Shared& shared_;
  FrontEndCacheWriter& front_end_;
};

/// A front end: a reader and a writer of its own.
class Node final : public ChangeListener {
 public:
  explicit Node(Shared& shared)
      : shared_(shared),
        reader_(shared.space, shared.allocator),
        front_end_(shared.space, reader_, *this),
        repair_(shared, front_end_) {}

  void channels_changed(const std::vector<ChannelId>&) override {}
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}
  void check_start(const PassStart& start) {
    EXPECT_GE(start.stable, shown_) << "I3";
    shown_ = std::max(shown_, start.stable);
  }

  CacheReader& reader() { return reader_; }
  std::unique_ptr<CacheWriter> make_cache_writer() {
    return std::make_unique<CacheWriter>(CacheWriter::Dependencies{
        shared_.space, shared_.base, shared_.allocator, front_end_, reader_, repair_, *this});
  }

  // Writes documents; dies, waits and loses races anywhere.
  Task<void> write_some(int count) {
    for (int i = 0; i < count; ++i) {
      co_await write_one("d" + std::to_string(shared_.chance.below(kDocuments)));
      if (shared_.chance.one_in(3)) co_await shared_.environment.sleep_for(shared_.chance.up_to(4));
    }
  }

 private:
  Task<void> write_one(std::string name) {
    std::vector<Sequence> abandoned;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const Reply found = co_await shared_.base.get(doc_key(name), shared_.space.deadline());
      if (!found.ok() && found.status != Errc::not_found) co_return;
      FeedRecord record = next_version(name, found);
      for (Sequence sequence : abandoned) record.recent.push_back({sequence, {}, {}});
      const auto drawn = co_await shared_.allocator.allocate(
          1 + (shared_.chance.one_in(9) ? 20 : 0),
          record.recent.empty() ? Sequence() : highest_of(record));
      if (!drawn || shared_.chance.one_in(12)) co_return;  // A1
      record.entry.sequence = drawn->last();
      if (shared_.chance.one_in(4))
        co_await shared_.environment.sleep_for(shared_.chance.up_to(30));  // A4
      const Reply stored = co_await store(shared_, record, found.ok() ? found.cas : Cas());
      if (stored.status == Errc::cas_mismatch || stored.status == Errc::exists) {
        abandoned.push_back(record.entry.sequence);
        continue;
      }
      if (!stored.ok() || shared_.chance.one_in(8)) co_return;  // A2
      if (shared_.chance.one_in(4))
        co_await shared_.environment.sleep_for(shared_.chance.up_to(20));  // A5
      std::vector<CacheWrite> writes{cache_write_of(shared_, record, stored)};
      co_await front_end_.write(std::move(writes), {drawn->epoch, drawn->cache_histories});
      co_return;
    }
    if (!abandoned.empty()) co_await shared_.allocator.release(abandoned[0], abandoned[0]);
  }

  static Sequence highest_of(const FeedRecord& record) {
    Sequence highest;
    for (const RecentSequence& earlier : record.recent)
      highest = std::max(highest, earlier.sequence);
    return highest;
  }

  FeedRecord next_version(const std::string& name, const Reply& found) {
    FeedRecord record;
    record.entry.doc_id = DocId(name);
    int generation = 0;
    std::vector<ChannelId> before;
    if (found.ok()) {
      record = FeedRecord::decode(found.bytes).value();
      generation = generation_of(record.entry.rev_id);
      before = record.entry.channels;
      remember_number(record);
    }
    record.entry.rev_id = RevId(std::to_string(generation + 1) + "-r");
    record.entry.channels.clear();
    for (const char* channel : kChannels)
      if (shared_.chance.one_in(2))
        record.entry.channels.push_back(ChannelId::of_documents(channel));
    for (const ChannelId& channel : before)
      if (std::find(record.entry.channels.begin(), record.entry.channels.end(), channel) ==
          record.entry.channels.end())
        record.entry.removals.push_back(channel);
    return record;
  }

  Shared& shared_;
  CacheReader reader_;
  FrontEndCacheWriter front_end_;
  Repair repair_;
  Sequence shown_;
};

/// A client that follows one channel, keeps its token, and comes back with an old one at times.
class Follower {
 public:
  Follower(Shared& shared, std::vector<std::unique_ptr<Node>>& nodes, std::string channel,
           ReadMode mode)
      : shared_(shared), nodes_(nodes), channel_(std::move(channel)), mode_(mode) {}

  Task<void> follow() {
    while (!shared_.is_over) {
      co_await pass();
      co_await shared_.environment.sleep_for(shared_.chance.up_to(6));
      if (shared_.chance.one_in(6)) saved_ = now_;
      if (shared_.chance.one_in(10)) now_ = saved_;
    }
  }
  // Until everything up to `wanted` was read; false if that does not come.
  Task<bool> catch_up(Sequence wanted) {
    for (int i = 0; i < 500 && now_.since < wanted; ++i) {
      co_await pass();
      co_await shared_.environment.sleep_for(std::chrono::milliseconds(1));
    }
    co_return now_.since >= wanted;
  }

  void check(const std::map<std::string, FeedRecord>& documents) const {
    const ChannelId channel = ChannelId::of_documents(channel_);
    for (const auto& [name, record] : documents) {
      const auto& channels = record.entry.channels;
      const bool is_in = std::find(channels.begin(), channels.end(), channel) != channels.end();
      const auto seen = now_.seen.find(name);
      if (is_in) {
        ASSERT_TRUE(seen != now_.seen.end()) << "I1: " << channel_ << " never told of " << name;
        EXPECT_EQ(seen->second.generation, generation_of(record.entry.rev_id)) << "I1: " << name;
        EXPECT_FALSE(seen->second.is_removal) << "I1: " << name;
      } else if (seen != now_.seen.end()) {
        EXPECT_TRUE(seen->second.is_removal) << "I1: " << name << " left " << channel_;
      }
    }
  }

 private:
  struct Seen {
    Sequence sequence;
    int generation = 0;
    bool is_removal = false;
  };
  struct Client {
    Sequence since;
    std::map<std::string, Seen> seen;
  };

  Task<void> pass() {
    Node& node = *nodes_[shared_.chance.below(nodes_.size())];
    CacheReader& reader = node.reader();
    const auto start = co_await reader.start_pass();
    if (!start) co_return;
    node.check_start(*start);
    std::vector<ChannelQuery> queries{{ChannelId::of_documents(channel_), now_.since}};
    const std::size_t limit = shared_.chance.one_in(2) ? 2 : 1'000;
    const auto pages = co_await reader.read(*start, mode_, std::move(queries), limit);
    if (!pages) co_return;
    for (const ChannelEntry& entry : pages->at(0).entries) take(entry, start->stable);
    now_.since = std::max(now_.since, std::min(pages->at(0).complete_to, start->stable));
  }

  void take(const ChannelEntry& entry, Sequence stable) {
    if (mode_ == ReadMode::stable) {
      EXPECT_LE(entry.sequence, stable);
    }
    const CacheEntry& write = entry.document->entry;
    Seen& seen = now_.seen[write.doc_id.text()];
    if (entry.sequence < seen.sequence) return;  // R17b
    EXPECT_GE(generation_of(write.rev_id), seen.generation) << "I2: " << write.doc_id.text();
    seen = {entry.sequence, generation_of(write.rev_id), entry.is_removal};
  }

  Shared& shared_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  const std::string channel_;
  const ReadMode mode_;
  Client now_;
  Client saved_;
};

}  // namespace headgate::random_cache
