// SPDX-License-Identifier: Apache-2.0
// Every stored form of the cache room: damaged bytes are refused, whole ones survive a round trip.
#include <cstdlib>

#include "cache/block.hpp"
#include "cache/block_run.hpp"
#include "cache/cache_entry.hpp"
#include "cache/stable_record.hpp"

namespace headgate {
namespace {

template <class T>
void round_trip(const Result<T>& decoded, const Result<T>& again) {
  if (decoded && !(again.has_value() && *again == *decoded)) std::abort();
}

void check_all(std::string_view bytes) {
  const auto document = SequenceDocument::decode(Sequence(9), bytes);
  if (document) round_trip(document, SequenceDocument::decode(Sequence(9), document->encode()));
  const auto feed = FeedRecord::decode(bytes);
  if (feed) round_trip(feed, FeedRecord::decode(feed->encode()));
  const auto stable = StableRecord::decode(bytes);
  if (stable) round_trip(stable, StableRecord::decode(stable->encode()));
  const auto dead = DeadRanges::decode(bytes);
  if (dead) round_trip(dead, DeadRanges::decode(dead->encode()));
  const auto record = BlockRecord::decode(bytes);
  if (record) round_trip(record, BlockRecord::decode(record->encode()));
  const auto run = BlockRun::decode(bytes);
  if (run) round_trip(run, BlockRun::decode(run->encode()));
  const auto entries = decode_append_block(bytes, 16);
  if (entries) round_trip(entries, decode_append_block(encode_append_entries(*entries), 16));
  if (const auto block = IndexedBlock::decode(2, 64, bytes)) {
    for (const BlockEntry& entry : block->entries())
      if (entry.sequence < Sequence(128) || entry.sequence >= Sequence(192)) std::abort();
  }
}

}  // namespace
}  // namespace headgate

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  headgate::check_all({reinterpret_cast<const char*>(data), size});
  return 0;
}
