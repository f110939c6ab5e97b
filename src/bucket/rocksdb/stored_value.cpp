// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/stored_value.hpp"

#include <utility>

#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kCounter = 1;
constexpr std::uint8_t kRemoved = 2;
constexpr std::uint8_t kInFeed = 4;
constexpr std::uint8_t kExpires = 8;
constexpr std::uint8_t kKnownFlags = kCounter | kRemoved | kInFeed | kExpires;

std::uint8_t flags_of(const ValueHeader& header) {
  unsigned flags = 0;
  if (header.is_counter) flags |= kCounter;
  if (header.is_removed) flags |= kRemoved;
  if (header.feed_position != PartitionPosition()) flags |= kInFeed;
  if (header.expires) flags |= kExpires;
  return static_cast<std::uint8_t>(flags);
}

}  // namespace

void write_header(const ValueHeader& header, std::string& into) {
  ByteWriter writer;
  writer.u8(flags_of(header)).le64(header.cas.value());
  if (header.feed_position != PartitionPosition()) writer.le64(header.feed_position.value());
  if (header.expires)
    writer.le64(static_cast<std::uint64_t>(header.expires->time_since_epoch().count()));
  into += writer.bytes();
}

Result<StoredValue> read_value(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint8_t flags = reader.u8();
  if ((flags & ~kKnownFlags) != 0) return Error{Errc::unsupported, "flags of a stored value"};
  StoredValue value;
  value.header.is_counter = (flags & kCounter) != 0;
  value.header.is_removed = (flags & kRemoved) != 0;
  value.header.cas = Cas(reader.le64());
  if (flags & kInFeed) value.header.feed_position = PartitionPosition(reader.le64());
  if (flags & kExpires)
    value.header.expires =
        WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(reader.le64())));
  value.payload = reader.rest();
  const bool is_whole = !value.header.is_counter || value.payload.size() == 8;
  if (!reader.ok() || !is_whole) return Error{Errc::corrupted, "stored value"};
  return value;
}

std::uint64_t counter_number(const StoredValue& value) {
  return ByteReader(value.payload).le64();
}

std::string counter_payload(std::uint64_t number) {
  return ByteWriter().le64(number).bytes();
}

std::string append_operand(Cas cas, std::string_view bytes) {
  ByteWriter writer;
  writer.le64(cas.value()).raw(bytes);
  return std::move(writer).bytes();
}

}  // namespace headgate
