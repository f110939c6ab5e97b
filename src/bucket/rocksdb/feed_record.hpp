// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// The embedded store is one partition.
inline constexpr PartitionNumber kOnlyPartition{0};

/// Key in the feed's column family: database | partition | position, all big-endian.
std::string feed_key(DatabaseId database, PartitionPosition position);
PartitionPosition position_of_feed_key(std::string_view stored);
DatabaseId database_of_feed_key(std::string_view stored);

/// One entry as the feed's column family holds it.
struct StoredFeedEntry {
  Key key;
  std::string bytes;
  bool is_removal = false;
};
std::string feed_record_bytes(const StoredFeedEntry& record);
/// Key::database comes from the feed's key. Errors: corrupted.
Result<StoredFeedEntry> read_feed_record(DatabaseId database, std::string_view bytes);

}  // namespace headgate
