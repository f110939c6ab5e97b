// SPDX-License-Identifier: Apache-2.0
#include "sequence/horizon.hpp"

#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;

}  // namespace

std::string Horizon::encode() const {
  ByteWriter writer;
  writer.u8(kFormat).varint(epoch.value()).be64(history.value());
  writer.varint(base.value()).varint(limit.value());
  return std::move(writer).bytes();
}

Result<Horizon> Horizon::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kFormat) return Error{Errc::unsupported, "horizon of another format"};
  Horizon horizon;
  horizon.epoch = Epoch(reader.varint());
  horizon.history = HistoryId(reader.be64());
  horizon.base = Sequence(reader.varint());
  horizon.limit = Sequence(reader.varint());
  HG_CHECK(reader.finish("horizon"));
  return horizon;
}

std::string ReleasedRange::encode() const {
  ByteWriter writer;
  writer.varint(first.value()).varint(last.value());
  return std::move(writer).bytes();
}

Result<ReleasedRange> ReleasedRange::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  ReleasedRange range;
  range.first = Sequence(reader.varint());
  range.last = Sequence(reader.varint());
  HG_CHECK(reader.finish("released range"));
  if (range.first > range.last)
    return Error{Errc::corrupted, "released range: ends before it begins"};
  return range;
}

std::string tag_of_generation(std::uint32_t generation, std::string tag) {
  if (generation == 0) return tag;
  ByteWriter writer;
  writer.be32(generation).raw(tag);
  return std::move(writer).bytes();
}

Key horizon_key(DatabaseId database, std::uint32_t generation) {
  return Key{database, KeyKind::horizon, tag_of_generation(generation, "horizon"), ""};
}

Key sequence_counter_key(DatabaseId database, std::uint32_t generation) {
  return Key{database, KeyKind::sequence_counter, tag_of_generation(generation, "horizon"), ""};
}

Key epochs_key(DatabaseId database) {
  return Key{database, KeyKind::epochs, "stable", ""};
}

}  // namespace headgate
