// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/perf_context.h>

#include "base/bytes.hpp"
#include "bucket/rocksdb/rocks_test.hpp"

namespace headgate {
namespace {

constexpr std::uint64_t kCount = 3'000;

/// Values in files, nothing of them in memory.
class ColdReadsTest : public RocksTest {
 protected:
  void SetUp() override {
    open();
    for (std::uint64_t n = 1; n <= kCount; ++n) {
      std::vector<Operation> writes;
      writes.push_back(operation::Insert{at(n), value(n)});
      writes.push_back(
          operation::Insert{key(number(n)), value(n), with_entry(number(n), Durability::memory)});
      run(bucket_->pipeline(std::move(writes), kNoDeadline));
    }
    for (int i = 0; i < 2; ++i) {  // the first open writes files out of the log
      close();
      open();
    }
  }

  static std::string number(std::uint64_t n) { return ByteWriter().be64(n).bytes(); }
  static std::string value(std::uint64_t n) { return std::string(n % 300, 'x') + number(n); }
  static Key at(std::uint64_t n) { return key(number(n), KeyKind::sequence_document); }
  std::uint64_t cold_reads() const { return store_->statistics().cold_reads; }
};

TEST_F(ColdReadsTest, GetFindsAValueOnTheDiskAndThenInMemory) {
  EXPECT_EQ(get(key(number(77))).bytes, value(77));
  EXPECT_EQ(cold_reads(), 1u);
  EXPECT_EQ(get(key(number(77))).bytes, value(77));
  EXPECT_EQ(cold_reads(), 1u);
}

TEST_F(ColdReadsTest, GetManyFindsADenseRun) {
  std::vector<Key> keys;
  for (std::uint64_t n = 1; n <= kCount; ++n) keys.push_back(at(n));
  const auto replies = run(bucket_->get_many(keys, kNoDeadline));
  EXPECT_EQ(cold_reads(), 1u);
  for (std::uint64_t n = 1; n <= kCount; ++n) EXPECT_EQ(replies[n - 1].bytes, value(n)) << n;
}

TEST_F(ColdReadsTest, ScanAndFeedFindEverything) {
  const auto page = run(bucket_->scan(
      {.database = kDatabase, .kind = KeyKind::document, .tag = "tag", .limit = kCount + 1},
      kNoDeadline));
  ASSERT_TRUE(page);
  EXPECT_EQ(cold_reads(), 1u);
  ASSERT_EQ(page->items.size(), kCount);
  for (std::uint64_t n = 1; n <= kCount; ++n) EXPECT_EQ(page->items[n - 1].bytes, value(n)) << n;
  const auto feed = open_feed();
  EXPECT_NE(run(feed->heads(kNoDeadline))->at(0).position, PartitionPosition());
  const auto entries = run(feed->next(kCount + 1, kNoDeadline));
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), kCount);
  EXPECT_EQ(feed->positions(), *run(feed->heads(kNoDeadline)));
}

TEST_F(ColdReadsTest, AWriteFindsItsVersionOnTheDisk) {
  const Reply exists = insert(key(number(5)), "other");
  EXPECT_EQ(exists.status, Errc::exists);
  const Cas cas = get(key(number(5))).cas;
  const auto options = with_entry("new", Durability::disk);
  EXPECT_TRUE(run(bucket_->replace(key(number(5)), "new", cas, options, kNoDeadline)).ok());
  const auto entries = run(open_feed()->next(kCount + 1, kNoDeadline));
  EXPECT_EQ(entries->size(), kCount);
  EXPECT_EQ(entries->back().bytes, "new");
}

// What was removed leaves a mark until files are merged: whoever looks through many tags, most of
// them empty, must not walk over the marks of all others for each.
class RemovedKeysTest : public RocksTest {};

TEST_F(RemovedKeysTest, AScanPassesOverThoseOfItsOwnTagAlone) {
  open();
  constexpr std::uint64_t kEach = 20;
  const auto key_of_tag = [](char tag, std::uint64_t n) {
    return Key{kDatabase, KeyKind::sequence_document, std::string(1, tag),
               ByteWriter().be64(n).bytes()};
  };
  for (char tag = 'a'; tag <= 'z'; ++tag)
    for (std::uint64_t n = 0; n < kEach; ++n) insert(key_of_tag(tag, n), "x");
  for (char tag = 'a'; tag <= 'z'; ++tag)
    for (std::uint64_t n = 0; n < kEach; ++n)
      run(bucket_->remove(key_of_tag(tag, n), get(key_of_tag(tag, n)).cas, {}, kNoDeadline));
  rocksdb::SetPerfLevel(rocksdb::kEnableCount);
  for (const bool in_reverse : {false, true}) {
    rocksdb::get_perf_context()->Reset();
    const auto page = run(bucket_->scan(
        {kDatabase, KeyKind::sequence_document, "m", {}, 10, in_reverse}, kNoDeadline));
    ASSERT_TRUE(page);
    EXPECT_TRUE(page->items.empty());
    EXPECT_LE(rocksdb::get_perf_context()->internal_delete_skipped_count, kEach) << in_reverse;
  }
  rocksdb::SetPerfLevel(rocksdb::kDisable);
}

}  // namespace
}  // namespace headgate
