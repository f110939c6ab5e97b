// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "base/manual_environment.hpp"
#include "base/task_scope.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "cache/random_cache_fixture.hpp"

namespace headgate::random_cache {
namespace {

using std::chrono::milliseconds;

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
}  // namespace headgate::random_cache
