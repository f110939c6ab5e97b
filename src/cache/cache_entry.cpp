// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_entry.hpp"

namespace headgate {
namespace {

constexpr std::uint8_t kLive = 1;
constexpr std::uint8_t kDead = 2;
constexpr std::uint8_t kFeedRecord = 1;
constexpr std::uint8_t kFeedRecordOfPurged = 2;

void encode_channels(ByteWriter& writer, const std::vector<ChannelId>& channels) {
  writer.varint(channels.size());
  for (const ChannelId& channel : channels) channel.encode(writer);
}

std::vector<ChannelId> decode_channels(ByteReader& reader) {
  std::vector<ChannelId> channels(reader.count());
  for (ChannelId& channel : channels) channel = ChannelId::decode(reader);
  return channels;
}

// The sequence is not written: it is the sequence document's key.
void encode_entry(ByteWriter& writer, const CacheEntry& entry) {
  writer.u8(entry.flags).text(entry.doc_id.text()).text(entry.rev_id.text());
  writer.varint(entry.other_leaves.size());
  for (const RevId& leaf : entry.other_leaves) writer.text(leaf.text());
  encode_channels(writer, entry.channels);
  encode_channels(writer, entry.removals);
  writer.varint(entry.grants.size());
  for (const Grant& grant : entry.grants) {
    grant.principal.encode(writer);
    writer.text(grant.given);
  }
}

CacheEntry decode_entry(ByteReader& reader) {
  CacheEntry entry;
  entry.flags = reader.u8();
  entry.doc_id = DocId(std::string(reader.text()));
  entry.rev_id = RevId(std::string(reader.text()));
  entry.other_leaves.resize(reader.count());
  for (RevId& leaf : entry.other_leaves) leaf = RevId(std::string(reader.text()));
  entry.channels = decode_channels(reader);
  entry.removals = decode_channels(reader);
  entry.grants.resize(reader.count(2));
  for (Grant& grant : entry.grants) {
    grant.principal = ChannelId::decode(reader);
    grant.given = std::string(reader.text());
  }
  return entry;
}

}  // namespace

SequenceDocument SequenceDocument::dead(Sequence sequence) {
  SequenceDocument document;
  document.is_dead = true;
  document.entry.sequence = sequence;
  return document;
}

std::string SequenceDocument::encode() const {
  ByteWriter writer;
  if (is_dead) return std::move(writer.u8(kDead)).bytes();
  writer.u8(kLive).varint(epoch.value());
  writer.varint(identity.partition.value()).varint(identity.position.value());
  writer.varint(identity.cas.value()).be64(identity.history.value());
  encode_entry(writer, entry);
  return std::move(writer).bytes();
}

Result<SequenceDocument> SequenceDocument::decode(Sequence sequence, std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint8_t kind = reader.u8();
  SequenceDocument document = dead(sequence);
  if (kind == kLive) {
    document.is_dead = false;
    document.epoch = Epoch(reader.varint());
    document.identity.partition = PartitionNumber(static_cast<std::uint32_t>(reader.varint()));
    document.identity.position = PartitionPosition(reader.varint());
    document.identity.cas = Cas(reader.varint());
    document.identity.history = HistoryId(reader.be64());
    document.entry = decode_entry(reader);
    document.entry.sequence = sequence;
  } else if (kind != kDead) {
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted,
                 "sequence document of another format"};
  }
  HG_CHECK(reader.finish("sequence document"));
  return document;
}

std::string FeedRecord::encode() const {
  ByteWriter writer;
  const bool has_purge = purged_to != Sequence();
  writer.u8(has_purge ? kFeedRecordOfPurged : kFeedRecord).varint(entry.sequence.value());
  encode_entry(writer, entry);
  writer.varint(recent.size());
  for (const RecentSequence& earlier : recent) {
    writer.varint(earlier.sequence.value());
    encode_channels(writer, earlier.removals);
    encode_channels(writer, earlier.grants);
  }
  if (has_purge) writer.varint(purged_to.value());
  return std::move(writer).bytes();
}

Result<FeedRecord> FeedRecord::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint8_t kind = reader.u8();
  if (kind != kFeedRecord && kind != kFeedRecordOfPurged)
    return Error{reader.ok() ? Errc::unsupported : Errc::corrupted,
                 "feed record of another format"};
  FeedRecord record;
  const Sequence sequence(reader.varint());
  record.entry = decode_entry(reader);
  record.entry.sequence = sequence;
  record.recent.resize(reader.count(3));
  for (RecentSequence& earlier : record.recent) {
    earlier.sequence = Sequence(reader.varint());
    earlier.removals = decode_channels(reader);
    earlier.grants = decode_channels(reader);
  }
  if (kind == kFeedRecordOfPurged) record.purged_to = Sequence(reader.varint());
  HG_CHECK(reader.finish("feed record"));
  return record;
}

}  // namespace headgate
