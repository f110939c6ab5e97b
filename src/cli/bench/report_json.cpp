// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/bench/bench_report.hpp"
#include "document/json.hpp"

namespace headgate::bench {

namespace {

void add_number(JsonWriter& out, std::string_view name, std::optional<double> value) {
  if (value) out.key(name).raw(fmt::format("{:.6g}", *value));
}

void add_figure(JsonWriter& out, const ServerReport& server, const Figure& figure) {
  out.key(figure.name).begin_object();
  out.key("unit").string(figure.unit);
  out.key("better").string(figure.more_is_better ? "more" : "less");
  add_number(out, "median", median_of(server, figure.name));
  out.key("rounds").begin_array();
  for (const RoundReport& round : server.rounds)
    for (const Figure& value : round.figures)
      if (value.name == figure.name) out.raw(fmt::format("{:.6g}", value.value));
  out.end_array().end_object();
}

void add_counts(JsonWriter& out, const Counts& counts) {
  out.key("requests").number(counts.requests);
  out.key("answered").number(counts.answered);
  out.key("errors").number(counts.errors);
  if (!counts.first_error.empty()) out.key("first_error").string(counts.first_error);
}

void add_server(JsonWriter& out, const ServerReport& server) {
  out.begin_object();
  if (!server.skipped.empty()) out.key("skipped").string(server.skipped);
  if (!server.failed.empty()) out.key("failed").string(server.failed);
  add_counts(out, server.counts);
  if (!server.rounds.empty()) {
    add_number(out, "generator_share", generator_share(server));
    add_number(out, "server_share", server_share(server));
    add_number(out, "server_us_per_operation", server_us_per_operation(server));
    out.key("figures").begin_object();
    for (const Figure& figure : server.rounds.front().figures) add_figure(out, server, figure);
    out.end_object();
  }
  out.end_object();
}

void add_ratios(JsonWriter& out, const BenchReport& report, const CaseReport& one) {
  const ServerReport& first = one.servers.front();
  const ServerReport& second = one.servers.back();
  out.key("ratios").begin_object();
  if (!first.rounds.empty())
    for (const Figure& figure : first.rounds.front().figures)
      if (const auto ratio = ratio_of(first, second, figure.name)) {
        out.key(figure.name).begin_object();
        add_number(out, "first_to_second", ratio);
        out.key("is_durability_equal").boolean(report.is_durability_equal());
        out.end_object();
      }
  out.end_object();
}

void add_sizes(JsonWriter& out, const Sizes& sizes) {
  out.key("sizes").begin_object();
  out.key("round_ms").number(static_cast<std::uint64_t>(sizes.round_time.count()));
  for (const auto& [name, value] : {std::pair("connections", sizes.connections),
                                    {"document_bytes", sizes.document_bytes},
                                    {"documents", sizes.documents},
                                    {"feeds", sizes.feeds},
                                    {"waiting", sizes.waiting},
                                    {"users", sizes.users},
                                    {"channels", sizes.channels},
                                    {"writes_per_second", sizes.writes_per_second}})
    out.key(name).number(static_cast<std::uint64_t>(value));
  out.end_object();
}

}  // namespace

std::string report_json(const BenchReport& report) {
  JsonWriter out;
  out.begin_object();
  out.key("rounds").number(static_cast<std::uint64_t>(report.rounds));
  add_sizes(out, report.sizes);
  out.key("servers").begin_array();
  for (const auto& server : report.servers) {
    out.begin_object();
    out.key("name").string(server.name).key("url").string(server.url);
    out.key("durability").string(to_string(server.durability));
    if (!server.config.empty()) out.key("config").raw(server.config);
    out.end_object();
  }
  out.end_array();
  out.key("cases").begin_array();
  for (const CaseReport& one : report.cases) {
    out.begin_object().key("name").string(one.kind->name).key("about").string(one.kind->about);
    out.key("servers").begin_array();
    for (const ServerReport& server : one.servers) add_server(out, server);
    out.end_array();
    if (report.servers.size() > 1) add_ratios(out, report, one);
    out.end_object();
  }
  out.end_array().end_object();
  return std::move(out).text() + "\n";
}

}  // namespace headgate::bench
