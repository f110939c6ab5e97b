// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/steady_load.hpp"

#include <algorithm>
#include <utility>

#include "base/task_scope.hpp"

namespace headgate::bench {

namespace {

struct Shared {
  BenchRun& run;
  Step step;
  TimePoint began;
  sockaddr_in address;
  std::chrono::nanoseconds interval;
  std::size_t count;
  std::size_t next = 0;
};

Task<void> take_steps(Shared& shared, std::size_t number) {
  EpollLoop& loop = shared.run.loop();
  LoadConnection connection(loop, shared.address);
  while (shared.next < shared.count) {
    const auto index = static_cast<std::int64_t>(shared.next++);
    co_await loop.sleep_until(shared.began + index * shared.interval);
    co_await shared.step(connection, number);
  }
}

}  // namespace

Task<void> run_steady_load(BenchRun& run, SteadyLoad load, Step step) {
  const auto interval = std::chrono::nanoseconds(1'000'000'000 / load.per_second);
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(1, load.time / interval));
  Shared shared{run, std::move(step), run.loop().now(), load.address, interval, count};
  TaskScope steps(run.loop());
  for (std::size_t i = 0; i < load.connections; ++i) steps.spawn(take_steps(shared, i));
  co_await steps.join();
}

}  // namespace headgate::bench
