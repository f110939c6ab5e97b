// SPDX-License-Identifier: Apache-2.0
// Which channels a document is in: by the built-in function, and by the same in JavaScript.
#include <benchmark/benchmark.h>

#include "access/script_engine.hpp"

namespace headgate {
namespace {

SyncInput input_of(std::size_t bytes) {
  return {.doc = R"({"_id":"a","_rev":"1-a","channels":["news","sports"],"text":")" +
                 std::string(bytes, 'x') + "\"}",
          .old_doc = {},
          .user = nullptr};
}

void route_by_the_builtin_function(benchmark::State& state) {
  const SyncInput input = input_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(NativeSyncFunction().run(input));
}
BENCHMARK(route_by_the_builtin_function)->ArgName("bytes")->Arg(500)->Arg(10'000);

void route_by_javascript(benchmark::State& state) {
  const auto function = compile_sync_function("function (doc) { channel(doc.channels); }");
  if (!function) return state.SkipWithError("no script runtime");
  const SyncInput input = input_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize((*function)->run(input));
}
BENCHMARK(route_by_javascript)->ArgName("bytes")->Arg(500)->Arg(10'000);

}  // namespace
}  // namespace headgate
