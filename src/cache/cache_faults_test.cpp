// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "cache/cache_fixture.hpp"
#include "cache/stable_sequence.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;

class CacheFaultsTest : public CacheFixture {
 protected:
  // A write whose feed entry nobody can read.
  void put_unreadable(const std::string& name, const Allocation& allocation) {
    CacheEntry entry;
    entry.sequence = allocation.first;
    entry.doc_id = DocId(name);
    entry.rev_id = RevId("1-u");
    entry.channels = {ChannelId::of_documents("news")};
    WriteOptions options;
    options.feed_entry = "?";
    const Key key = doc_key(name);
    const Reply reply = env_.run(base_.insert(key, name, options, kNoDeadline));
    docs_[name] =
        Doc{"1-u", {"news"},  {},
            entry, reply.cas, {base_.partition_of(key), reply.position, reply.cas, reply.history}};
  }
  Task<void> write_for_ever(std::string name) {
    const TimePoint end = env_.now() + seconds(20);
    while (!is_over_ && env_.now() < end) {
      const auto allocation = co_await allocator_->allocate(1, Sequence());
      CacheEntry entry;
      entry.sequence = allocation->first;
      entry.doc_id = DocId(name);
      entry.rev_id = RevId(std::to_string(++revision_) + "-r");
      entry.channels = {ChannelId::of_documents("news")};
      std::vector<CacheWrite> writes;
      writes.push_back(co_await store(name, std::move(entry), {"news"}));
      co_await env_.sleep_for(std::chrono::microseconds(200));
      co_await front_end_->write(std::move(writes),
                                 {allocation->epoch, allocation->cache_histories});
    }
    EXPECT_TRUE(is_over_) << "the start has not ended";
  }
  Task<void> pass_over(int number, int& done) {
    for (int i = 0; i < 20; ++i) {
      for (auto turns = env_.random() % 8; turns > 0; --turns) co_await env_.yield();
      const auto pass = co_await reader_->start_pass();
      EXPECT_TRUE(pass);
      std::vector<ChannelQuery> queries;
      for (int c = 0; c < 3; ++c)
        queries.push_back(
            {ChannelId::of_documents("c" + std::to_string((number + i + 5 * c) % 12)), Sequence()});
      const auto pages = co_await reader_->read(*pass, ReadMode::available, queries, 10);
      EXPECT_TRUE(pages && pages->at(0).entries.size() == 1);
    }
    ++done;
  }
  // Past what the cache writer waits for now.
  void hold_feeds() {
    base_.hold_feeds();
    run_for(milliseconds(300));
  }
  void run_for(std::chrono::nanoseconds time) {
    for (auto past = time - time; past < time; past += milliseconds(5))
      env_.advance(milliseconds(5));
  }

  bool is_over_ = false;
};

// F9 and beyond: what cannot be read is resequenced, which enters it in the feed anew; the entries
// beside it are not lost.
TEST_F(CacheFaultsTest, AnUnreadableFeedEntryStopsNobody) {
  start_writer();
  hold_feeds();
  base_write("a", {"news"}, allocate());
  put_unreadable("b", allocate());
  base_write("c", {"news"}, allocate());
  base_.release();
  EXPECT_TRUE(stable_reaches(Sequence(5)));
  EXPECT_THAT(names(read("news")), ElementsAre("a@2", "c@4", "b@5"));
  EXPECT_EQ(writer_->statistics().unreadable, 1u);
}

TEST_F(CacheFaultsTest, AnUnreadableFeedEntryAndDocumentStopNobody) {
  start_writer();
  hold_feeds();
  base_write("a", {"news"}, allocate());
  put_unreadable("b", allocate());
  broken_["b"] = Errc::corrupted;
  base_write("c", {"news"}, allocate());
  base_.release();
  EXPECT_TRUE(stable_reaches(Sequence(4)));
  EXPECT_THAT(names(read("news")), ElementsAre("a@2", "c@4"));
  EXPECT_EQ(writer_->statistics().given_up, 1u);
  stop_writer();
  open_node();
  start_writer();  // nor is the start of the next process
  put("d", {"news"});
  EXPECT_TRUE(stable_reaches(allocator_->highest()));
}

// One document that cannot be resequenced holds up nobody else, and is resequenced when it can be.
TEST_F(CacheFaultsTest, AFailingRepairHoldsUpNobodyElse) {
  start_writer();
  const Allocation late = allocate();
  put("b", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(3)));
  broken_["a"] = Errc::unavailable;
  base_write("a", {"news"}, late);  // R9
  base_write("c", {"news"}, allocate());
  EXPECT_TRUE(stable_reaches(Sequence(4)));
  EXPECT_THAT(names(read("news")), ElementsAre("b@3", "c@4"));
  EXPECT_GT(writer_->statistics().failures, 0u);
  broken_.clear();
  EXPECT_TRUE(stable_reaches(Sequence(5)));
  EXPECT_THAT(names(read("news")), ElementsAre("b@3", "c@4", "a@5"));
}

// The start does not wait for ever for what cannot be done now.
TEST_F(CacheFaultsTest, AFailingRepairDoesNotStopTheStart) {
  space_->settings.operation_timeout = milliseconds(100);
  start_writer();
  const Allocation late = allocate();
  put("b", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(3)));
  stop_writer();
  base_write("a", {"news"}, late);
  broken_["a"] = Errc::unavailable;
  open_node();
  start_writer();
  const Sequence next = put("c", {"news"});
  EXPECT_TRUE(stable_reaches(next));
  broken_.clear();
  EXPECT_TRUE(stable_reaches(next.next()));
  EXPECT_THAT(names(read("news")), Contains("a@" + std::to_string(next.value() + 1)));
}

// A gap that cannot be closed now does not keep stable from rising up to it.
TEST_F(CacheFaultsTest, AGapThatCannotBeClosedHoldsUpOnlyWhatIsAboveIt) {
  start_writer();
  const Sequence first = put("a", {"news"});
  allocate();
  hold_feeds();
  put("b", {"news"});
  run_for(seconds(2));
  cache_.inject({.matches = writes_of_kind(KeyKind::sequence_document), .times = 1'000});
  base_.release();
  EXPECT_TRUE(stable_reaches(first));
  cache_.clear();
  EXPECT_TRUE(stable_reaches(Sequence(4)));
}

// I5 under load: the turns of a busy cache writer are many in one gap timeout.
TEST_F(CacheFaultsTest, AGapIsClosedUnderLoad) {
  start_writer();
  const Sequence gap = allocate().first;
  int writes = 0;
  for (; writes < 8'000 && stable() < gap; ++writes) {
    put("d" + std::to_string(writes), {"news"});
    env_.advance(std::chrono::microseconds(300));
  }
  EXPECT_GE(stable(), gap) << writes;
  EXPECT_LT(writes, 6'000);
}

// R7: what a sequence document in a buried range lists, no reader sees.
TEST_F(CacheFaultsTest, ARemovalListedInABuriedRangeIsToldAgain) {
  start_writer();
  put("a", {"news"});
  const auto gap = env_.run(allocator_->allocate(20, Sequence())).value();
  const Sequence after = put("b", {"sport"});
  ASSERT_TRUE(stable_reaches(after));
  hold_feeds();
  Allocation late = gap;
  late.first = gap.at(5);
  cache_write(base_write("a", {"sport"}, late), late);  // leaves news at a dead number
  put("a", {"sport"});                                  // hides it on the feed
  base_.release();
  EXPECT_TRUE(stable_reaches(after.next().next()));
  EXPECT_THAT(names(read("news", Sequence(2))),
              ElementsAre("-a@" + std::to_string(after.value() + 2)));
}

// R15c: a feed of mode stable waits in the channel that a hidden version left.
TEST_F(CacheFaultsTest, AnAdvancePastAHiddenRemovalNamesItsChannel) {
  start_writer();
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  advanced_.clear();
  hold_feeds();
  put("a", {"sport"});
  put("a", {"sport"});
  base_.release();
  ASSERT_TRUE(stable_reaches(Sequence(4)));
  EXPECT_THAT(advanced_, Contains(ChannelId::of_documents("news")));
}

// Two publications in a row whose outcome stays unknown, the first of which was done.
TEST_F(CacheFaultsTest, UnknownOutcomesOfItsOwnDoNotFenceTheCacheWriter) {
  start_writer();
  for (const KeyKind kind : {KeyKind::stable, KeyKind::stable_copy}) {
    FaultBucket& bucket = kind == KeyKind::stable ? cache_ : base_;
    bucket.inject({.matches = writes_of_kind(kind),
                   .moment = FaultBucket::Moment::after,
                   .code = Errc::timeout_unknown_outcome});
    bucket.inject(
        {.matches = writes_of_kind(kind), .code = Errc::timeout_unknown_outcome, .times = 2});
    // The look that would have told what happened has no answer either.
    bucket.inject(
        {.matches = [kind](const Operation& o) { return !is_write(o) && key_of(o).kind == kind; },
         .times = 3});
    put("a", {"news"});
    run_for(milliseconds(150));
    put("b", {"news"});
    run_for(milliseconds(150));
    put("c", {"news"});
    run_for(seconds(1));
    bucket.clear();
    EXPECT_TRUE(stable_reaches(put("d", {"news"})));
  }
}

// A bucket that does not answer holds a writer up for a few time-outs, not for hundreds.
class SilentBucketTest : public CacheFixture, public testing::WithParamInterface<BlockFormat> {
 protected:
  SilentBucketTest() : CacheFixture(small_settings(GetParam())) {}
};
INSTANTIATE_TEST_SUITE_P(Formats, SilentBucketTest,
                         testing::Values(BlockFormat::append, BlockFormat::indexed));

TEST_P(SilentBucketTest, TheFrontEndAnswersSoon) {
  start_writer();
  stop_writer();
  const Allocation allocation = allocate();
  const CacheWrite write = base_write("a", {"news"}, allocation);
  cache_.inject({.matches = writes_of_kind(KeyKind::block),
                 .effect = FaultBucket::Effect::hold,
                 .times = 100'000});
  const TimePoint before = env_.now();
  EXPECT_EQ(cache_write(write, allocation), FrontEndCacheWriter::Outcome::left_unfinished);
  EXPECT_LE(env_.now() - before, seconds(60));
  cache_.release();
}

// More channels than memory holds: many passes over them at once come to their end.
TEST_F(CacheFaultsTest, PassesEndWhenChannelsAreLetGoMeanwhile) {
  start_writer();
  for (int i = 0; i < 12; ++i) put("d" + std::to_string(i), {"c" + std::to_string(i)});
  stop_writer();
  space_->settings.reader_entries = 130;  // two channels
  open_reader_cold();
  TaskScope passes(env_);
  int done = 0;
  for (int i = 0; i < 40; ++i) passes.spawn(pass_over(i, done));
  for (int i = 0; i < 200 && done < 40; ++i) env_.advance(milliseconds(1));
  EXPECT_EQ(done, 40);
}

// A new cache writer in a database that is being written.
TEST_F(CacheFaultsTest, StartsUnderLoad) {
  start_writer();
  stop_writer();
  TaskScope load(env_);
  load.spawn(write_for_ever("a"));
  load.spawn(write_for_ever("b"));
  load.spawn(write_for_ever("c"));
  env_.advance(milliseconds(100));
  start_writer();
  is_over_ = true;
  env_.run(load.join());
}

// The n-th call of a bucket fails, for n = 1, 2, 3 ... until none does (SQLite's method): one
// write, the repair of another, a start of the cache writer and one pass. Whatever failed, the next
// ones bring all to its end.
class NthCallTest : public CacheFixture,
                    public testing::WithParamInterface<std::tuple<BlockFormat, Errc>> {
 protected:
  NthCallTest() : CacheFixture(small_settings(std::get<0>(GetParam()))) {}
};
INSTANTIATE_TEST_SUITE_P(
    Formats, NthCallTest,
    testing::Combine(testing::Values(BlockFormat::append, BlockFormat::indexed),
                     testing::Values(Errc::unavailable, Errc::timeout_unknown_outcome)));

TEST_P(NthCallTest, OneFailedCallLosesNothing) {
  start_writer();
  stop_writer();
  std::vector<std::string> expected;
  bool has_struck = true;
  for (std::size_t n = 0; has_struck; ++n) {
    const std::string name = std::to_string(n);
    const Allocation first = allocate();
    const Allocation second = allocate();
    const CacheWrite complete = base_write("a" + name, {"news"}, first);
    base_write("b" + name, {"news"}, second);
    const std::size_t struck = cache_.struck();
    cache_.fail_calls(std::get<1>(GetParam()), n);
    cache_write(complete, first);
    writer_ = std::make_unique<CacheWriter>(CacheWriter::Dependencies{
        *space_, base_, *allocator_, *front_end_, *reader_, *this, *this});
    const auto started = env_.run(writer_->start());
    (void)try_read("news");
    has_struck = cache_.struck() > struck;
    cache_.clear();
    if (!started) start_writer();
    ASSERT_TRUE(stable_reaches(allocator_->highest())) << "call " << n;
    expected.push_back("a" + name);
    expected.push_back("b" + name);
    std::set<std::string> found;
    for (const ChannelEntry& entry : read("news", Sequence(), ReadMode::stable).entries)
      found.insert(entry.document->entry.doc_id.text());
    ASSERT_THAT(expected, testing::Each(testing::Truly(
                              [&](const std::string& wanted) { return found.contains(wanted); })))
        << "call " << n;
    stop_writer();
  }
  EXPECT_GT(expected.size(), 20u);
}

}  // namespace
}  // namespace headgate
