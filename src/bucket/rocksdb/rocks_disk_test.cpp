// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <unistd.h>

#include "bucket/rocksdb/rocks_test.hpp"

namespace headgate {
namespace {

class RocksDiskTest : public RocksTest {
 protected:
  /// Repeats a write until it succeeds: the store needs a moment to find that there is room again.
  bool can_write_again(const std::string& name) {
    return eventually([&] { return insert(key(name), "x", kDurable).ok(); });
  }
};

TEST_F(RocksDiskTest, AFullDiskRefusesWritesAndAnswersReadsUntilThereIsRoom) {
  open();
  ASSERT_TRUE(insert(key("before"), "x", with_entry("before", Durability::disk)).ok());
  append(key("block", KeyKind::block), "123");
  disk_.files->set_full(true);
  for (const Durability durability : {Durability::memory, Durability::disk}) {
    const Reply reply = insert(key("full"), "x", {.durability = durability});
    EXPECT_EQ(reply.status, Errc::no_space);
    EXPECT_EQ(reply.history, store_->history());
  }
  EXPECT_EQ(append(key("block", KeyKind::block), "4").status, Errc::no_space);
  EXPECT_EQ(run(bucket_->drop_database(DatabaseId(8), kNoDeadline)).error().code, Errc::no_space);
  EXPECT_EQ(get(key("full")).status, Errc::not_found);
  EXPECT_EQ(get(key("before")).bytes, "x");
  EXPECT_EQ(run(open_feed()->next(10, kNoDeadline))->size(), 1u);
  disk_.files->set_full(false);
  EXPECT_TRUE(can_write_again("after"));
  EXPECT_EQ(append(key("block", KeyKind::block), "4").number, 4u);
  EXPECT_TRUE(run(bucket_->barrier(kNoDeadline)));
  close();
  open();
  EXPECT_TRUE(store_->was_clean_open());
  EXPECT_EQ(get(key("before")).bytes, "x");
  EXPECT_EQ(get(key("after")).bytes, "x");
  EXPECT_EQ(get(key("block", KeyKind::block)).bytes, "1234");
  EXPECT_EQ(get(key("full")).status, Errc::not_found);
}

TEST_F(RocksDiskTest, StopsWritingBeforeTheDiskIsFull) {
  open();
  ASSERT_TRUE(insert(key("before"), "x", kDurable).ok());
  disk_.files->set_free_bytes(options().free_bytes_min - 1);
  EXPECT_TRUE(eventually([&] { return append(key("a"), "x").status == Errc::no_space; }));
  EXPECT_EQ(append(key("a"), "x").status, Errc::no_space);
  EXPECT_EQ(get(key("before")).bytes, "x");
  EXPECT_TRUE(run(bucket_->barrier(kNoDeadline)));
  EXPECT_TRUE(run(bucket_->drop_database(DatabaseId(8), kNoDeadline)));
  const auto length = run(bucket_->get_range(key("a"), 0, kNoDeadline)).number;
  disk_.files->set_free_bytes(std::nullopt);
  EXPECT_TRUE(can_write_again("after"));
  EXPECT_EQ(append(key("a"), "x").number, length + 1);
}

// What was accepted is finished, and a database that is opened on a full disk can be read.
TEST_F(RocksDiskTest, WithLittleRoomTheCacheIsStillWritten) {
  open();
  ASSERT_TRUE(insert(key("before"), "x", kDurable).ok());
  disk_.files->set_free_bytes(options().free_bytes_min - 1);
  EXPECT_TRUE(eventually([&] { return append(key("a"), "x").status == Errc::no_space; }));
  EXPECT_EQ(append(key("block", KeyKind::block), "123").number, 3u);
  close();
  open();
  EXPECT_TRUE(eventually([&] { return append(key("a"), "x").status == Errc::no_space; }));
  EXPECT_TRUE(insert(key("horizon", KeyKind::horizon), "x", kDurable).ok());
  // One that is refused takes nobody along who waits with it.
  std::vector<Operation> both{operation::Insert{key("b"), "x", {}, {}},
                              operation::Append{key("block", KeyKind::block), "4", {}}};
  EXPECT_EQ(run(bucket_->pipeline(std::move(both), kNoDeadline))[0].status, Errc::no_space);
  EXPECT_EQ(append(key("block", KeyKind::block), "4").number, 4u);
  disk_.files->set_free_bytes(options().free_bytes_min / 4 - 1);
  EXPECT_TRUE(
      eventually([&] { return append(key("c", KeyKind::block), "x").status == Errc::no_space; }));
  EXPECT_EQ(get(key("before")).bytes, "x");
  disk_.files->set_free_bytes(std::nullopt);
  EXPECT_TRUE(can_write_again("after"));
}

TEST_F(RocksDiskTest, AnIoErrorLeavesTheOutcomeOfOneBatchUnknown) {
  open();
  ASSERT_TRUE(insert(key("before"), "x", kDurable).ok());
  disk_.files->set_broken(true);
  EXPECT_EQ(insert(key("a"), "x", kDurable).status, Errc::timeout_unknown_outcome);
  EXPECT_EQ(insert(key("b"), "x").status, Errc::unavailable);
  EXPECT_EQ(get(key("before")).bytes, "x");
}

// What a failed sync leaves in memory may be lost: a later success says nothing of it.
TEST_F(RocksDiskTest, AStoreWhoseLogFailedIsNotClosedInOrder) {
  open();
  ASSERT_TRUE(insert(key("before"), "x", kDurable).ok());
  disk_.files->set_broken(true);
  EXPECT_EQ(insert(key("a"), "x", kDurable).status, Errc::timeout_unknown_outcome);
  disk_.files->set_broken(false);
  EXPECT_EQ(insert(key("b"), "x", kDurable).status, Errc::unavailable);
  close();
  open();
  EXPECT_FALSE(store_->was_clean_open());
  EXPECT_EQ(get(key("before")).bytes, "x");
  EXPECT_EQ(get(key("b")).status, Errc::not_found);
}

// The whole batch was in the log already: to say that it was not done would be a lie.
TEST_F(RocksDiskTest, ASyncWithoutSpaceLeavesTheOutcomeUnknown) {
  open();
  append(key("block", KeyKind::block), "123");
  disk_.files->set_full_at_sync(true);
  const WriteOptions fed = with_entry("a", Durability::disk);
  EXPECT_EQ(insert(key("a"), "x", fed).status, Errc::timeout_unknown_outcome);
  disk_.files->set_full_at_sync(false);
  EXPECT_TRUE(can_write_again("after"));
  EXPECT_EQ(append(key("block", KeyKind::block), "4").number, 4u);
  // It is there after all, and what depends on it goes on from it.
  EXPECT_EQ(get(key("a")).bytes, "x");
  EXPECT_EQ(insert(key("a"), "y").status, Errc::exists);
  EXPECT_EQ(run(open_feed()->next(10, kNoDeadline))->size(), 1u);
}

TEST_F(RocksDiskTest, RecoversFromARealFullDisk) {
  const std::string small = directory_ / "small";
  std::filesystem::create_directory(small);
  if (mount("none", small.c_str(), "tmpfs", 0, "size=24m") != 0)
    GTEST_SKIP() << "needs the right to mount a small file system";
  auto there = options();
  there.directory = small + "/store";
  there.env = nullptr;
  there.free_bytes_min = 1u << 20;
  open(there);
  std::string bytes;  // that no compression makes small
  while (bytes.size() < 100'000) bytes += std::to_string(environment_.random());
  bytes.resize(100'000);
  int written = 0;
  while (insert(key(std::to_string(written)), bytes, kDurable).ok()) ++written;
  EXPECT_GT(written, 10);
  EXPECT_EQ(insert(key("full"), bytes).status, Errc::no_space);
  EXPECT_EQ(get(key("0")).bytes.size(), 100'000u);
  mount("none", small.c_str(), "tmpfs", MS_REMOUNT, "size=200m");
  EXPECT_TRUE(can_write_again("after"));
  close();
  open(there);
  for (int i = 0; i < written; ++i) EXPECT_TRUE(get(key(std::to_string(i))).ok()) << i;
  EXPECT_EQ(get(key("after")).bytes, "x");
  close();
  umount(small.c_str());
}

}  // namespace
}  // namespace headgate
