// SPDX-License-Identifier: Apache-2.0
// What a write does with a document before it is stored.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "document/document_body.hpp"
#include "document/envelope.hpp"

namespace headgate {
namespace {

constexpr std::size_t kDocumentBytes = 500;

std::string body_of(std::size_t bytes) {
  return R"({"channels":["news"],"text":")" + std::string(bytes - 31, 'x') + "\"}";
}

Revision revision(std::uint64_t generation) {
  return {generation, fmt::format("{:032x}", generation * 0x9e3779b97f4a7c15)};
}

/// A document of so many revisions, one below the other.
DocumentEnvelope envelope_of(std::uint64_t revisions) {
  DocumentEnvelope envelope;
  for (std::uint64_t i = 1; i <= revisions; ++i) {
    const Revision parent = revision(i - 1);
    if (!envelope.tree.insert(revision(i), i == 1 ? nullptr : &parent, false)) std::abort();
  }
  envelope.sequence = Sequence(1'000);
  record_sequence(envelope, {envelope.sequence, {}, {}});
  assign_channels(envelope, {"news"}, envelope.sequence);
  LeafContent content;
  content.rev = revision(revisions);
  content.body = body_of(kDocumentBytes);
  envelope.contents.push_back(std::move(content));
  return envelope;
}

void encode_an_envelope(benchmark::State& state) {
  const DocumentEnvelope envelope = envelope_of(static_cast<std::uint64_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(encode_envelope(envelope));
}
BENCHMARK(encode_an_envelope)->ArgName("revisions")->Arg(1)->Arg(20)->Arg(100);

void decode_an_envelope(benchmark::State& state) {
  const std::string bytes =
      encode_envelope(envelope_of(static_cast<std::uint64_t>(state.range(0))));
  for (auto _ : state) benchmark::DoNotOptimize(decode_envelope(bytes));
}
BENCHMARK(decode_an_envelope)->ArgName("revisions")->Arg(1)->Arg(20)->Arg(100);

/// One more revision of a document that keeps so many.
void insert_a_revision(benchmark::State& state) {
  const auto limit = static_cast<std::uint64_t>(state.range(0));
  RevisionTree tree = envelope_of(limit).tree;
  std::uint64_t generation = limit;
  for (auto _ : state) {
    const Revision parent = revision(generation);
    benchmark::DoNotOptimize(tree.insert(revision(++generation), &parent, false));
    benchmark::DoNotOptimize(tree.prune(limit));
  }
}
BENCHMARK(insert_a_revision)->ArgName("kept")->Arg(20)->Arg(100)->Arg(1000);

void parse_a_document(benchmark::State& state) {
  const std::string text = body_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(parse_document(text));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(parse_a_document)->ArgName("bytes")->Arg(kDocumentBytes)->Arg(10'000);

void name_a_revision(benchmark::State& state) {
  const std::string body = body_of(kDocumentBytes);
  const Revision parent = revision(7);
  for (auto _ : state) benchmark::DoNotOptimize(next_revision(&parent, false, body, {}));
}
BENCHMARK(name_a_revision);

}  // namespace
}  // namespace headgate
