// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_space.hpp"

#include "base/bytes.hpp"
#include "sequence/horizon.hpp"

namespace headgate {
namespace {

std::string number_name(std::uint64_t number) {
  ByteWriter writer;
  writer.be64(number);
  return std::move(writer).bytes();
}

}  // namespace

Key CacheSpace::block_key(const ChannelId& channel, std::uint64_t block) const {
  return Key{database, KeyKind::block, tag_of_generation(generation, channel.tag()),
             number_name(block)};
}

Key CacheSpace::record_key(const ChannelId& channel, std::uint64_t block) const {
  return Key{database, KeyKind::block_record, tag_of_generation(generation, channel.tag()),
             number_name(block)};
}

Key CacheSpace::counter_key(const ChannelId& channel) const {
  return Key{database, KeyKind::channel_counter, tag_of_generation(generation, channel.tag()), ""};
}

Key CacheSpace::sequence_key(Sequence sequence) const {
  // Both parts big-endian: the keys of all sequence documents are in the order of the sequences.
  const std::string tag = number_name(sequence.value() / settings.sequences_per_tag);
  return Key{database, KeyKind::sequence_document, tag_of_generation(generation, tag),
             number_name(sequence.value())};
}

Sequence CacheSpace::last_of_tag(Sequence sequence) const {
  const std::uint64_t length = settings.sequences_per_tag;
  return Sequence((sequence.value() / length + 1) * length - 1);
}

Key CacheSpace::fold_key(Sequence sequence) const {
  return Key{database, KeyKind::sequence_fold, sequence_key(sequence).tag, ""};
}

Key CacheSpace::dead_ranges_key() const {
  return Key{database, KeyKind::dead_ranges, tag_of_generation(generation, "stable"), ""};
}

Key CacheSpace::stable_key() const {
  return Key{database, KeyKind::stable, tag_of_generation(generation, "stable"), ""};
}

Key CacheSpace::access_counter_key() const {
  return Key{database, KeyKind::access_counter, tag_of_generation(generation, "stable"), ""};
}

Key stable_copy_key(DatabaseId database) {
  return Key{database, KeyKind::stable_copy, "stable", ""};
}

}  // namespace headgate
