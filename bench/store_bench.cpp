// SPDX-License-Identifier: Apache-2.0
// The committer: what whole document writes cost at the embedded store, by how many write at once.
#include <benchmark/benchmark.h>

#include "bucket/rocksdb/temporary_directory.hpp"
#include "store_load.hpp"

namespace headgate {
namespace {

void write_at_the_store(benchmark::State& state) {
  const TemporaryDirectory directory;
  StoreLoad load(directory / "data");
  const auto writers = static_cast<std::size_t>(state.range(0));
  LoadFigures all;
  for (auto _ : state) {
    const LoadFigures figures = load.run(writers, 50 * writers, std::chrono::hours(1));
    all.writes += figures.writes;
    all.failures += figures.failures;
    all.syncs += figures.syncs;
  }
  if (all.failures > 0) state.SkipWithError("a write failed");
  state.SetItemsProcessed(static_cast<std::int64_t>(all.writes));
  state.counters["syncs_per_write"] =
      static_cast<double>(all.syncs) / static_cast<double>(std::max<std::uint64_t>(all.writes, 1));
}
BENCHMARK(write_at_the_store)->ArgName("writers")->Arg(1)->Arg(8)->Arg(64)->UseRealTime();

}  // namespace
}  // namespace headgate
