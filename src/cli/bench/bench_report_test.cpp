// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/bench_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/bench/latencies.hpp"
#include "document/json.hpp"

namespace headgate::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ServerReport server_with(std::vector<double> values) {
  ServerReport server;
  server.counts = {.requests = 10, .answered = 10, .errors = 0};
  for (const double value : values)
    server.rounds.push_back({{{"per_second", "documents/s", value, true}},
                             {.seconds = 2,
                              .own_processor_seconds = 0.5,
                              .server_processor_seconds = 1,
                              .operations = 1000}});
  return server;
}

BenchReport comparison(Durability first, Durability second) {
  BenchReport report;
  report.rounds = 3;
  report.servers = {{"One 1.0", "http://127.0.0.1:1", "", first},
                    {"Two 2.0", "http://127.0.0.1:2", "", second}};
  report.cases.push_back({&all_cases().front(), {}});
  report.cases.back().servers = {server_with({100, 900, 300}), server_with({50, 100, 100})};
  return report;
}

TEST(LatenciesTest, PercentilesAreValuesThatOccurred) {
  Latencies latencies;
  EXPECT_EQ(latencies.percentile_ms(0.5), 0);
  for (int i = 100; i > 0; --i) latencies.add(std::chrono::milliseconds(i));
  EXPECT_EQ(latencies.percentile_ms(0.5), 50);
  EXPECT_EQ(latencies.percentile_ms(0.99), 99);
  EXPECT_EQ(latencies.percentile_ms(0.999), 100);
  EXPECT_EQ(latencies.percentile_ms(1), 100);
}

TEST(LatenciesTest, TheMedianIsTheMiddle) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median({}), 0);
}

TEST(BenchReportTest, ARatioIsTheMiddleOfTheRoundsRatios) {
  const BenchReport report = comparison(Durability::disk, Durability::disk);
  const auto& servers = report.cases.front().servers;
  EXPECT_EQ(median_of(servers[0], "per_second"), 300);
  // 2, 9 and 3: not 300 / 100 by chance, but round by round.
  EXPECT_EQ(ratio_of(servers[0], servers[1], "per_second"), 3);
  EXPECT_EQ(ratio_of(servers[0], servers[1], "no such figure"), std::nullopt);
}

TEST(BenchReportTest, CostsAreOfTheMeasuredPart) {
  const ServerReport server = server_with({1, 2, 3});
  EXPECT_EQ(generator_share(server), 0.25);
  EXPECT_EQ(server_share(server), 0.5);
  EXPECT_EQ(server_us_per_operation(server), 1000);
}

TEST(BenchReportTest, UnequalDurabilityIsMarkedAtEveryRatio) {
  const BenchReport equal = comparison(Durability::disk, Durability::disk);
  const BenchReport unequal = comparison(Durability::disk, Durability::process);
  EXPECT_THAT(report_table(equal), Not(HasSubstr("unequal")));
  EXPECT_THAT(report_table(unequal), HasSubstr("3 unequal durability"));
  EXPECT_THAT(report_table(unequal), HasSubstr("Durability is unequal (disk against process)"));
  EXPECT_THAT(report_json(equal), HasSubstr(R"("is_durability_equal":true)"));
  EXPECT_THAT(report_json(unequal), HasSubstr(R"("is_durability_equal":false)"));
}

TEST(BenchReportTest, WhatIsNotKnownIsNotEqual) {
  EXPECT_FALSE(comparison(Durability::unknown, Durability::unknown).is_durability_equal());
}

TEST(BenchReportTest, ErrorsAndMissingRoundsMakeAReportThatIsNotWhole) {
  BenchReport report = comparison(Durability::disk, Durability::disk);
  EXPECT_TRUE(report.is_whole());
  report.cases[0].servers[0].skipped = "no such feeds";
  EXPECT_TRUE(report.is_whole());
  report.cases[0].servers[1].counts.errors = 1;
  report.cases[0].servers[1].counts.first_error = "status \"500\"";
  EXPECT_FALSE(report.is_whole());
  EXPECT_THAT(report_table(report), HasSubstr("B 1 errors in 10 requests: status \"500\""));
  EXPECT_TRUE(validate_json(report_json(report)));
  report.cases[0].servers[1].counts = {};
  report.cases[0].servers[1].failed = "given up";
  EXPECT_FALSE(report.is_whole());
}

}  // namespace
}  // namespace headgate::bench
