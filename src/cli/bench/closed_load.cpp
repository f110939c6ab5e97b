// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/closed_load.hpp"

#include <utility>

#include "base/task_scope.hpp"

namespace headgate::bench {

namespace {

struct Shared {
  BenchRun& run;
  ClosedLoad load;
  std::function<std::string_view(std::uint64_t)> request_of;
  TimePoint end;
  std::uint64_t next = 0;
  LoadResult result = {};
};

Task<void> send_on_one_connection(Shared& shared) {
  BenchRun& run = shared.run;
  LoadConnection connection(run.loop(), run.address());
  while (shared.next < shared.load.count_max) {
    const TimePoint began = run.loop().now();
    if (began >= shared.end) break;
    run.sent();
    const int status = co_await connection.exchange(shared.request_of(shared.next++));
    const bool is_refused = status != 0 && status == shared.load.refusal;
    const int expected = is_refused ? status : shared.load.status;
    if (!run.answered(status, expected, connection.body())) {
      if (status == 0) break;
    } else if (is_refused) {
      ++shared.result.refused;
    } else {
      ++shared.result.done;
      shared.result.latencies.add(connection.received_at() - began);
    }
  }
}

}  // namespace

Task<LoadResult> run_closed_load(BenchRun& run, ClosedLoad load,
                                 std::function<std::string_view(std::uint64_t)> request_of) {
  const TimePoint began = run.loop().now();
  Shared shared{run, load, std::move(request_of), began + load.time};
  TaskScope senders(run.loop());
  for (std::size_t i = 0; i < load.connections; ++i) senders.spawn(send_on_one_connection(shared));
  co_await senders.join();
  shared.result.seconds = std::chrono::duration<double>(run.loop().now() - began).count();
  co_return std::move(shared.result);
}

}  // namespace headgate::bench
