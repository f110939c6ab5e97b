// SPDX-License-Identifier: Apache-2.0
// R19: what newer writes have superseded leaves the cache, and nobody is told less for it.
#include <algorithm>
#include <functional>

#include "cache/block.hpp"
#include "cache/block_run.hpp"
#include "cache/channel_compaction.hpp"
#include "cache/compaction_fixture.hpp"

namespace headgate {
namespace {

using Names = CompactionTest::Names;

INSTANTIATE_TEST_SUITE_P(All, CompactionOfAnyFormat,
                         testing::Values(BlockFormat::append, BlockFormat::indexed),
                         [](const auto& test) {
                           return test.param == BlockFormat::append ? "Append" : "Indexed";
                         });

TEST_P(CompactionOfAnyFormat, WhoBeginsReadsEachDocumentOnce) {
  start_writer();
  write_revisions();
  const Sequence superseded = docs_.at(name(3)).recent.front().sequence;
  compact();
  EXPECT_EQ(read_in_pages("a", Sequence(), 1'000), newest());
  for (const std::size_t limit : {3u, 4u})
    EXPECT_EQ(read_in_pages("a", Sequence(), limit), newest());
  EXPECT_TRUE(is_dead(superseded));
  EXPECT_FALSE(is_dead(docs_.at(name(3)).entry.sequence));
  EXPECT_EQ(writer_->statistics().documents_dropped, (kRevisions - 1) * kDocuments);
  // Of the last block, which may not be closed, all entries are left.
  EXPECT_LE(cost_of_first_sync(), kDocuments + space_->settings.block_capacity);
}

TEST_P(CompactionOfAnyFormat, WhatWasLeftInAnOpenBlockGoesWhenItIsClosed) {
  start_writer();
  for (int i = 0; i < 2; ++i) put("elsewhere", {"b"});
  put("d0", {"a"});
  last_ = put("d0", {"a"});
  compact();
  EXPECT_EQ(cost_of_first_sync(), 2u);
  for (int d = 1; d < kDocuments; ++d) last_ = put(name(d), {"a"});
  last_ = put("d1", {"a"});
  compact();
  EXPECT_EQ(cost_of_first_sync(), static_cast<std::uint64_t>(kDocuments));
}

TEST_P(CompactionOfAnyFormat, WhoHasAnOldRevisionIsToldOfTheNewest) {
  start_writer();
  write_revisions();
  compact();
  Names expected = newest();
  for (std::uint64_t since = 1; since <= last_.value(); ++since) {
    std::erase_if(expected, [&](const std::string& entry) {
      return std::stoull(entry.substr(entry.find('@') + 1)) <= since;
    });
    EXPECT_EQ(read_in_pages("a", Sequence(since), 3), expected) << since;
  }
}

TEST_P(CompactionOfAnyFormat, ARemovalIsToldUntilTheDocumentComesBack) {
  start_writer();
  put("moved", {"a"});
  const Sequence left = put("moved", {"b"});
  put("back", {"a"});
  const Sequence left_before = put("back", {"b"});
  const Sequence came_back = put("back", {"a"});
  for (int i = 0; i < 3; ++i) put("moved", {"b"});
  write_revisions();
  compact();
  const Names found = read_in_pages("a", Sequence(), 1'000);
  const auto has = [&](const std::string& entry) {
    return std::find(found.begin(), found.end(), entry) != found.end();
  };
  EXPECT_TRUE(has("-moved@" + std::to_string(left.value())));
  EXPECT_TRUE(has("back@" + std::to_string(came_back.value())));
  EXPECT_FALSE(has("-back@" + std::to_string(left_before.value())));
  EXPECT_FALSE(is_dead(left));
  EXPECT_EQ(found.size(), kDocuments + 2u);
}

// Who loses a channel is told by its entries before the loss, as of then.
TEST_P(CompactionOfAnyFormat, WhatPrecedesALossOfAccessStays) {
  start_writer();
  write_revisions(3);
  const Names before = newest();
  const Sequence loss = put("granting", {}, {{ChannelId::of_principal("user:alice"), ""}});
  write_revisions(3);
  compact();
  CacheReader reader(*space_, *allocator_);
  PassStart pass = env_.run(reader.start_pass()).value();
  pass.stable = loss.previous();
  const auto pages = env_.run(
      reader.read(pass, ReadMode::stable, {{ChannelId::of_documents("a"), Sequence(), {}}}, 1'000));
  ASSERT_TRUE(pages) << pages.error().context;
  EXPECT_EQ(names(pages->at(0)), before);
  EXPECT_FALSE(is_dead(loss));
}

TEST_P(CompactionOfAnyFormat, AReaderThatKnowsTheOldBlocksGoesOn) {
  start_writer();
  write_revisions(3);
  ASSERT_TRUE(stable_reaches(last_));
  const PassStart begun = env_.run(reader_->start_pass()).value();
  ASSERT_EQ(names(read("a")), newest());
  write_revisions(3);
  compact();
  // The pass that has begun may be shown what was there then, or comes to less: another one
  // follows.
  const auto old = env_.run(reader_->read(begun, ReadMode::available,
                                          {{ChannelId::of_documents("a"), Sequence(), {}}}, 1'000));
  ASSERT_TRUE(old) << old.error().context;
  EXPECT_EQ(names(read("a", begun.stable)), newest());
  for (int more = 0; more < 3; ++more) {
    write_revisions(2);
    EXPECT_EQ(names(read("a")), newest());
    compact();
    EXPECT_EQ(names(read("a")), newest());
    EXPECT_EQ(read_in_pages("a", Sequence(), 4), newest());
  }
}

// A node that was idle since then knows a block as the newest one, in which nothing counts any
// more.
TEST_P(CompactionOfAnyFormat, AWriterThatKnowsAReplacedBlockAsTheNewestWritesElsewhere) {
  FrontEndCacheWriter idle(*space_, *reader_, *this);
  const auto write_by_idle = [&](const std::string& name) {
    const Allocation drawn = allocate();
    env_.run(idle.write({base_write(name, {"a"}, drawn)}, {drawn.epoch, drawn.cache_histories}));
    return drawn.first;
  };
  start_writer();
  for (int d = 0; d < 5; ++d) put(name(d), {"a"});
  write_by_idle("early");
  write_revisions();
  compact();
  const Sequence late = write_by_idle("late");
  const Names found = names(read("a"));
  EXPECT_EQ(std::count(found.begin(), found.end(), "late@" + std::to_string(late.value())), 1);
  // And so does one that knows nothing, and begins with the first block.
  FrontEndCacheWriter fresh(*space_, *reader_, *this);
  const Allocation drawn = allocate();
  env_.run(fresh.write({base_write("last", {"a"}, drawn)}, {drawn.epoch, drawn.cache_histories}));
  const Names then = names(read("a"));
  EXPECT_EQ(std::count(then.begin(), then.end(), "last@" + std::to_string(drawn.first.value())), 1);
}

// Whatever fails, and however often: before, between and after, readers find the same.
TEST_P(CompactionOfAnyFormat, AnyWriteMayFailOrBeUnknown) {
  const auto is_of_compaction = [](const Operation& operation) {
    const KeyKind kind = key_of(operation).kind;
    return is_write(operation) &&
           (kind == KeyKind::block || kind == KeyKind::block_record ||
            kind == KeyKind::sequence_document || kind == KeyKind::sequence_fold);
  };
  start_writer();
  using Moment = FaultBucket::Moment;
  for (const Moment moment : {Moment::before, Moment::after}) {
    const Errc code = moment == Moment::before ? Errc::unavailable : Errc::timeout_unknown_outcome;
    bool has_failed = true;
    for (std::size_t skip = 0; has_failed; ++skip) {
      write_revisions(2);
      ASSERT_TRUE(stable_reaches(last_));
      const auto struck = cache_.struck();
      cache_.inject({.matches = is_of_compaction, .moment = moment, .code = code, .skip = skip});
      writer_->compact();
      for (int i = 0; i < 5; ++i) env_.advance(std::chrono::milliseconds(300));
      has_failed = cache_.struck() > struck;
      cache_.clear();
      ASSERT_EQ(held(read_in_pages("a", Sequence(), 3)), newest()) << skip;
      ASSERT_EQ(names(read("a")), newest()) << skip;
    }
  }
  env_.advance(std::chrono::seconds(20));
  compact();
  EXPECT_EQ(read_in_pages("a", Sequence(), 3), newest());
}

// The run is complete only up to the floor of the block that follows it.
TEST_F(CompactionTest, AnEntryThatCameLateInTheNextBlockIsRead) {
  start_writer();
  const Allocation late = allocate();
  put("d0", {"a"});
  for (int d = 0; d < 9; ++d) put(name(d), {"a"});
  cache_write(base_write("late", {"a"}, late), late);
  last_ = Sequence(11);
  compact();
  ASSERT_EQ(length_of_block(1), kReplacedBlock.size());
  ASSERT_GT(length_of_block(2), kReplacedBlock.size());
  Names expected = newest(9);
  expected.push_back("late@" + std::to_string(late.first.value()));
  for (const std::size_t limit : {1u, 2u, 5u})
    EXPECT_EQ(held(read_in_pages("a", Sequence(), limit)), held(expected)) << limit;
}

// What is above stable may yet be lost, or come to be known as dead.
TEST_F(CompactionTest, BlocksAboveStableStay) {
  start_writer();
  write_revisions(2);
  ASSERT_TRUE(stable_reaches(last_));
  const Sequence before = last_;
  const Allocation open = allocate();
  for (int d = 0; d < kDocuments; ++d) put(name(d), {"a"});
  compact();
  ASSERT_EQ(stable(), before);
  EXPECT_EQ(length_of_block(0), kReplacedBlock.size());
  for (std::uint64_t block = before.value() / 4 + 1; block < 7; ++block)
    EXPECT_GT(length_of_block(block), kReplacedBlock.size()) << block;
  cache_write(base_write("late", {"a"}, open), open);
  EXPECT_EQ(held(names(read("a"))).size(), kDocuments + 1u);
}

TEST_F(CompactionTest, AReaderIsInTheMiddleOfARunWhenTheNextOneComes) {
  constexpr int kMany = 150;
  start_writer();
  write_revisions(2, kMany);
  compact();
  const ChannelPage first = read("a", Sequence(), ReadMode::stable, 4);
  ASSERT_LT(first.complete_to, last_);
  write_revisions(1, 20);
  compact();
  Names rows = names(first);
  std::ranges::move(names(read("a", first.complete_to, ReadMode::stable)),
                    std::back_inserter(rows));
  EXPECT_EQ(held(rows), held(newest(kMany)));
}

TEST_F(CompactionTest, OfARunOnlyThePresentPartsAreKept) {
  start_writer();
  for (int i = 0; i < 3; ++i) {
    write_revisions(2);
    compact();
  }
  const ChannelId channel = ChannelId::of_documents("a");
  const Reply run = env_.run(cache_.get(run_key(*space_, channel), kNoDeadline));
  const Key part = run_part_key(*space_, channel, 0, 0);
  const auto parts = env_.run(cache_.scan(
      {part.database, part.kind, part.tag, first_part_name(), 1'000, false}, kNoDeadline));
  EXPECT_EQ(parts->items.size(), BlockRun::decode(run.bytes).value().lasts.size());
}

TEST_F(CompactionTest, WithoutAStarChannelAllDocumentsAreRead) {
  space_->settings.has_star_channel = false;
  start_writer();
  write_revisions();
  const Sequence nowhere = put("nowhere", {});
  last_ = put("else", {"b"});
  compact();
  Names expected = newest();
  expected.push_back("nowhere@" + std::to_string(nowhere.value()));
  expected.push_back("else@" + std::to_string(last_.value()));
  EXPECT_EQ(read_in_pages("*", Sequence(), 5), expected);
}

TEST_F(CompactionTest, ReplacedBlocksTakeNoSpace) {
  start_writer();
  write_revisions();
  compact();
  for (std::uint64_t block = 0; block < kDocuments; ++block)
    EXPECT_EQ(length_of_block(block), kReplacedBlock.size()) << block;
}

TEST_F(CompactionTest, BlocksThatNobodyCameToReplaceAreReplacedTheNextTime) {
  start_writer();
  write_revisions();
  ASSERT_TRUE(stable_reaches(last_));
  cache_.inject({.matches =
                     [](const Operation& operation) {
                       return key_of(operation).kind == KeyKind::block &&
                              std::holds_alternative<operation::Replace>(operation);
                     },
                 .code = Errc::unavailable,
                 .times = SIZE_MAX});
  compact();
  EXPECT_GT(length_of_block(0), kReplacedBlock.size());
  EXPECT_EQ(held(read_in_pages("a", Sequence(), 3)), newest());
  cache_.clear();
  write_revisions(2);
  compact();
  EXPECT_EQ(length_of_block(0), kReplacedBlock.size());
  EXPECT_EQ(length_of_block(3), kReplacedBlock.size());
  EXPECT_EQ(read_in_pages("a", Sequence(), 3), newest());
}

TEST_F(CompactionTest, OfTwoAtOnceOneGivesWay) {
  start_writer();
  write_revisions();
  ASSERT_TRUE(stable_reaches(last_));
  const auto histories =
      std::make_shared<const std::vector<HistoryId>>(env_.run(cache_.barrier(kNoDeadline)).value());
  const ChannelId channel = ChannelId::of_documents("a");
  std::vector<Sequence> superseded;
  for (const auto& [name, doc] : docs_)
    for (const RecentSequence& earlier : doc.recent) superseded.push_back(earlier.sequence);
  ChannelCompaction one({*space_, histories, stable(), {}});
  ChannelCompaction other({*space_, histories, stable(), {}});
  std::vector<Task<Result<std::uint64_t>>> both;
  both.push_back(one.compact(channel, superseded));
  both.push_back(other.compact(channel, superseded));
  const auto done = env_.run(when_all(env_, std::move(both)));
  EXPECT_NE(done[0].has_value(), done[1].has_value());
  EXPECT_EQ(read_in_pages("a", Sequence(), 3), newest());
  write_revisions(2);
  compact();
  EXPECT_EQ(read_in_pages("a", Sequence(), 3), newest());
}

TEST_F(CompactionTest, WhatIsTooMuchForOnePassIsDoneByTheNext) {
  space_->settings.sequences_per_tag = 8;  // one is read at least
  space_->settings.compaction_entries = 16;
  start_writer();
  write_revisions();
  ASSERT_TRUE(stable_reaches(last_));
  writer_->compact();
  ASSERT_TRUE(writer_->statistics().is_compacting);
  for (int i = 0; i < 100 && writer_->statistics().is_compacting; ++i)
    env_.advance(std::chrono::milliseconds(200));
  EXPECT_FALSE(writer_->statistics().is_compacting);
  EXPECT_GT(writer_->statistics().compactions, 1u);
  EXPECT_EQ(writer_->statistics().documents_dropped, (kRevisions - 1) * kDocuments);
}

// --- What it brings ------------------------------------------------------------------------------

class CompactionCost : public CompactionTest, public testing::WithParamInterface<BlockFormat> {
 protected:
  static CacheSettings settings() {
    CacheSettings settings;
    settings.block_format = GetParam();
    return settings;
  }
  CompactionCost() : CompactionTest(settings()) {}

  /// Of all values of the channel, and of all sequence documents.
  std::size_t bytes_stored() {
    std::size_t bytes = 0;
    const auto add = [&](const Key& first) {
      const auto page = env_.run(
          cache_.scan({first.database, first.kind, first.tag, {}, 10'000, false}, kNoDeadline));
      for (const auto& item : page->items) bytes += item.name.size() + item.bytes.size();
    };
    add(space_->block_key(ChannelId::of_documents("a"), 0));
    add(space_->record_key(ChannelId::of_documents("a"), 0));
    for (std::uint64_t n = 0; n <= last_.value(); n += space_->settings.sequences_per_tag) {
      add(space_->sequence_key(Sequence(n)));
      add(space_->fold_key(Sequence(n)));
    }
    return bytes;
  }
};

INSTANTIATE_TEST_SUITE_P(All, CompactionCost,
                         testing::Values(BlockFormat::append, BlockFormat::indexed),
                         [](const auto& test) {
                           return test.param == BlockFormat::append ? "Append" : "Indexed";
                         });

TEST_P(CompactionCost, AFirstSyncReadsOneEntryADocument) {
  constexpr int kMany = 1'000;
  for (int revision = 0; revision < 20; ++revision)
    for (int d = 0; d < kMany; ++d) last_ = put(name(d), {"a"});
  const std::size_t before = bytes_stored();
  start_writer();
  // So much was written that nobody has to ask.
  for (int i = 0; i < 1'000 && writer_->statistics().compactions == 0; ++i)
    env_.advance(std::chrono::milliseconds(50));
  EXPECT_LE(cost_of_first_sync(), kMany * 11u / 10);
  const std::size_t after = bytes_stored();
  EXPECT_LE(after, before / 10);
  RecordProperty("bytes_before", std::to_string(before));
  RecordProperty("bytes_after", std::to_string(after));
  EXPECT_EQ(held(read_in_pages("a", Sequence(), 300)), held(newest(kMany)));
}

}  // namespace
}  // namespace headgate
