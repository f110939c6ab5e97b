// SPDX-License-Identifier: Apache-2.0
// R19: dead numbers keep no keys, and stay closed.
#include <algorithm>

#include "cache/burial.hpp"
#include "cache/compaction_fixture.hpp"

namespace headgate {
namespace {

using SequenceFold = CompactionOfAnyFormat;

INSTANTIATE_TEST_SUITE_P(All, SequenceFold,
                         testing::Values(BlockFormat::append, BlockFormat::indexed),
                         [](const auto& test) {
                           return test.param == BlockFormat::append ? "Append" : "Indexed";
                         });

TEST_P(SequenceFold, DeadNumbersKeepNoKeys) {
  start_writer();
  write_revisions();
  const Sequence gap = allocate().first;
  write_revisions();
  compact();
  for (Sequence s(2); space_->last_of_tag(s) <= last_; s = s.next()) {
    const bool is_current = std::ranges::any_of(
        docs_, [&](const auto& document) { return document.second.entry.sequence == s; });
    EXPECT_EQ(is_there(space_->sequence_key(s)), is_current) << s.value();
  }
  EXPECT_TRUE(is_dead(gap));
  EXPECT_FALSE(is_there(space_->fold_key(last_)));  // somebody may be about to write there
  EXPECT_EQ(read_in_pages("a", Sequence(), 4), newest());
}

// R4: as at a dead document.
TEST_P(SequenceFold, WhoIsLateFindsAFoldedNumberClosed) {
  start_writer();
  const Allocation late = allocate();
  write_revisions();
  const Sequence superseded = docs_.at(name(3)).recent.front().sequence;
  compact();
  ASSERT_FALSE(is_there(space_->sequence_key(late.first)));
  FrontEndCacheWriter writer(*space_, *reader_, *this);
  const auto outcomes =
      env_.run(writer.write({base_write("late", {"a"}, late)}, {late.epoch, late.cache_histories}));
  EXPECT_EQ(outcomes.at(0), FrontEndCacheWriter::Outcome::left_unfinished);
  EXPECT_FALSE(is_there(space_->sequence_key(late.first)));
  StableSequence stable(*space_, base_);
  Burial burial(*space_, stable);
  const auto buried = env_.run(
      burial.bury({{superseded, superseded}, {late.first, late.first}}, Burial::Holders::perhaps));
  ASSERT_TRUE(buried) << buried.error().context;
  EXPECT_EQ(buried->dead.size(), 2u);
  EXPECT_FALSE(is_there(space_->sequence_key(superseded)));
  // The cache writer gives the write another number (R9).
  const auto is_moved = [&] { return docs_.at("late").entry.sequence > last_; };
  for (int i = 0; i < 100 && !is_moved(); ++i) env_.advance(std::chrono::milliseconds(50));
  const Names found = names(read("a"));
  const auto moved = "late@" + std::to_string(docs_.at("late").entry.sequence.value());
  EXPECT_TRUE(is_moved());
  EXPECT_EQ(std::count(found.begin(), found.end(), moved), 1);
}

TEST_P(SequenceFold, AReaderMeetsEntriesOfFoldedNumbers) {
  space_->settings.reader_documents = 2;  // it remembers blocks, but not what is at their numbers
  start_writer();
  write_revisions(3);
  ASSERT_EQ(names(read("a")), newest());  // now it has all blocks
  write_revisions(3);
  compact();
  ASSERT_EQ(names(read("a", Sequence(), ReadMode::stable)), newest());
}

}  // namespace
}  // namespace headgate
