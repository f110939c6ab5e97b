// SPDX-License-Identifier: Apache-2.0
#include "cache/block.hpp"

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kRecordFormat = 1;
constexpr unsigned kPresent = 1;
constexpr unsigned kRemoved = 2;

}  // namespace

std::string encode_append_entries(const std::vector<BlockEntry>& entries) {
  ByteWriter writer;
  for (const BlockEntry& entry : entries)
    writer.le64(entry.sequence.value() << 1 | (entry.is_removal ? 1u : 0u));
  return std::move(writer).bytes();
}

Result<std::vector<BlockEntry>> decode_append_block(std::string_view bytes,
                                                    std::uint64_t capacity) {
  if (bytes.size() % kAppendEntryBytes != 0)
    return Error{Errc::corrupted, "append block: ends inside an entry"};
  const std::uint64_t counted = std::min<std::uint64_t>(capacity, bytes.size() / kAppendEntryBytes);
  std::vector<BlockEntry> entries;
  entries.reserve(counted);
  ByteReader reader(bytes);
  while (entries.size() < counted) {
    const std::uint64_t value = reader.le64();
    entries.push_back({Sequence(value >> 1), (value & 1) != 0});
  }
  return entries;
}

std::string BlockRecord::encode() const {
  ByteWriter writer;
  writer.u8(kRecordFormat).varint(floor.value()).varint(max.value()).be64(identity);
  return std::move(writer).bytes();
}

Result<BlockRecord> BlockRecord::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kRecordFormat)
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted,
                 "block record of another format"};
  BlockRecord record;
  record.floor = Sequence(reader.varint());
  record.max = Sequence(reader.varint());
  record.identity = reader.be64();
  HG_CHECK(reader.finish("block record"));
  return record;
}

IndexedBlock::IndexedBlock(std::uint64_t number, std::uint32_t capacity)
    : first_(number * capacity), capacity_(capacity), bits_((capacity + 3) / 4, '\0') {}

Result<IndexedBlock> IndexedBlock::decode(std::uint64_t number, std::uint32_t capacity,
                                          std::string_view bytes) {
  IndexedBlock block(number, capacity);
  if (bytes.size() != block.bits_.size())
    return Error{Errc::corrupted, "indexed block: of another size"};
  block.bits_ = bytes;
  return block;
}

void IndexedBlock::enter(BlockEntry entry) {
  HG_ASSERT(entry.sequence.value() >= first_ && entry.sequence.value() < first_ + capacity_);
  const std::uint64_t slot = entry.sequence.value() - first_;
  const unsigned mark = kPresent | (entry.is_removal ? kRemoved : 0);
  char& byte = bits_[slot / 4];
  byte = static_cast<char>(static_cast<unsigned char>(byte) | mark << slot % 4 * 2);
}

std::vector<BlockEntry> IndexedBlock::entries() const {
  std::vector<BlockEntry> found;
  for (std::uint32_t slot = 0; slot < capacity_; ++slot) {
    const unsigned mark = static_cast<unsigned char>(bits_[slot / 4]) >> slot % 4 * 2 & 3;
    if ((mark & kPresent) != 0) found.push_back({Sequence(first_ + slot), (mark & kRemoved) != 0});
  }
  return found;
}

}  // namespace headgate
