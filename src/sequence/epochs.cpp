// SPDX-License-Identifier: Apache-2.0
#include "sequence/epochs.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kFormat = 1;

}  // namespace

void Epochs::add(Start start) {
  if (!starts_.empty() && starts_.back().epoch == start.epoch) {
    Start& last = starts_.back();
    last.base = std::max(last.base, start.base);
    last.floor = std::min(last.floor, start.floor);
    return;
  }
  HG_ASSERT(starts_.empty() || starts_.back().epoch < start.epoch);
  starts_.push_back(start);
  if (starts_.size() <= kKeptMost) return;
  starts_[1].floor = std::min(starts_[0].floor, starts_[1].floor);
  starts_.erase(starts_.begin());
}

bool Epochs::contains(const Start& start) const {
  return std::any_of(starts_.begin(), starts_.end(), [&](const Start& s) {
    return s.epoch == start.epoch && s.base >= start.base && s.floor <= start.floor;
  });
}

Epoch Epochs::of(Sequence number) const {
  Epoch epoch;
  for (const Start& start : starts_)
    if (number > start.base) epoch = start.epoch;
  return epoch;
}

// The lowest floor of the epochs that began after `number` was given out.
Sequence Epochs::floor_after(Sequence number) const {
  Sequence floor = kNoFloor;
  for (const Start& start : starts_)
    if (number <= start.base) floor = std::min(floor, start.floor);
  return floor;
}

Sequence Epochs::resume(Sequence since) const {
  return std::min(since, floor_after(since));
}

// What was lost at or below stable is announced above the last epoch's beginning.
SequenceId Epochs::of_last(Sequence low, const SequenceId& id) const {
  return {low, Sequence(), std::max(id.sequence, starts_.back().base.next())};
}

bool Epochs::is_void(const SequenceId& since) const {
  return floor_after(std::max({since.low, since.trigger, since.sequence})) == kStartAgain;
}

// The place of a backfill holds for the channels that a pass of then knew to be granted.
SequenceId Epochs::resume(const SequenceId& since) const {
  if (since.is_in_backfill()) {
    if (of(std::max(since.low, since.trigger)) == last()) return since;
    return resume(SequenceId{Sequence(), Sequence(), since.before_backfill()});
  }
  const Sequence floor = floor_after(since.sequence);
  return floor < since.safe() ? of_last(floor, since) : since;
}

SequenceId Epochs::dated(const SequenceId& id) const {
  if (id == SequenceId()) return id;
  if (!is_void(id) && resume(id) == id) return id;
  if (id.is_in_backfill()) return {starts_.back().base.next(), id.trigger, id.sequence};
  return of_last(id.safe(), id);
}

SequenceId Epochs::undated(const SequenceId& id) const {
  const bool is_dated = !starts_.empty() && id.sequence == starts_.back().base.next();
  if (id.is_in_backfill() || !is_dated || is_audited_after(id.safe().next())) return id;
  return {Sequence(), Sequence(), id.safe()};
}

bool Epochs::is_audited_after(Sequence number) const {
  return std::any_of(starts_.begin(), starts_.end(), [&](const Start& start) {
    return number <= start.base && start.floor != kStartAgain;
  });
}

void Epochs::encode_to(ByteWriter& writer) const {
  writer.varint(starts_.size());
  for (const Start& start : starts_)
    writer.varint(start.epoch.value()).varint(start.base.value()).varint(start.floor.value());
}

Result<Epochs> Epochs::decode_from(ByteReader& reader) {
  Epochs epochs;
  epochs.starts_.resize(reader.count(3));
  Epoch before;
  for (Start& start : epochs.starts_) {
    start.epoch = Epoch(reader.varint());
    start.base = Sequence(reader.varint());
    start.floor = Sequence(reader.varint());
    if (start.epoch <= before) return Error{Errc::corrupted, "epochs out of order"};
    before = start.epoch;
  }
  return epochs;
}

std::string EpochRecord::encode() const {
  ByteWriter writer;
  writer.u8(kFormat).varint(generation).u8(is_made ? 1 : 0).varint(limit.value());
  epochs.encode_to(writer);
  return std::move(writer).bytes();
}

Result<EpochRecord> EpochRecord::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.u8() != kFormat)
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted, "epochs of another format"};
  EpochRecord record;
  record.generation = static_cast<std::uint32_t>(reader.varint());
  record.is_made = reader.u8() != 0;
  record.limit = Sequence(reader.varint());
  HG_TRY(record.epochs, Epochs::decode_from(reader));
  HG_CHECK(reader.finish("epochs"));
  return record;
}

}  // namespace headgate
