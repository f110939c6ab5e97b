// SPDX-License-Identifier: Apache-2.0
#include "cache/stable_record.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kRecordFormat = 2;
constexpr std::uint8_t kRangesFormat = 1;

void encode_histories(ByteWriter& writer, const std::vector<HistoryId>& histories) {
  writer.varint(histories.size());
  for (HistoryId history : histories) writer.be64(history.value());
}

std::vector<HistoryId> decode_histories(ByteReader& reader) {
  std::vector<HistoryId> histories(reader.count(8));
  for (HistoryId& history : histories) history = HistoryId(reader.be64());
  return histories;
}

void encode_positions(ByteWriter& writer, const FeedPositions& positions) {
  writer.varint(positions.size());
  for (const FeedPosition& at : positions)
    writer.be64(at.history.value()).varint(at.position.value());
}

FeedPositions decode_positions(ByteReader& reader) {
  FeedPositions positions(reader.count(9));
  for (FeedPosition& at : positions) {
    at.history = HistoryId(reader.be64());
    at.position = PartitionPosition(reader.varint());
  }
  return positions;
}

}  // namespace

std::string StableRecord::encode() const {
  ByteWriter writer;
  writer.u8(kRecordFormat).varint(stable.value()).varint(token).varint(dead_ranges_version);
  encode_histories(writer, cache_histories);
  encode_histories(writer, base_histories);
  encode_positions(writer, checkpoint);
  writer.varint(kills).varint(generation).varint(epoch.value());
  epochs.encode_to(writer);
  writer.varint(durable_floor.value());
  encode_positions(writer, floor_checkpoint);
  return std::move(writer).bytes();
}

Result<StableRecord> StableRecord::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kRecordFormat)
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted,
                 "stable record of another format"};
  StableRecord record;
  record.stable = Sequence(reader.varint());
  record.token = reader.varint();
  record.dead_ranges_version = reader.varint();
  record.cache_histories = decode_histories(reader);
  record.base_histories = decode_histories(reader);
  record.checkpoint = decode_positions(reader);
  record.kills = reader.varint();
  record.generation = static_cast<std::uint32_t>(reader.varint());
  record.epoch = Epoch(reader.varint());
  HG_TRY(record.epochs, Epochs::decode_from(reader));
  record.durable_floor = Sequence(reader.varint());
  record.floor_checkpoint = decode_positions(reader);
  HG_CHECK(reader.finish("stable record"));
  return record;
}

void DeadRanges::bury(Sequence first, Sequence last) {
  HG_ASSERT(first <= last);
  // All ranges that touch the new one are joined with it.
  auto begin = std::lower_bound(ranges.begin(), ranges.end(), first,
                                [](const Range& r, Sequence s) { return r.last.next() < s; });
  auto end = begin;
  while (end != ranges.end() && end->first <= last.next()) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
    ++end;
  }
  begin = ranges.erase(begin, end);
  ranges.insert(begin, Range{first, last});
  ++version;
}

bool DeadRanges::contains(Sequence sequence) const {
  return skip(sequence) != sequence;
}

Sequence DeadRanges::skip(Sequence sequence) const {
  const auto at = std::lower_bound(ranges.begin(), ranges.end(), sequence,
                                   [](const Range& r, Sequence s) { return r.last < s; });
  return at != ranges.end() && at->first <= sequence ? at->last.next() : sequence;
}

std::string DeadRanges::encode() const {
  ByteWriter writer;
  writer.u8(kRangesFormat).varint(version).varint(ranges.size());
  for (const Range& range : ranges) writer.varint(range.first.value()).varint(range.last.value());
  return std::move(writer).bytes();
}

Result<DeadRanges> DeadRanges::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kRangesFormat)
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted,
                 "dead ranges of another format"};
  DeadRanges dead;
  dead.version = reader.varint();
  dead.ranges.resize(reader.count(2));
  Sequence after;
  for (Range& range : dead.ranges) {
    range.first = Sequence(reader.varint());
    range.last = Sequence(reader.varint());
    if (reader.ok() && (range.first <= after || range.last < range.first))
      return Error{Errc::corrupted, "dead ranges out of order"};
    after = range.last;
  }
  HG_CHECK(reader.finish("dead ranges"));
  return dead;
}

}  // namespace headgate
