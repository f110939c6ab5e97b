// SPDX-License-Identifier: Apache-2.0
#include <random>

#include "cli/bench/cases/cases.hpp"
#include "cli/bench/closed_load.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kChannels = 100;

/// Documents by GET, in no order.
class GetCase final : public BenchCase {
 public:
  Task<Result<void>> prepare(BenchRun& run) override;
  Task<Result<Figures>> measure(BenchRun& run) override;
};

Task<Result<void>> GetCase::prepare(BenchRun& run) {
  if (!co_await write_documents(run, run.sizes().documents, kChannels))
    co_return Error{Errc::unavailable, "the documents could not be written"};
  co_return Result<void>();
}

Task<Result<Figures>> GetCase::measure(BenchRun& run) {
  DocumentRequest get(run, HttpMethod::get);
  std::minstd_rand chance;
  ClosedLoad load;
  load.connections = run.sizes().connections;
  load.time = run.sizes().round_time;
  load.status = 200;
  run.begin_measuring();
  auto result = co_await run_closed_load(
      run, load, [&](std::uint64_t) { return get.with(chance() % run.sizes().documents); });
  run.end_measuring(result.done);
  co_return load_figures(result, "documents");
}

}  // namespace

std::unique_ptr<BenchCase> make_get_case() {
  return std::make_unique<GetCase>();
}

}  // namespace headgate::bench
