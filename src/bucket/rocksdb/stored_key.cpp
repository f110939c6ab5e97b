// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/stored_key.hpp"

#include <utility>

#include "base/bytes.hpp"

namespace headgate {

Family family_of(KeyKind kind) {
  if (kind == KeyKind::sequence_document) return Family::sequence_documents;
  return static_cast<std::uint8_t>(kind) < static_cast<std::uint8_t>(KeyKind::block)
             ? Family::values
             : Family::cache;
}

std::string stored_prefix(DatabaseId database, KeyKind kind, std::string_view tag) {
  ByteWriter writer;
  writer.be32(database.value()).u8(static_cast<std::uint8_t>(kind)).text(tag);
  return std::move(writer).bytes();
}

std::string stored_key(const Key& key) {
  std::string bytes = stored_prefix(key.database, key.kind, key.tag);
  bytes += key.name;
  return bytes;
}

std::string database_prefix(DatabaseId database) {
  ByteWriter writer;
  writer.be32(database.value());
  return std::move(writer).bytes();
}

std::string database_end(DatabaseId database) {
  // What follows the number, a kind or the feed's partition, never begins with this byte.
  return database_prefix(database) + '\xff';
}

}  // namespace headgate
