// SPDX-License-Identifier: Apache-2.0
// The channel cache: blocks and sequence documents, written and read.
#include <benchmark/benchmark.h>

#include "base/manual_environment.hpp"
#include "bucket/memory/memory_bucket.hpp"
#include "cache/append_block_writer.hpp"
#include "cache/block.hpp"
#include "cache/cache_entry.hpp"
#include "cache/stable_record.hpp"

namespace headgate {
namespace {

constexpr std::uint64_t kCapacity = 1'024;

std::vector<BlockEntry> entries_of(std::uint64_t count) {
  std::vector<BlockEntry> entries;
  for (std::uint64_t i = 1; i <= count; ++i) entries.push_back({Sequence(i * 3), false});
  return entries;
}

void read_an_append_block(benchmark::State& state) {
  const std::string bytes =
      encode_append_entries(entries_of(static_cast<std::uint64_t>(state.range(0))));
  for (auto _ : state) benchmark::DoNotOptimize(decode_append_block(bytes, kCapacity));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_an_append_block)->ArgName("entries")->Arg(10)->Arg(1'000);

void read_an_indexed_block(benchmark::State& state) {
  IndexedBlock block(0, 10'000);
  for (const BlockEntry& entry : entries_of(static_cast<std::uint64_t>(state.range(0))))
    block.enter(entry);
  for (auto _ : state) {
    const auto decoded = IndexedBlock::decode(0, 10'000, block.encode());
    benchmark::DoNotOptimize(decoded->entries());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_an_indexed_block)->ArgName("entries")->Arg(10)->Arg(1'000);

/// Blocks and counters of a write in so many channels, on a bucket in memory: the code alone.
void append_to_channels(benchmark::State& state) {
  ManualEnvironment environment;
  MemoryStore store(1);
  MemoryBucket bucket(environment, store);
  const CacheSpace space{environment, bucket, DatabaseId(1), {}};
  // Who opens a block writes down how far everything was accounted for.
  environment.run(bucket.insert(space.stable_key(), StableRecord().encode(), {}, kNoDeadline));
  AppendBlockWriter writer(space);
  const auto histories = std::make_shared<const std::vector<HistoryId>>(bucket.histories());
  std::uint64_t sequence = 0;
  for (auto _ : state) {
    std::vector<BlockWrite> writes;
    ++sequence;
    for (std::int64_t i = 0; i < state.range(0); ++i)
      writes.push_back(
          {ChannelId::of_documents("channel" + std::to_string(i)), {{Sequence(sequence), false}}});
    if (!environment.run(writer.write(std::move(writes), histories)))
      return state.SkipWithError("not written");
  }
}
BENCHMARK(append_to_channels)->ArgName("channels")->Arg(1)->Arg(2)->Arg(10);

SequenceDocument sequence_document() {
  SequenceDocument document;
  document.entry.sequence = Sequence(1'234'567);
  document.entry.doc_id = DocId("0123456789abcdef");
  document.entry.rev_id = RevId("1-0123456789abcdef0123456789abcdef");
  document.entry.channels = {ChannelId::star(), ChannelId::of_documents("news")};
  document.identity = {PartitionNumber(0), PartitionPosition(1'234'567), Cas(77), HistoryId(3)};
  document.epoch = Epoch(1);
  return document;
}

void encode_a_sequence_document(benchmark::State& state) {
  const SequenceDocument document = sequence_document();
  for (auto _ : state) benchmark::DoNotOptimize(document.encode());
}
BENCHMARK(encode_a_sequence_document);

void decode_a_sequence_document(benchmark::State& state) {
  const SequenceDocument document = sequence_document();
  const std::string bytes = document.encode();
  for (auto _ : state)
    benchmark::DoNotOptimize(SequenceDocument::decode(document.entry.sequence, bytes));
}
BENCHMARK(decode_a_sequence_document);

}  // namespace
}  // namespace headgate
