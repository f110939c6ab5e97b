// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "cache/accounting.hpp"
#include "cache/block.hpp"
#include "cache/cache_entry.hpp"
#include "cache/feed_walk.hpp"
#include "cache/stable_record.hpp"

namespace headgate {
namespace {

CacheEntry full_entry() {
  CacheEntry entry;
  entry.sequence = Sequence(77);
  entry.doc_id = DocId("doc");
  entry.rev_id = RevId("3-abc");
  entry.flags = CacheEntry::kDeleted | CacheEntry::kConflict;
  entry.other_leaves = {RevId("2-x"), RevId("3-aaa")};
  entry.channels = {ChannelId::star(), ChannelId::of_documents("news")};
  entry.removals = {ChannelId::of_documents("sport")};
  entry.grants = {{ChannelId::of_principal("user:alice"), "given"}};
  return entry;
}

// Every prefix of a value is refused, and so is a value with a byte too many.
template <class Decode>
void expect_only_whole(const std::string& bytes, Decode decode) {
  EXPECT_TRUE(decode(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(decode(bytes.substr(0, length))) << length;
  EXPECT_FALSE(decode(bytes + "x"));
}

TEST(SequenceDocument, IsReadAsItWasWritten) {
  SequenceDocument document;
  document.entry = full_entry();
  document.identity = {PartitionNumber(2), PartitionPosition(9), Cas(4), HistoryId(5)};
  document.epoch = Epoch(3);
  EXPECT_EQ(SequenceDocument::decode(Sequence(77), document.encode()).value(), document);
  const SequenceDocument dead = SequenceDocument::dead(Sequence(5));
  EXPECT_EQ(SequenceDocument::decode(Sequence(5), dead.encode()).value(), dead);
  expect_only_whole(document.encode(), [](const std::string& bytes) {
    return SequenceDocument::decode(Sequence(77), bytes).has_value();
  });
}

TEST(FeedRecord, IsReadAsItWasWritten) {
  FeedRecord record{full_entry(),
                    {{Sequence(5), {ChannelId::of_documents("a")}, {}},
                     {Sequence(6), {}, {ChannelId::of_principal("user:bob")}}}};
  EXPECT_EQ(FeedRecord::decode(record.encode()).value(), record);
  expect_only_whole(record.encode(),
                    [](const std::string& bytes) { return FeedRecord::decode(bytes).has_value(); });
}

TEST(StableRecord, IsReadAsItWasWritten) {
  StableRecord record;
  record.stable = Sequence(9);
  record.token = 4;
  record.cache_histories = {HistoryId(1), HistoryId(2)};
  record.base_histories = {HistoryId(3)};
  record.checkpoint = {{HistoryId(3), PartitionPosition(8)}};
  record.dead_ranges_version = 6;
  record.kills = 11;
  record.generation = 2;
  record.epoch = Epoch(5);
  record.epochs.add({Epoch(5), Sequence(7), Sequence(3)});
  record.durable_floor = Sequence(8);
  record.floor_checkpoint = {{HistoryId(2), PartitionPosition(6)}};
  EXPECT_EQ(StableRecord::decode(record.encode()).value(), record);
  expect_only_whole(record.encode(), [](const std::string& bytes) {
    return StableRecord::decode(bytes).has_value();
  });
}

TEST(BlockRecord, IsReadAsItWasWritten) {
  const BlockRecord record{Sequence(9), Sequence(40), 123};
  EXPECT_EQ(BlockRecord::decode(record.encode()).value(), record);
  expect_only_whole(record.encode(), [](const std::string& bytes) {
    return BlockRecord::decode(bytes).has_value();
  });
}

// append-blocks A0: what starts at or beyond the capacity does not count.
TEST(AppendBlock, EntriesBeyondTheCapacityDoNotCount) {
  const std::vector<BlockEntry> entries{
      {Sequence(5), false}, {Sequence(3), true}, {Sequence(9), false}};
  const auto counted = decode_append_block(encode_append_entries(entries), 2);
  EXPECT_EQ(counted.value(), (std::vector<BlockEntry>{{Sequence(5), false}, {Sequence(3), true}}));
  EXPECT_FALSE(decode_append_block("12345", 2));
}

TEST(IndexedBlock, HoldsTwoBitsASequence) {
  IndexedBlock block(3, 10);
  block.enter({Sequence(30), false});
  block.enter({Sequence(39), true});
  EXPECT_EQ(block.encode().size(), 3u);
  const auto read = IndexedBlock::decode(3, 10, block.encode()).value();
  EXPECT_EQ(read.entries(), (std::vector<BlockEntry>{{Sequence(30), false}, {Sequence(39), true}}));
  EXPECT_FALSE(IndexedBlock::decode(3, 10, "xx"));
}

TEST(DeadRanges, PropertyHoldsWhatAPlainSetHolds) {
  EXPECT_TRUE(rc::check("dead ranges", [] {
    DeadRanges dead;
    std::set<std::uint64_t> oracle;
    const auto count = *rc::gen::inRange(0, 20);
    for (int i = 0; i < count; ++i) {
      const auto first = *rc::gen::inRange<std::uint64_t>(1, 60);
      const auto last = first + *rc::gen::inRange<std::uint64_t>(0, 8);
      dead.bury(Sequence(first), Sequence(last));
      for (auto s = first; s <= last; ++s) oracle.insert(s);
    }
    for (std::uint64_t s = 0; s < 75; ++s)
      RC_ASSERT(dead.contains(Sequence(s)) == oracle.contains(s));
    for (std::uint64_t s = 0; s < 75; ++s) {
      std::uint64_t next = s;
      while (oracle.contains(next)) ++next;
      RC_ASSERT(dead.skip(Sequence(s)) == Sequence(next));
    }
    RC_ASSERT(DeadRanges::decode(dead.encode()).value() == dead);
    for (std::size_t i = 1; i < dead.ranges.size(); ++i)
      RC_ASSERT(dead.ranges[i - 1].last.next() < dead.ranges[i].first);
  }));
}

TEST(Accounting, PropertyHoldsWhatAPlainSetHolds) {
  EXPECT_TRUE(rc::check("accounting", [] {
    Accounting accounting(Sequence(1));
    std::set<std::uint64_t> oracle{1};
    const auto count = *rc::gen::inRange(0, 25);
    for (int i = 0; i < count; ++i) {
      const auto first = *rc::gen::inRange<std::uint64_t>(1, 60);
      const auto last = first + *rc::gen::inRange<std::uint64_t>(0, 8);
      accounting.account(Sequence(first), Sequence(last));
      for (auto s = first; s <= last; ++s) oracle.insert(s);
    }
    std::uint64_t stable = 1;
    while (oracle.contains(stable + 1)) ++stable;
    RC_ASSERT(accounting.stable() == Sequence(stable));
    for (std::uint64_t upto = 1; upto <= 70; ++upto)
      RC_ASSERT(accounting.count_gaps(Sequence(upto)) == accounting.gaps(Sequence(upto)).size());
    std::set<std::uint64_t> missing;
    for (const auto& gap : accounting.gaps(Sequence(70)))
      for (auto s = gap.first.value(); s <= gap.last.value(); ++s) missing.insert(s);
    for (std::uint64_t s = 1; s <= 70; ++s) {
      RC_ASSERT(accounting.is_accounted(Sequence(s)) == oracle.contains(s));
      RC_ASSERT(missing.contains(s) == !oracle.contains(s));
    }
  }));
}

// sync_gateway#3823, PR 7546 (CBG-4351).
TEST(Accounting, AGapOfMillionsIsOneRange) {
  Accounting accounting(Sequence(1));
  accounting.account(Sequence(10'000'002));
  EXPECT_EQ(accounting.gaps(Sequence(10'000'002)).size(), 1u);
}

TEST(FeedWalk, TheCheckpointWaitsForUnsettledEntriesAndForStable) {
  FeedWalk walk;
  const auto entry = [](std::uint64_t position) {
    FeedEntry e;
    e.position = PartitionPosition(position);
    return e;
  };
  const auto settle = [&](std::uint64_t p) {
    walk.settle(PartitionNumber(0), PartitionPosition(p));
  };
  const FeedPositions read{{HistoryId(1), PartitionPosition(3)}};
  const auto at = [&](std::uint64_t stable) {
    return walk.checkpoint(Sequence(stable), read).at(0).position.value();
  };
  walk.meet(entry(1), Sequence(5));
  walk.meet(entry(2), Sequence(4));
  walk.meet(entry(3), Sequence(9));
  settle(1);
  settle(3);
  EXPECT_EQ(at(3), 0u);   // entry 1 is settled, but its sequence is not stable
  EXPECT_EQ(at(10), 1u);  // entry 2 is not settled
  settle(2);
  EXPECT_EQ(at(8), 2u);
  EXPECT_EQ(at(9), 3u);
  EXPECT_EQ(walk.size(), 0u);
}

}  // namespace
}  // namespace headgate
