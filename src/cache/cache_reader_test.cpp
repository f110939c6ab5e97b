// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_reader.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include "cache/cache_fixture.hpp"
#include "cache/channel_blocks.hpp"
#include "cache/stable_sequence.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class CacheReaderTest : public CacheFixture, public testing::WithParamInterface<BlockFormat> {
 protected:
  CacheReaderTest() : CacheFixture(small_settings(GetParam())) {}
};

INSTANTIATE_TEST_SUITE_P(Formats, CacheReaderTest,
                         testing::Values(BlockFormat::append, BlockFormat::indexed),
                         [](const auto& format) {
                           return format.param == BlockFormat::append ? "append" : "indexed";
                         });

TEST_P(CacheReaderTest, ShowsOfEachDocumentTheNewestEntry) {
  start_writer();
  put("a", {"news"});
  put("b", {"news"});
  put("a", {"news"});
  EXPECT_THAT(names(read("news")), ElementsAre("b@3", "a@4"));
  EXPECT_THAT(names(read("news", Sequence(3))), ElementsAre("a@4"));
}

TEST_P(CacheReaderTest, ShowsRemovalsInTheChannelThatWasLeft) {
  start_writer();
  put("a", {"news", "sport"});
  put("a", {"sport"});
  EXPECT_THAT(names(read("news")), ElementsAre("-a@3"));
  EXPECT_THAT(names(read("sport")), ElementsAre("a@3"));
  EXPECT_THAT(names(read("*")), ElementsAre("a@3"));
}

// sync_gateway#1230: an empty channel is empty, and a first document appears at once.
TEST_P(CacheReaderTest, AnEmptyChannelFillsAtOnce) {
  start_writer();
  EXPECT_THAT(names(read("news")), IsEmpty());
  put("a", {"news"});
  EXPECT_THAT(names(read("news")), ElementsAre("a@2"));
}

// R15b: an entry whose front end is still at work is awaited; later ones are shown meanwhile.
TEST_P(CacheReaderTest, AnEntryWithoutASequenceDocumentIsAwaited) {
  start_writer();
  const Allocation slow = allocate();
  const CacheWrite write = base_write("a", {"news"}, slow);
  auto blocks = make_block_writer(*space_);
  EXPECT_TRUE(env_.run(blocks->write(block_writes_of({write}), slow.cache_histories)));
  put("b", {"news"});
  const ChannelPage early = read("news");
  EXPECT_THAT(names(early), ElementsAre("b@3"));
  EXPECT_EQ(early.awaited, Sequence(2));
  cache_write(write, slow);
  const ChannelPage late = read("news");
  EXPECT_THAT(names(late), ElementsAre("a@2", "b@3"));
  EXPECT_FALSE(late.awaited);
}

// R16: the sequence document decides; a block entry is only a hint.
TEST_P(CacheReaderTest, AStrayBlockEntryIsNotShown) {
  start_writer();
  const Sequence sequence = put("a", {"sport"});
  auto blocks = make_block_writer(*space_);
  const Allocation now = allocate();
  EXPECT_TRUE(env_.run(blocks->write({{ChannelId::of_documents("news"), {{sequence, false}}}},
                                     now.cache_histories)));
  EXPECT_THAT(names(read("news")), IsEmpty());
}

TEST_P(CacheReaderTest, ModeStableStopsAtStable) {
  start_writer();
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  stop_writer();
  put("b", {"news"});
  const ChannelPage page = read("news", Sequence(), ReadMode::stable);
  EXPECT_THAT(names(page), ElementsAre("a@2"));
  EXPECT_EQ(page.complete_to, Sequence(2));
}

// Later blocks have floors above it.
TEST_P(CacheReaderTest, APageEndsAtOrBelowTheStableOfItsOwnPass) {
  start_writer();
  put("first", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  const PassStart earlier = env_.run(reader_->start_pass()).value();
  for (int i = 0; i < 20; ++i) put("a" + std::to_string(i), {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(22)));
  for (int i = 0; i < 20; ++i) put("b" + std::to_string(i), {"news"});
  const ChannelQuery news{ChannelId::of_documents("news"), Sequence()};
  for (std::size_t limit = 1; limit < 30; ++limit) {
    const auto pages = env_.run(reader_->read(earlier, ReadMode::available, {news}, limit));
    ASSERT_TRUE(pages);
    const Sequence end = pages->front().complete_to;
    EXPECT_TRUE(end <= earlier.stable || end == kNoSequence) << end.value() << " of " << limit;
  }
}

TEST_P(CacheReaderTest, PagesAreCompleteAndEndOnlyAtOrBelowStable) {
  start_writer();
  for (int i = 0; i < 50; ++i) put("d" + std::to_string(i), {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(51)));
  stop_writer();
  put("early", {"news"});
  Sequence since;
  std::vector<std::string> all;
  int pages = 0;
  while (since != kNoSequence) {
    const ChannelPage page = read("news", since, ReadMode::available, 7);
    const auto found = names(page);
    all.insert(all.end(), found.begin(), found.end());
    since = page.complete_to;
    ++pages;
  }
  EXPECT_THAT(all, SizeIs(51));
  EXPECT_EQ(all.back(), "early@52");
  EXPECT_GE(pages, 7);
}

// R17b, sync_gateway PR 8463 (CBG-5610): a pass meets at most max_early entries above stable, so
// what a stuck feed remembers is bounded.
TEST_P(CacheReaderTest, AboveStableAPageIsBounded) {
  space_->settings.max_early = 5;
  start_writer();
  stop_writer();
  for (int i = 0; i < 20; ++i) put("d" + std::to_string(i), {"news"});
  const ChannelPage page = read("news");
  EXPECT_THAT(page.entries, SizeIs(5));
  EXPECT_EQ(page.complete_to, Sequence(6));
}

// R17b: what a client has seen bounds nothing; who saw very much waits for stable.
TEST_P(CacheReaderTest, APageReachesWhatTheClientHasSeen) {
  space_->settings.max_early = 1;
  start_writer();
  stop_writer();
  for (int i = 0; i < 64; ++i) put("d" + std::to_string(i), {"news"});
  EXPECT_THAT(read_all_seen("news")->entries, SizeIs(64));
  put("one more", {"news"});
  EXPECT_EQ(read_all_seen("news").error().code, Errc::unavailable);
  start_writer();
  ASSERT_TRUE(stable_reaches(Sequence(66)));
  EXPECT_THAT(read_all_seen("news")->entries, SizeIs(65));
}

// R15: what other histories say is not believed until a cache writer has looked at it.
TEST_P(CacheReaderTest, AfterAFailoverReadersWaitForANewRecord) {
  start_writer();
  put("a", {"news"});
  ASSERT_TRUE(stable_reaches(Sequence(2)));
  stop_writer();
  cache_store_.fail_over_all();
  EXPECT_EQ(try_read("news").error().code, Errc::unavailable);
  start_writer();
  EXPECT_THAT(names(read("news")), ElementsAre("a@2"));
}

TEST_P(CacheReaderTest, WithoutAStarChannelAllDocumentsAreReadFromTheSequenceDocuments) {
  space_->settings.has_star_channel = false;
  start_writer();
  put("a", {"news"});
  put("b", {});
  put("a", {"sport"});
  ASSERT_TRUE(stable_reaches(Sequence(4)));
  allocate();  // a number in flight
  put("c", {});
  const ChannelPage page = read("*");
  EXPECT_THAT(names(page), ElementsAre("b@3", "a@4", "c@6"));
  EXPECT_EQ(page.awaited, Sequence(5));
  EXPECT_THAT(names(read("*", Sequence(), ReadMode::stable)), ElementsAre("b@3", "a@4"));
}

Task<void> read_into(CacheReader& reader, std::vector<std::size_t>& sizes) {
  const auto pass = co_await reader.start_pass();
  const auto pages = co_await reader.read(pass.value(), ReadMode::available,
                                          {{ChannelId::of_documents("news"), Sequence()}}, 1'000);
  sizes.push_back(pages.value().at(0).entries.size());
}

// sync_gateway#3532: what a thousand passes want at once is read once.
TEST_P(CacheReaderTest, PassesThatBeginTogetherShareTheirReads) {
  start_writer();
  put("a", {"news"});
  open_reader_cold();
  std::vector<std::size_t> sizes;
  TaskScope scope(env_);
  for (int i = 0; i < 1'000; ++i) scope.spawn(read_into(*reader_, sizes));
  env_.run(scope.join());
  EXPECT_THAT(sizes, SizeIs(1'000));
  EXPECT_THAT(sizes, testing::Each(1u));
  const auto statistics = reader_->statistics();
  EXPECT_LE(statistics.stable_reads, 2u);
  EXPECT_LE(statistics.counter_reads, 2u);
  EXPECT_LE(statistics.block_reads, 2u);
  EXPECT_EQ(statistics.document_reads, 1u) << statistics.block_reads;
}

// Whoever catches up over more than is kept leaves in memory what the feeds at the end share.
TEST_P(CacheReaderTest, APassFarBackDisplacesNothing) {
  space_->settings.reader_documents = 100;
  start_writer();
  for (int i = 0; i < 200; ++i) put("d" + std::to_string(i), {"news"});
  const Sequence end = Sequence(201 - 50);
  open_reader_cold();
  read("news", end);
  read("news");
  const auto before = reader_->statistics().document_reads;
  read("news", end);
  EXPECT_EQ(reader_->statistics().document_reads, before);
  read("news");
  EXPECT_LE(reader_->statistics().document_reads, before + 100) << "free room is used";
}

// Both formats against a plain set, whatever is written, in whatever order, from any since.
TEST_P(CacheReaderTest, PropertyBlocksHoldWhatAPlainSetHolds) {
  const BlockFormat format = GetParam();
  EXPECT_TRUE(rc::check("blocks", [format] {
    ManualEnvironment env;
    MemoryStore store(1);
    MemoryBucket bucket(env, store);
    CacheSettings settings;
    settings.block_format = format;
    settings.block_capacity = *rc::gen::inRange<std::uint32_t>(1, 6);
    const CacheSpace space{env, bucket, DatabaseId(1), settings};
    const auto histories = std::make_shared<const std::vector<HistoryId>>(
        env.run(bucket.barrier(kNoDeadline)).value());
    const ChannelId channel = ChannelId::of_documents("c");

    std::uint64_t keys_read = 0;
    auto warm = make_channel_blocks(space, channel, keys_read);
    std::set<BlockEntry> oracle;
    const auto batches =
        *rc::gen::resize(25, rc::gen::container<std::vector<std::vector<std::uint16_t>>>(
                                 rc::gen::container<std::vector<std::uint16_t>>(
                                     rc::gen::inRange<std::uint16_t>(1, 200))));
    std::unique_ptr<BlockWriter> writer = make_block_writer(space);
    for (const auto& batch : batches) {
      if (batch.empty()) continue;
      if (*rc::gen::inRange(0, 3) == 0) writer = make_block_writer(space);  // knows nothing
      std::vector<BlockEntry> entries;
      for (std::uint16_t s : batch) entries.push_back({Sequence(s), s % 7 == 0});
      oracle.insert(entries.begin(), entries.end());
      RC_ASSERT(env.run(writer->write({{channel, entries}}, histories)));

      const ChannelBlocks::Pass pass{Sequence(), histories->at(0), Sequence(200)};
      auto cold = make_channel_blocks(space, channel, keys_read);
      const Sequence since(*rc::gen::inRange<std::uint64_t>(0, 210));
      for (ChannelBlocks* blocks : {warm.get(), cold.get()}) {
        RC_ASSERT(env.run(blocks->refresh(pass)).has_value());
        const auto page = env.run(blocks->read(pass, since, 1));
        RC_ASSERT(page.has_value());
        std::vector<BlockEntry> expected;
        for (const BlockEntry& entry : oracle)
          if (entry.sequence > since) expected.push_back(entry);
        RC_ASSERT(page->entries == expected);
      }
    }
  }));
}

class Concurrency : public testing::TestWithParam<std::tuple<BlockFormat, std::uint32_t>> {};

INSTANTIATE_TEST_SUITE_P(Formats, Concurrency,
                         testing::Combine(testing::Values(BlockFormat::append,
                                                          BlockFormat::indexed),
                                          testing::Values(4u, 1024u)));

struct Node {
  ManualEnvironment env;
  MemoryStore store{1};
  MemoryBucket bucket{env, store};
};

Task<void> write_some(FrontEndCacheWriter& front_end, SequenceAllocator& allocator, int writer,
                      int count, std::map<std::string, Sequence>& newest) {
  for (int i = 0; i < count; ++i) {
    const auto allocation = co_await allocator.allocate(1, Sequence());
    CacheWrite write;
    write.entry.sequence = allocation->first;
    write.entry.doc_id = DocId("d" + std::to_string(writer));
    write.entry.rev_id = RevId(std::to_string(i + 1) + "-r");
    write.entry.channels = {ChannelId::of_documents("hot"), ChannelId::star()};
    newest[write.entry.doc_id.text()] = allocation->first;
    const auto outcomes = co_await front_end.write(
        {write}, WriteFence{allocation->epoch, allocation->cache_histories});
    EXPECT_EQ(outcomes.at(0), FrontEndCacheWriter::Outcome::complete);
  }
}

struct Silence : ChangeListener {
  void channels_changed(const std::vector<ChannelId>&) override {}
  void stable_advanced(Sequence, const std::vector<ChannelId>&) override {}
};

// sync_gateway#718: many writers on one channel and "*"; nobody's entry is lost.
TEST_P(Concurrency, SixtyFourWritersOnOneChannelLoseNothing) {
  Node node;
  CacheSettings settings;
  settings.block_format = std::get<0>(GetParam());
  settings.block_capacity = std::get<1>(GetParam());
  const CacheSpace space{node.env, node.bucket, DatabaseId(1), settings};
  SequenceAllocator allocator(node.env, node.bucket, node.bucket, DatabaseId(1));
  ASSERT_TRUE(node.env.run(allocator.open()));
  StableSequence stable(space, node.bucket);
  ASSERT_TRUE(node.env.run(stable.take_over()));
  const auto histories = node.env.run(node.bucket.barrier(kNoDeadline)).value();
  ASSERT_TRUE(node.env.run(stable.publish(
      {.stable = Sequence(1), .cache_histories = histories, .base_histories = histories})));
  CacheReader reader(space, allocator);
  Silence listener;
  FrontEndCacheWriter front_end(space, reader, listener);

  std::map<std::string, Sequence> newest;
  TaskScope scope(node.env);
  for (int w = 0; w < 64; ++w) scope.spawn(write_some(front_end, allocator, w, 8, newest));
  node.env.run(scope.join());

  for (const ChannelId& channel : {ChannelId::of_documents("hot"), ChannelId::star()}) {
    const auto pass = node.env.run(reader.start_pass()).value();
    const auto pages =
        node.env.run(reader.read(pass, ReadMode::available, {{channel, Sequence()}}, 10'000));
    ASSERT_TRUE(pages);
    std::map<std::string, Sequence> found;
    for (const ChannelEntry& entry : pages->at(0).entries)
      found[entry.document->entry.doc_id.text()] = entry.sequence;
    EXPECT_EQ(found, newest);
  }
  RecordProperty("cas_retries", std::to_string(front_end.statistics().cas_retries));
  if (settings.block_format == BlockFormat::append)
    EXPECT_EQ(front_end.statistics().cas_retries, 0u);
  else
    EXPECT_GT(front_end.statistics().cas_retries, 0u);
  std::printf("%s, capacity %u: %.1f CAS retries a write\n",
              settings.block_format == BlockFormat::append ? "append" : "indexed",
              settings.block_capacity,
              static_cast<double>(front_end.statistics().cas_retries) / (64 * 8));
}

class SparseChannelTest : public CacheFixture {
 protected:
  SparseChannelTest() : CacheFixture(CacheSettings{}) {}
};

// A channel of few entries costs what its entries cost, however far apart they are: couchdb#831,
// #1509, #1524, #4139, pouchdb#2232 (every client made the server go through the whole history).
TEST_F(SparseChannelTest, ThreeEntriesAcrossTenMillionSequencesCostThreeKeys) {
  start_writer();
  for (int i = 0; i < 3; ++i) {
    put("d" + std::to_string(i), {"sparse"});
    ASSERT_TRUE(
        env_.run(allocator_->allocate(1, Sequence(allocator_->highest().value() + 5'000'000))));
  }
  ASSERT_TRUE(stable_reaches(allocator_->highest()));
  open_reader_cold();
  EXPECT_THAT(read("sparse").entries, SizeIs(3));
  const auto statistics = reader_->statistics();
  EXPECT_LE(statistics.block_reads + statistics.counter_reads, 3u);
}

}  // namespace
}  // namespace headgate
