// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/closed_load.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

/// New documents by PUT, each in one channel.
class PutCase final : public BenchCase {
 public:
  explicit PutCase(bool is_concurrent) : is_concurrent_(is_concurrent) {}

  Task<Result<Figures>> measure(BenchRun& run) override;

 private:
  bool is_concurrent_;
};

Task<Result<Figures>> PutCase::measure(BenchRun& run) {
  DocumentRequest put(run, HttpMethod::put,
                      document_text(run.sizes().document_bytes, R"("channels":["all"])"));
  ClosedLoad load;
  load.connections = is_concurrent_ ? run.sizes().connections : 1;
  load.time = run.sizes().round_time;
  run.begin_measuring();
  auto result = co_await run_closed_load(
      run, load, [&run, &put](std::uint64_t) { return put.with(run.take_numbers(1)); });
  run.end_measuring(result.done);
  co_return load_figures(result, "documents");
}

}  // namespace

std::unique_ptr<BenchCase> make_put_one_case() {
  return std::make_unique<PutCase>(false);
}

std::unique_ptr<BenchCase> make_put_case() {
  return std::make_unique<PutCase>(true);
}

}  // namespace headgate::bench
