// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/closed_load.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kTooMany = 32;
constexpr int kUnavailable = 503;

/// New documents by PUT on far more connections than a server needs to be busy: it should go on
/// as fast as before, and refuse what is too much.
class OverloadCase final : public BenchCase {
 public:
  Task<Result<Figures>> measure(BenchRun& run) override;
};

Task<LoadResult> put(BenchRun& run, DocumentRequest& request, std::size_t connections) {
  ClosedLoad load;
  load.connections = connections;
  load.time = run.sizes().round_time;
  load.refusal = kUnavailable;
  co_return co_await run_closed_load(
      run, load, [&run, &request](std::uint64_t) { return request.with(run.take_numbers(1)); });
}

Task<Result<Figures>> OverloadCase::measure(BenchRun& run) {
  DocumentRequest request(run, HttpMethod::put,
                          document_text(run.sizes().document_bytes, R"("channels":["all"])"));
  const LoadResult before = co_await put(run, request, run.sizes().connections);
  run.begin_measuring();
  LoadResult result = co_await put(run, request, run.sizes().connections * kTooMany);
  run.end_measuring(result.done);
  Figures figures = load_figures(result, "documents");
  if (before.done > 0)
    figures.push_back(
        {"share_of_normal", "share", result.per_second() / before.per_second(), true});
  figures.push_back({"refused_per_second", "requests/s",
                     static_cast<double>(result.refused) / result.seconds, false});
  co_return figures;
}

}  // namespace

std::unique_ptr<BenchCase> make_overload_case() {
  return std::make_unique<OverloadCase>();
}

}  // namespace headgate::bench
