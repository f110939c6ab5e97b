// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/feed_record.hpp"

#include <utility>

#include "base/bytes.hpp"

namespace headgate {

std::string feed_key(DatabaseId database, PartitionPosition position) {
  ByteWriter writer;
  writer.be32(database.value()).be32(kOnlyPartition.value()).be64(position.value());
  return std::move(writer).bytes();
}

PartitionPosition position_of_feed_key(std::string_view stored) {
  ByteReader reader(stored);
  reader.be64();
  return PartitionPosition(reader.be64());
}

DatabaseId database_of_feed_key(std::string_view stored) {
  return DatabaseId(ByteReader(stored).be32());
}

std::string feed_record_bytes(const StoredFeedEntry& record) {
  ByteWriter writer;
  writer.u8(record.is_removal ? 1 : 0).u8(static_cast<std::uint8_t>(record.key.kind));
  writer.text(record.key.tag).text(record.key.name).raw(record.bytes);
  return std::move(writer).bytes();
}

Result<StoredFeedEntry> read_feed_record(DatabaseId database, std::string_view bytes) {
  ByteReader reader(bytes);
  StoredFeedEntry record;
  record.is_removal = reader.u8() != 0;
  record.key.database = database;
  record.key.kind = static_cast<KeyKind>(reader.u8());
  record.key.tag = reader.text();
  record.key.name = reader.text();
  record.bytes = reader.rest();
  if (!reader.ok()) return Error{Errc::corrupted, "feed entry"};
  return record;
}

}  // namespace headgate
