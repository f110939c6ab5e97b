// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/decorator/fault_bucket.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "cache/cache_writer.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr DatabaseId kDatabase{7};
constexpr std::array<const char*, 3> kChannels{"news", "sport", "law"};
constexpr int kDocuments = 5;
constexpr std::size_t kRecentMost = 20;

Key doc_key(const std::string& name) {
  return Key{kDatabase, KeyKind::document, name, name};
}

int generation_of(const RevId& rev) {
  return std::stoi(rev.text());
}

// The decisions of one run, all drawn from its seed.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  milliseconds up_to(std::uint64_t ms) { return milliseconds(below(ms + 1)); }

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

// A stored document: its feed record is its value. What the database room would write.
Task<Reply> store(Shared& shared, FeedRecord record, Cas over) {
  const Key key = doc_key(record.entry.doc_id.text());
  if (record.recent.size() > kRecentMost) record.recent.erase(record.recent.begin());
  const std::string bytes = record.encode();
  WriteOptions options;
  options.feed_entry = bytes;
  const Deadline deadline = shared.space.deadline();
  if (over == Cas()) co_return co_await shared.base.insert(key, bytes, options, deadline);
  co_return co_await shared.base.replace(key, bytes, over, options, deadline);
}

CacheWrite cache_write_of(Shared& shared, const FeedRecord& record, const Reply& reply) {
  const Key key = doc_key(record.entry.doc_id.text());
  return {record.entry, {shared.base.partition_of(key), reply.position, reply.cas, reply.history}};
}

void remember_number(FeedRecord& record) {
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
  Task<Result<std::optional<CacheEntry>>> entry_for_rebuild(Key, Cas) override {
    co_return Errc::unsupported;  // of a cluster
  }

 private:
  Shared& shared_;
  FrontEndCacheWriter& front_end_;
};

// A front end: a reader and a writer of its own.
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

// A client that follows one channel, keeps its token, and comes back with an old one at times.
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
      co_await shared_.environment.sleep_for(milliseconds(1));
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

// One run: front ends write, followers follow, cache writers come and go, operations fail; then all
// heals, and the promises are checked.
class Trial {
 public:
  explicit Trial(std::uint64_t seed)
      : chance_(seed),
        partitions_(chance_.one_in(2) ? 1 : 3),
        base_store_(partitions_),
        cache_store_(partitions_, HistoryId(100)),
        space_{env_, cache_, kDatabase, settings(chance_)} {}

  void go() {
    ASSERT_TRUE(finish(allocator_.open()).has_value());
    for (int i = 0; i < 3; ++i) nodes_.push_back(std::make_unique<Node>(shared_));
    for (const char* channel : kChannels)
      for (const ReadMode mode : {ReadMode::available, ReadMode::stable})
        followers_.push_back(std::make_unique<Follower>(shared_, nodes_, channel, mode));
    for (auto& node : nodes_) writers_.spawn(node->write_some(12));
    for (auto& follower : followers_) tasks_.spawn(follower->follow());
    tasks_.spawn(run_cache_writers());
    tasks_.spawn(make_trouble());
    for (int i = 0; i < 3'000 && writers_.size() > 0; ++i) env_.advance(milliseconds(1));
    ASSERT_EQ(writers_.size(), 0u) << "front ends hang";
    heal();
    if (!testing::Test::HasFatalFailure()) check();
    shut_down();
  }

 private:
  static CacheSettings settings(Chance& chance) {
    CacheSettings settings;
    settings.block_format = chance.one_in(2) ? BlockFormat::append : BlockFormat::indexed;
    settings.block_capacity = static_cast<std::uint32_t>(1 + chance.below(4));
    settings.gap_timeout = milliseconds(1) + chance.up_to(15);
    settings.repair_delay = chance.up_to(10);
    settings.poll = milliseconds(10);
    settings.publish_interval = chance.up_to(3);
    settings.operation_timeout = milliseconds(20);
    settings.has_star_channel = false;  // the documents have no "*" here
    if (chance.one_in(3)) settings.reader_entries = 70;
    if (chance.one_in(3)) settings.reader_documents = 4;
    return settings;
  }

  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& into) {
    into.emplace(co_await task);
  }
  // Lets time pass until the task is done.
  template <class T>
  T finish(Task<T> task) {
    std::optional<T> value;
    TaskScope scope(env_);
    scope.spawn(keep(std::move(task), value));
    for (int i = 0; i < 20'000 && !value; ++i) env_.advance(milliseconds(1));
    HG_ASSERT(value);
    return *std::move(value);
  }
  void stop(CacheWriter& writer) {
    TaskScope scope(env_);
    scope.spawn(writer.stop());
    for (int i = 0; i < 20'000 && scope.size() > 0; ++i) env_.advance(milliseconds(1));
  }

  // One after the other, also one beside its predecessor, which is stopped later.
  Task<void> run_cache_writers() {
    while (!shared_.is_over) {
      auto writer = nodes_[chance_.below(nodes_.size())]->make_cache_writer();
      if (co_await writer->start()) {
        if (in_charge_) replaced_.push_back(std::move(in_charge_));
        in_charge_ = std::move(writer);
      }
      co_await env_.sleep_for(chance_.up_to(60));
      if (in_charge_ && chance_.one_in(2)) {
        co_await in_charge_->stop();
        in_charge_.reset();
      }
      if (!replaced_.empty() && chance_.one_in(2)) {
        co_await replaced_.front()->stop();
        replaced_.erase(replaced_.begin());
      }
    }
  }

  Task<void> make_trouble() {
    while (!shared_.is_over) {
      co_await env_.sleep_for(chance_.up_to(8));
      FaultBucket& bucket = chance_.one_in(3) ? base_ : cache_;
      switch (chance_.below(8)) {
        case 0:
          bucket.hold_feeds();
          break;
        case 1:
        case 2:
          bucket.release();
          break;
        case 3:
          bucket.fail_calls(Errc::unavailable, chance_.below(20), 1 + chance_.below(3));
          break;
        default:
          bucket.inject(fault());
      }
    }
  }
  FaultBucket::Fault fault() {
    FaultBucket::Fault fault;
    const std::uint64_t salt = chance_.below(4);
    fault.matches = [salt](const Operation& operation) {
      return salt == 0 || static_cast<std::uint64_t>(key_of(operation).kind) % 4 == salt;
    };
    fault.skip = chance_.below(15);
    fault.times = 1 + chance_.below(3);
    if (chance_.one_in(3)) fault.effect = FaultBucket::Effect::hold;
    if (chance_.one_in(2)) fault.moment = FaultBucket::Moment::after;
    const bool is_done = fault.moment == FaultBucket::Moment::after;
    fault.code = is_done || chance_.one_in(2) ? Errc::timeout_unknown_outcome : Errc::unavailable;
    return fault;
  }

  void heal() {
    shared_.is_over = true;
    for (int i = 0; i < 200 && tasks_.size() > 0; ++i) {
      stop_trouble();
      env_.advance(milliseconds(20));
    }
    stop_trouble();
    ASSERT_EQ(tasks_.size(), 0u) << "a follower or a cache writer hangs";
    env_.advance(milliseconds(50));
    // The one in charge may have been fenced by another whose start then failed.
    if (in_charge_) replaced_.push_back(std::move(in_charge_));
    in_charge_ = nodes_[0]->make_cache_writer();
    const auto started = finish(in_charge_->start());
    ASSERT_TRUE(started) << started.error().context;
    // I5: gap timeout + poll, and some more for what each repair brings with it.
    int calm = 0;
    for (int i = 0; i < 500 && calm < 10; ++i) {
      env_.advance(milliseconds(5));
      const bool is_done = in_charge_->stable() == allocator_.highest();
      calm = is_done && in_charge_->statistics().awaited == 0 ? calm + 1 : 0;
    }
    EXPECT_EQ(in_charge_->stable(), allocator_.highest()) << "I5";
  }

  void stop_trouble() {
    for (FaultBucket* bucket : {&base_, &cache_}) {
      bucket->clear();
      bucket->release();
    }
  }

  void check() {
    std::map<std::string, FeedRecord> documents;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string name = "d" + std::to_string(i);
      const Reply found = finish(base_.get(doc_key(name), kNoDeadline));
      if (found.ok()) documents[name] = FeedRecord::decode(found.bytes).value();
    }
    const Sequence stable = in_charge_->stable();
    check_sequence_documents(documents, stable);
    for (auto& follower : followers_) {
      EXPECT_TRUE(finish(follower->catch_up(stable)));
      follower->check(documents);
    }
    for (const char* channel : kChannels) {  // a client that has never been here
      Follower fresh(shared_, nodes_, channel, ReadMode::stable);
      EXPECT_TRUE(finish(fresh.catch_up(stable)));
      fresh.check(documents);
    }
  }

  void check_sequence_documents(const std::map<std::string, FeedRecord>& documents,
                                Sequence stable) {
    const Reply buried = finish(cache_.get(space_.dead_ranges_key(), kNoDeadline));
    const DeadRanges dead = buried.ok() ? DeadRanges::decode(buried.bytes).value() : DeadRanges();
    for (Sequence s(2); s <= stable; s = s.next()) {
      if (dead.contains(s)) continue;
      const Reply found = finish(cache_.get(space_.sequence_key(s), kNoDeadline));
      ASSERT_TRUE(found.ok()) << "I4: nothing at " << s.value();
      const auto document = SequenceDocument::decode(s, found.bytes).value();
      if (document.is_dead) continue;
      const auto of = documents.find(document.entry.doc_id.text());
      ASSERT_TRUE(of != documents.end()) << "I6: " << s.value();
      const FeedRecord& record = of->second;
      EXPECT_TRUE(record.entry.sequence == s || record.recent.size() >= kRecentMost ||
                  std::any_of(record.recent.begin(), record.recent.end(),
                              [&](const auto& r) { return r.sequence == s; }))
          << "I6: " << s.value();
    }
  }

  void shut_down() {
    for (auto& writer : replaced_) stop(*writer);
    if (in_charge_) stop(*in_charge_);
  }

  Chance chance_;
  ManualEnvironment env_;
  std::size_t partitions_;
  MemoryStore base_store_;
  MemoryStore cache_store_;
  MemoryBucket base_memory_{env_, base_store_};
  MemoryBucket cache_memory_{env_, cache_store_};
  FaultBucket base_{env_, base_memory_};
  FaultBucket cache_{env_, cache_memory_};
  CacheSpace space_;
  SequenceAllocator allocator_{
      env_, base_, cache_, kDatabase, {.timeout = std::chrono::milliseconds(20)}};
  Shared shared_{env_, base_, cache_, space_, allocator_, chance_};
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Follower>> followers_;
  std::unique_ptr<CacheWriter> in_charge_;
  std::vector<std::unique_ptr<CacheWriter>> replaced_;
  TaskScope writers_{env_};
  TaskScope tasks_{env_};
};

std::uint64_t number_in(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::stoull(text) : otherwise;
}

TEST(CacheRandomTest, KeepsItsPromises) {
  const std::uint64_t first = number_in("HEADGATE_SEED", 1);
  const std::uint64_t count = number_in("HEADGATE_SEEDS", 400);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("HEADGATE_SEED=" + std::to_string(seed));
    Trial(seed).go();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace headgate
