// SPDX-License-Identifier: Apache-2.0
// A pass of a changes feed: channels merged, rows written.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>

#include "base/manual_environment.hpp"
#include "changes/row_writer.hpp"

namespace headgate {
namespace {

std::shared_ptr<const SequenceDocument> document_of(std::uint64_t sequence, ChannelId channel) {
  SequenceDocument document;
  document.entry.sequence = Sequence(sequence);
  document.entry.doc_id = DocId(fmt::format("{:016x}", sequence * 0x9e3779b97f4a7c15));
  document.entry.rev_id = RevId("1-0123456789abcdef0123456789abcdef");
  document.entry.channels = {ChannelId::star(), std::move(channel)};
  return std::make_shared<const SequenceDocument>(std::move(document));
}

/// 1,000 entries in so many channels.
void merge_channels(benchmark::State& state) {
  constexpr std::uint64_t kEntries = 1'000;
  const auto channels = static_cast<std::uint64_t>(state.range(0));
  ChannelPlan plan;
  std::vector<ChannelPage> pages(channels);
  for (std::uint64_t i = 0; i < channels; ++i) {
    const ChannelId channel = ChannelId::of_documents(fmt::format("channel{:04}", i));
    plan.reads.push_back({channel, Sequence(), Sequence()});
    plan.visible.push_back(channel);
  }
  for (std::uint64_t i = 0; i < kEntries; ++i)
    pages[i % channels].entries.push_back(
        {Sequence(i + 1), false, document_of(i + 1, plan.reads[i % channels].channel)});
  for (auto _ : state) benchmark::DoNotOptimize(merge_pages(plan, pages));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kEntries));
}
BENCHMARK(merge_channels)->ArgName("channels")->Arg(1)->Arg(10)->Arg(100)->Arg(1'000);

/// Rows without documents need nothing of a database.
class NoSource final : public ChangesSource {
 public:
  explicit NoSource(Environment& environment) : environment_(environment) {}
  Environment& environment() override { return environment_; }
  CacheReader& cache_reader() override { std::abort(); }
  const CacheSettings& settings() override { std::abort(); }
  ReadMode default_mode() override { return ReadMode::available; }
  Task<Result<std::vector<std::optional<DocumentEnvelope>>>> load_envelopes(
      std::vector<DocId>) override {
    std::abort();
  }
  Task<Result<std::shared_ptr<const Principal>>> load_principal(std::string, PassStart) override {
    std::abort();
  }
  Task<Result<Sequence>> read_highest() override { std::abort(); }
  Task<std::vector<Result<ShownRevision>>> load_documents(std::shared_ptr<const Principal>,
                                                          std::vector<DocId>,
                                                          ShowOptions) override {
    std::abort();
  }

 private:
  Environment& environment_;
};

/// Rows that no other feed has written yet, or (shared) that one has.
void write_rows(benchmark::State& state) {
  constexpr std::uint64_t kRows = 1'000;
  ManualEnvironment environment;
  NoSource source(environment);
  const ChangesOptions options;
  std::vector<PickedChange> picked;
  for (std::uint64_t i = 1; i <= kRows; ++i)
    picked.push_back({{.place = ChangesPlace::ordinary(Sequence(i)),
                       .document = document_of(i, ChannelId::of_documents("news"))},
                      {}});
  auto rows = std::make_unique<RowCache>(environment, 64u << 20);
  for (auto _ : state) {
    if (state.range(0) == 0) rows = std::make_unique<RowCache>(environment, 64u << 20);
    RowWriter writer(source, *rows, options);
    benchmark::DoNotOptimize(environment.run(writer.write(Principal::admin(), picked)));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
}
BENCHMARK(write_rows)->ArgName("shared")->Arg(0)->Arg(1);

}  // namespace
}  // namespace headgate
