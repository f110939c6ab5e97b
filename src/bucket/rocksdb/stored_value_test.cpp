// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/stored_value.hpp"

#include <gtest/gtest.h>
#include <rocksdb/compaction_filter.h>

#include "bucket/rocksdb/feed_record.hpp"
#include "bucket/rocksdb/key_states.hpp"
#include "bucket/rocksdb/reclaim_filter.hpp"
#include "bucket/rocksdb/stored_key.hpp"

namespace headgate {
namespace {

std::string stored(const ValueHeader& header, std::string_view payload) {
  std::string bytes;
  write_header(header, bytes);
  return bytes.append(payload);
}

TEST(StoredValue, IsReadAsItWasWritten) {
  const WallTime later(std::chrono::milliseconds(1'234));
  const auto bytes =
      stored({.cas = Cas(5), .feed_position = PartitionPosition(4), .expires = later}, "payload");
  const auto value = read_value(bytes);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->header.cas, Cas(5));
  EXPECT_EQ(value->header.feed_position, PartitionPosition(4));
  EXPECT_EQ(value->header.expires, later);
  EXPECT_EQ(value->payload, "payload");
}

TEST(StoredValue, EveryCutOffHeaderIsCorrupted) {
  const auto bytes =
      stored({.is_counter = true, .feed_position = PartitionPosition(4)}, counter_payload(7));
  ASSERT_TRUE(read_value(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_EQ(read_value(bytes.substr(0, length)).error().code, Errc::corrupted) << length;
}

TEST(StoredValue, FlagsOfALaterFormatAreRefused) {
  auto bytes = stored({}, "x");
  bytes[0] = 16;
  EXPECT_EQ(read_value(bytes).error().code, Errc::unsupported);
}

TEST(FeedRecord, EveryCutOffRecordIsCorrupted) {
  const Key key{DatabaseId(1), KeyKind::document, "tag", "name"};
  const std::string bytes = feed_record_bytes({key, "", true});
  const auto record = read_feed_record(DatabaseId(1), bytes);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->key, key);
  EXPECT_TRUE(record->is_removal);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(read_feed_record(DatabaseId(1), bytes.substr(0, length))) << length;
}

class ReclaimFilterTest : public testing::Test {
 protected:
  bool is_left_out(const ValueHeader& header, bool may_expire = true) const {
    using Filter = rocksdb::CompactionFilter;
    const std::string key = database_prefix(DatabaseId(7)) + "key";
    const std::string bytes = stored(header, "x");
    return ReclaimFilter(dropped_, may_expire)
               .FilterV2(0, key, Filter::ValueType::kValue, bytes, nullptr, nullptr) ==
           Filter::Decision::kRemove;
  }

  DroppedDatabases dropped_;
};

TEST_F(ReclaimFilterTest, LeavesOutOnlyWhatExpiredLongAgo) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  EXPECT_FALSE(is_left_out({}));
  EXPECT_FALSE(is_left_out({.expires = now - std::chrono::minutes(30)}));
  EXPECT_TRUE(is_left_out({.expires = now - std::chrono::minutes(90)}));
  EXPECT_FALSE(is_left_out({.expires = now - std::chrono::minutes(90)}, false));
}

TEST_F(ReclaimFilterTest, LeavesOutDroppedDatabases) {
  dropped_.add(DatabaseId(6));
  dropped_.add(DatabaseId(8));
  EXPECT_FALSE(is_left_out({}));
  dropped_.add(DatabaseId(7));
  EXPECT_TRUE(is_left_out({}));
  dropped_.remove(DatabaseId(7));
  EXPECT_FALSE(is_left_out({}));
}

TEST(KeyStates, TheLeastRecentlyUsedGoesFirst) {
  KeyStates states(2);
  states.put("a", {.number = 1});
  states.put("b", {.number = 2});
  ASSERT_NE(states.find("a"), nullptr);
  states.put("c", {.number = 3});
  EXPECT_EQ(states.find("b"), nullptr);
  EXPECT_EQ(states.find("a")->number, 1u);
  states.put("a", {.number = 4});
  EXPECT_EQ(states.find("a")->number, 4u);
  EXPECT_EQ(states.find("c")->number, 3u);
}

}  // namespace
}  // namespace headgate
