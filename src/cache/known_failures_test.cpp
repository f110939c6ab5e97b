// SPDX-License-Identifier: Apache-2.0
// Failures that other gateways had in their caches, as far as no other test is named after them.
// Numbers are those of couchbase/sync_gateway.
#include <gmock/gmock.h>

#include "cache/cache_fixture.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::SizeIs;

class KnownFailuresTest : public CacheFixture {
 protected:
  // So many documents in "news", all stable.
  void fill(int count) {
    for (int i = 0; i < count; ++i) put("d" + std::to_string(i), {"news"});
    ASSERT_TRUE(stable_reaches(allocator_->highest()));
  }
};

// PR 4140 (CBG-391): a released range of which a part was used takes nothing out of the cache.
TEST_F(KnownFailuresTest, AReleasedRangeLeavesUsedSequencesAlone) {
  start_writer();
  const Allocation range = env_.run(allocator_->allocate(3, Sequence())).value();
  const CacheWrite write = base_write_at("a", {"news"}, range.at(1));
  cache_write(write, range);
  env_.run(allocator_->release(range.first, range.last()));
  EXPECT_TRUE(stable_reaches(range.last()));
  EXPECT_THAT(names(read("news")), ElementsAre("a@3"));
  EXPECT_EQ(resequences_, 0);
}

// PR 7530 (CBG-4636): a number that was buried as a gap turns out to be one that a document had
// drawn in vain.
TEST_F(KnownFailuresTest, ABuriedNumberMayTurnUpAsADocumentsRecentOne) {
  start_writer();
  const Sequence in_vain = allocate().first;
  put("other", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(3)));
  put("a", {"news"});
  docs_["a"].recent.push_back({in_vain, {}, {}});
  const Sequence last = put("a", {"news"});
  EXPECT_TRUE(stable_reaches(last));
  EXPECT_EQ(resequences_, 0);
  EXPECT_THAT(names(read("news")), ElementsAre("other@3", "a@5"));
}

// PR 7534 (CBG-4652): an unused number that a document names raises stable at once, and is in no
// channel.
TEST_F(KnownFailuresTest, ANumberKnownAsUnusedIsNotWaitedFor) {
  start_writer();
  const Sequence in_vain = allocate().first;
  docs_["a"].recent.push_back({in_vain, {}, {}});
  put("a", {"news"});
  const TimePoint before = env_.now();
  EXPECT_TRUE(stable_reaches(Sequence(3)));
  EXPECT_LT(env_.now() - before, space_->settings.gap_timeout / 2);
  EXPECT_THAT(names(read("news")), ElementsAre("a@3"));
}

// PR 7106, 7098 (CBG-4216): a released range above a hole does not raise stable over the hole.
TEST_F(KnownFailuresTest, AReleasedRangeAboveAHoleDoesNotHideTheHole) {
  start_writer();
  const Allocation hole = allocate();
  const Allocation range = env_.run(allocator_->allocate(5, Sequence())).value();
  env_.run(allocator_->release(range.first, range.last()));
  env_.advance(milliseconds(500));
  EXPECT_EQ(stable(), hole.first.previous());
  cache_write(base_write("a", {"news"}, hole), hole);
  EXPECT_TRUE(stable_reaches(range.last()));
  EXPECT_THAT(names(read("news", Sequence(), ReadMode::stable)), ElementsAre("a@2"));
}

// CBG-2672: a gap that is given up is counted, and reading goes on behind it.
TEST_F(KnownFailuresTest, AnAbandonedGapIsCountedAndPassed) {
  start_writer();
  allocate();
  const Sequence next = put("a", {"news"});
  EXPECT_TRUE(stable_reaches(next));
  EXPECT_EQ(writer_->statistics().gaps_closed, 1u);
  EXPECT_EQ(writer_->statistics().gaps, 0u);
  EXPECT_THAT(names(read("news", Sequence(), ReadMode::stable)), ElementsAre("a@3"));
}

// #2383: a read that failed half-way is not remembered as the channel's complete past.
TEST_F(KnownFailuresTest, AFailedReadIsNotRememberedAsComplete) {
  start_writer();
  fill(20);
  open_reader_cold();
  cache_.inject({.matches = of_kind(KeyKind::block), .code = Errc::unavailable, .skip = 2});
  EXPECT_EQ(try_read("news").error().code, Errc::unavailable);
  EXPECT_THAT(read("news").entries, SizeIs(20));
}

// #3475, PR 3547: what is read twice is shown once.
TEST_F(KnownFailuresTest, RepeatedBlockEntriesAreShownOnce) {
  start_writer();
  const Allocation allocation = allocate();
  const CacheWrite write = base_write("a", {"news"}, allocation);
  cache_write(write, allocation);
  cache_write(write, allocation);
  EXPECT_THAT(names(read("news")), ElementsAre("a@2"));
  open_reader_cold();
  EXPECT_THAT(names(read("news")), ElementsAre("a@2"));
}

Task<void> read_all_pages(CacheReader& reader, std::size_t limit, std::size_t& found) {
  Sequence since;
  while (since != kNoSequence) {
    const auto pass = co_await reader.start_pass();
    const auto pages = co_await reader.read(pass.value(), ReadMode::available,
                                            {{ChannelId::of_documents("news"), since}}, limit);
    found += pages.value().at(0).entries.size();
    since = pages->at(0).complete_to;
  }
}

// #3872 (PR 3895, 4056), #3078, #3586: what a reader keeps is cut down while others read it.
TEST_F(KnownFailuresTest, ReadersMeetNoHolesWhileMemoryIsCutDown) {
  space_->settings.reader_entries = 16;
  space_->settings.reader_documents = 4;
  start_writer();
  fill(60);
  open_reader_cold();
  std::vector<std::size_t> found(20, 0);
  TaskScope scope(env_);
  for (std::size_t i = 0; i < found.size(); ++i)
    scope.spawn(read_all_pages(*reader_, 1 + i, found[i]));
  env_.run(scope.join());
  EXPECT_THAT(found, testing::Each(60u));
}

// PR 8616 (CBG-5737), #1264, #202: many channels stay within the reader's bound.
TEST_F(KnownFailuresTest, ManyChannelsStayWithinTheReadersBound) {
  space_->settings.reader_entries = 10'000;
  start_writer();
  put("a", {"news"});
  for (int i = 0; i < 2'000; ++i) {
    read("c" + std::to_string(i));
    ASSERT_LE(reader_->statistics().entries_kept, 10'000u);
  }
  EXPECT_GT(reader_->statistics().entries_kept, 5'000u);
  EXPECT_THAT(names(read("news")), ElementsAre("a@2"));
}

}  // namespace
}  // namespace headgate
