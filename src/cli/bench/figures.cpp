// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/figures.hpp"

#include <string>
#include <utility>

namespace headgate::bench {

Figures load_figures(LoadResult& result, std::string_view what) {
  Figures figures{{"per_second", std::string(what) + "/s", result.per_second(), true}};
  add_percentiles(figures, result.latencies, "");
  return figures;
}

void add_percentiles(Figures& figures, Latencies& latencies, std::string_view prefix) {
  for (const auto& [name, share] : {std::pair("p50", 0.5), {"p99", 0.99}, {"p999", 0.999}})
    figures.push_back({std::string(prefix) + name, "ms", latencies.percentile_ms(share), false});
}

}  // namespace headgate::bench
