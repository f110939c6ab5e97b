// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/bench_run.hpp"

#include <fmt/format.h>

#include <utility>

namespace headgate::bench {

namespace {

double seconds_of(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Task<Result<void>> BenchCase::prepare(BenchRun&) {
  co_return Result<void>();
}

Task<bool> BenchRun::ask(LoadConnection& connection, std::string_view request, int expected) {
  sent();
  const int status = co_await connection.exchange(request);
  co_return answered(status, expected, connection.body());
}

bool BenchRun::answered(int status, int expected, std::string_view body) {
  if (status != 0) ++counts_.answered;
  if (status == expected) return true;
  failed(status == 0
             ? "no answer"
             : fmt::format("status {} instead of {}: {}", status, expected, body.substr(0, 200)));
  return false;
}

void BenchRun::failed(std::string what, std::uint64_t times) {
  counts_.errors += times;
  if (counts_.first_error.empty()) counts_.first_error = std::move(what);
}

std::uint64_t BenchRun::take_numbers(std::uint64_t count) {
  return std::exchange(next_number_, next_number_ + count);
}

void BenchRun::begin_measuring() {
  if (server_.options().process != 0) server_before_ = usage_of(server_.options().process);
  own_before_ = own_processor_time();
  began_at_ = loop_.now();
}

void BenchRun::end_measuring(std::uint64_t operations) {
  usage_.seconds = seconds_of(loop_.now() - began_at_);
  usage_.own_processor_seconds = seconds_of(own_processor_time() - own_before_);
  usage_.operations = operations;
  if (!server_before_) return;
  if (const auto after = usage_of(server_.options().process))
    usage_.server_processor_seconds = seconds_of(after->processor - server_before_->processor);
}

Usage BenchRun::take_usage() {
  return std::exchange(usage_, {});
}

}  // namespace headgate::bench
