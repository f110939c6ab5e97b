// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/closed_load.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kConnections = 4;
constexpr std::size_t kDocuments = 100;
constexpr std::size_t kChannels = 100;

/// New documents by `_bulk_docs`, a hundred at a time.
class BulkCase final : public BenchCase {
 public:
  Task<Result<Figures>> measure(BenchRun& run) override;
};

Task<Result<Figures>> BulkCase::measure(BenchRun& run) {
  BulkRequest bulk(run, kDocuments, kChannels);
  ClosedLoad load;
  load.connections = kConnections;
  load.time = run.sizes().round_time;
  run.begin_measuring();
  auto result = co_await run_closed_load(
      run, load, [&run, &bulk](std::uint64_t) { return bulk.with(run.take_numbers(kDocuments)); });
  run.end_measuring(result.done * kDocuments);
  Figures figures{{"per_second", "documents/s", result.per_second() * kDocuments, true}};
  add_percentiles(figures, result.latencies, "");
  co_return figures;
}

}  // namespace

std::unique_ptr<BenchCase> make_bulk_case() {
  return std::make_unique<BulkCase>();
}

}  // namespace headgate::bench
