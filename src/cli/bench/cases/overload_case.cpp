// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "cli/bench/cases/cases.hpp"
#include "cli/bench/closed_load.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"
#include "cli/bench/steady_load.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kTooMuch = 2;
/// As many connections, in proportion, so that requests keep coming while others wait.
constexpr std::size_t kMoreConnections = 64;
constexpr int kCreated = 201;
constexpr int kUnavailable = 503;

/// New documents by PUT, twice as many a second as the server can take: it should go on as fast as
/// before, and refuse what is too much.
class OverloadCase final : public BenchCase {
 public:
  Task<Result<Figures>> measure(BenchRun& run) override;
};

Task<LoadResult> put_what_it_takes(BenchRun& run, DocumentRequest& request) {
  ClosedLoad load;
  load.connections = run.sizes().connections;
  load.time = run.sizes().round_time;
  co_return co_await run_closed_load(
      run, load, [&run, &request](std::uint64_t) { return request.with(run.take_numbers(1)); });
}

Task<void> put_one(BenchRun& run, DocumentRequest& request, LoadResult& result,
                   LoadConnection& connection) {
  const TimePoint began = run.loop().now();
  run.sent();
  const int status = co_await connection.exchange(request.with(run.take_numbers(1)));
  const bool is_refused = status == kUnavailable;
  if (!run.answered(status, is_refused ? kUnavailable : kCreated, connection.body())) co_return;
  ++(is_refused ? result.refused : result.done);
  if (!is_refused) result.latencies.add(connection.received_at() - began);
}

Task<LoadResult> put_per_second(BenchRun& run, DocumentRequest& request, double per_second) {
  LoadResult result;
  const TimePoint began = run.loop().now();
  SteadyLoad load;
  load.per_second = std::max<std::size_t>(1, static_cast<std::size_t>(per_second));
  load.connections = run.sizes().connections * kMoreConnections;
  load.time = run.sizes().round_time;
  load.address = run.address();
  co_await run_steady_load(run, load, [&](LoadConnection& connection, std::size_t) {
    return put_one(run, request, result, connection);
  });
  result.seconds = std::chrono::duration<double>(run.loop().now() - began).count();
  co_return result;
}

std::optional<ProcessUsage> server_usage(const BenchRun& run) {
  const int process = run.server().options().process;
  return process == 0 ? std::nullopt : usage_of(process);
}

Task<Result<Figures>> OverloadCase::measure(BenchRun& run) {
  DocumentRequest request(run, HttpMethod::put,
                          document_text(run.sizes().document_bytes, R"("channels":["all"])"));
  const LoadResult before = co_await put_what_it_takes(run, request);
  const double offered = before.per_second() * kTooMuch;
  const auto usage_before = server_usage(run);
  run.begin_measuring();
  LoadResult result = co_await put_per_second(run, request, offered);
  run.end_measuring(result.done);
  const auto usage_after = server_usage(run);
  Figures figures = load_figures(result, "documents");
  if (before.done > 0)
    figures.push_back(
        {"share_of_normal", "share", result.per_second() / before.per_second(), true});
  figures.push_back({"refused_per_second", "requests/s",
                     static_cast<double>(result.refused) / result.seconds, false});
  if (usage_before && usage_after)
    figures.push_back({"memory_more", "MiB",
                       (static_cast<double>(usage_after->resident_bytes) -
                        static_cast<double>(usage_before->resident_bytes)) /
                           (1 << 20),
                       false});
  co_return figures;
}

}  // namespace

std::unique_ptr<BenchCase> make_overload_case() {
  return std::make_unique<OverloadCase>();
}

}  // namespace headgate::bench
