// SPDX-License-Identifier: Apache-2.0
// Every public operation of the cache and of the allocator while the n-th call of a bucket fails,
// for n = 1, 2, 3 ...
#include <gmock/gmock.h>

#include "bucket/decorator/failing_calls.hpp"
#include "cache/cache_fixture.hpp"
#include "cache/stable_record.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class Which : std::uint8_t { base, cache };
using Setting = std::tuple<BlockFormat, Which, CallFailure>;

class CacheErrorPathsTest : public CacheFixture, public testing::WithParamInterface<Setting> {
 protected:
  CacheErrorPathsTest() : CacheFixture(small_settings(std::get<0>(GetParam())), 3) {}

  FaultBucket& failing() { return std::get<1>(GetParam()) == Which::base ? base_ : cache_; }
  static const CallFailure& failure() { return std::get<2>(GetParam()); }

  template <class Attempt, class Check>
  void for_each(Attempt attempt, Check check) {
    for_each_failing_call(failing(), failure(), attempt, check);
  }

  CacheWriter& new_writer() {
    writer_ = std::make_unique<CacheWriter>(CacheWriter::Dependencies{
        *space_, base_, *allocator_, *front_end_, *reader_, *this, *this});
    return *writer_;
  }
  void run_for(std::chrono::nanoseconds time) {
    for (auto past = time - time; past < time; past += milliseconds(5))
      env_.advance(milliseconds(5));
  }

  /// What a front end left of a write that began in "news": nothing but the base write.
  void leave_unfinished(const std::string& name) {
    base_write(name, {"news", "n" + name}, allocate());
    base_write(name, {"sport"}, allocate());  // hides it on the feed
  }

  /// Stable reaches the highest number, each is accounted for (I4), and the channels hold what the
  /// documents say, for a reader that knows the past and for one that does not.
  void expect_consistent() {
    ASSERT_TRUE(stable_reaches(allocator_->highest())) << "stable stands at " << stable().value();
    ASSERT_GE(stable(), stable_before_) << "I3";
    stable_before_ = stable();
    expect_accounted_for();
    expect_channels();
    open_reader_cold();
    expect_channels();
    start_writer();
  }

  void expect_accounted_for() {
    const Reply buried = env_.run(cache_memory_.get(space_->dead_ranges_key(), kNoDeadline));
    const DeadRanges ranges = buried.ok() ? DeadRanges::decode(buried.bytes).value() : DeadRanges();
    for (std::uint64_t n = 2; n <= stable().value(); ++n) {
      const Sequence sequence(n);
      const Reply reply = env_.run(cache_memory_.get(space_->sequence_key(sequence), kNoDeadline));
      if (ranges.contains(sequence)) continue;
      ASSERT_TRUE(reply.ok()) << "I4: " << n;
      const auto document = SequenceDocument::decode(sequence, reply.bytes).value();
      if (!document.is_dead)
        EXPECT_TRUE(env_.run(holds(document.entry))->is_held) << "I6: " << n << " names no write";
    }
  }

  void expect_channels() {
    for (const std::string channel : {"news", "sport"})
      for (const ReadMode mode : {ReadMode::available, ReadMode::stable}) {
        std::map<std::string, const ChannelEntry*> last;
        const ChannelPage page = read(channel, Sequence(), mode, 10'000);
        for (const ChannelEntry& entry : page.entries)
          last[entry.document->entry.doc_id.text()] = &entry;
        for (const auto& [name, doc] : docs_) {
          const auto at = last.find(name);
          const bool is_shown = at != last.end() && !at->second->is_removal;
          EXPECT_EQ(is_shown, doc.channels.contains(channel)) << name << " in " << channel;
          if (is_shown) EXPECT_EQ(at->second->sequence, doc.entry.sequence) << name;
        }
      }
  }

  Sequence stable_before_;
};

std::string name_of(const testing::TestParamInfo<Setting>& info) {
  const bool is_append = std::get<0>(info.param) == BlockFormat::append;
  const bool is_base = std::get<1>(info.param) == Which::base;
  return std::string(is_append ? "Append" : "Indexed") + (is_base ? "Base" : "Cache") +
         std::get<2>(info.param).name;
}
INSTANTIATE_TEST_SUITE_P(
    All, CacheErrorPathsTest,
    testing::Combine(testing::Values(BlockFormat::append, BlockFormat::indexed),
                     testing::Values(Which::base, Which::cache), testing::ValuesIn(kCallFailures)),
    name_of);

TEST_P(CacheErrorPathsTest, FrontEndWrite) {
  start_writer();
  FrontEndCacheWriter::Outcome outcome{};
  std::optional<Allocation> allocation;
  std::optional<CacheWrite> now;
  const auto begin = [&](std::size_t n) {
    allocation = allocate();
    now = base_write("d" + std::to_string(n % 3), {n % 2 == 0 ? "news" : "sport"}, *allocation);
  };
  begin(0);
  for_each([&](std::size_t) { outcome = cache_write(*now, *allocation); },
           [&](std::size_t n) {
             const Key key = space_->sequence_key(allocation->first);
             const Reply written = env_.run(cache_memory_.get(key, kNoDeadline));
             if (outcome == FrontEndCacheWriter::Outcome::complete) {
               ASSERT_TRUE(written.ok());
               EXPECT_FALSE(SequenceDocument::decode(allocation->first, written.bytes)->is_dead);
             }
             cache_write(*now, *allocation);  // R5, I8
             expect_consistent();
             begin(n + 1);
           });
}

TEST_P(CacheErrorPathsTest, WriterStart) {
  const auto prepare = [&](std::size_t n) {
    if (writer_) stop_writer();
    leave_unfinished("d" + std::to_string(n));
    put("e" + std::to_string(n), {"news"});
    allocate();  // and dies
  };
  prepare(0);
  for_each(
      [&](std::size_t) {
        if (!env_.run(new_writer().start())) writer_.reset();
      },
      [&](std::size_t n) {
        if (!writer_) start_writer();
        expect_consistent();
        prepare(n + 1);
      });
}

TEST_P(CacheErrorPathsTest, WriterTurns) {
  const auto prepare = [&](std::size_t n) {
    const std::string number = std::to_string(n);
    put("e" + number, {"news"});
    allocate();  // a gap
    base_write("d" + number, {"news"}, allocate());
    // Resequencing is the base's work: it has its test in the database room.
    if (std::get<1>(GetParam()) == Which::cache) leave_unfinished("f" + number);
  };
  start_writer();
  prepare(0);
  for_each([&](std::size_t) { run_for(seconds(3)); },
           [&](std::size_t n) {
             expect_consistent();
             prepare(n + 1);
           });
}

TEST_P(CacheErrorPathsTest, WriterStop) {
  const auto prepare = [&](std::size_t n) {
    put("e" + std::to_string(n), {"news"});
    base_write("d" + std::to_string(n), {"news"}, allocate());
  };
  start_writer();
  prepare(0);
  for_each(
      [&](std::size_t) {
        const TimePoint before = env_.now();
        stop_writer();
        EXPECT_LE(env_.now() - before, seconds(10));
      },
      [&](std::size_t n) {
        start_writer();
        expect_consistent();
        prepare(n + 1);
      });
}

TEST_P(CacheErrorPathsTest, ReaderPass) {
  start_writer();
  for (int i = 0; i < 30; ++i) put("d" + std::to_string(i % 20), {i % 2 == 0 ? "news" : "sport"});
  expect_consistent();
  const auto all = names(read("news"));
  for_each(
      [&](std::size_t n) {
        open_reader_cold();
        const auto mode = n % 2 == 0 ? ReadMode::available : ReadMode::stable;
        const auto page = try_read("news", Sequence(), mode);
        if (page) EXPECT_EQ(names(*page), all);
      },
      [&](std::size_t) {
        EXPECT_EQ(names(read("news")), all);  // nothing half-read is remembered
        EXPECT_EQ(names(read("news", Sequence(), ReadMode::stable)), all);
      });
}

// A number is never handed out twice, whatever the horizon's calls come to.
TEST_P(CacheErrorPathsTest, Allocator) {
  std::set<Sequence> given;
  const auto take = [&](const Result<Allocation>& allocation) {
    if (!allocation) return;
    for (std::uint64_t i = 0; i < allocation->count; ++i)
      EXPECT_TRUE(given.insert(allocation->at(i)).second) << allocation->at(i).value();
  };
  const SequenceAllocator::Options options{.chunk = 3};
  std::unique_ptr<SequenceAllocator> one;
  for_each(
      [&](std::size_t) {
        one = std::make_unique<SequenceAllocator>(env_, base_, cache_, DatabaseId(7), options);
        if (!env_.run(one->open())) return;
        for (int i = 0; i < 3; ++i) take(env_.run(one->allocate(2, Sequence())));
        take(env_.run(one->allocate(1, Sequence(one->highest().value() + 5))));
        env_.run(one->close());
      },
      [&](std::size_t) {
        one = std::make_unique<SequenceAllocator>(env_, base_, cache_, DatabaseId(7), options);
        ASSERT_TRUE(env_.run(one->open()));
        const auto allocation = env_.run(one->allocate(4, Sequence()));
        ASSERT_TRUE(allocation);
        take(allocation);
      });
}

}  // namespace
}  // namespace headgate
