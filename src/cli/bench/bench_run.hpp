// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/bench/bench_case.hpp"
#include "cli/bench/epoll_loop.hpp"
#include "cli/bench/load_connection.hpp"
#include "cli/bench/measured_server.hpp"
#include "cli/bench/process_usage.hpp"

namespace headgate::bench {

/// What was asked in a case, and what came of it.
struct Counts {
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;  ///< with any status
  std::uint64_t errors = 0;    ///< no answer, another status than expected, a row that did not come
  std::string first_error = {};
};

/// What the measured part of a round took.
struct Usage {
  double seconds = 0;
  double own_processor_seconds = 0;
  std::optional<double> server_processor_seconds;  ///< if its process is known
  std::uint64_t operations = 0;
};

/// A case at one server: where it writes, how much it does, and what it counted. Must outlive the
/// tasks of the case.
class BenchRun {
 public:
  /// `loop`, `server` and `sizes` must outlive it.
  BenchRun(EpollLoop& loop, const MeasuredServer& server, const Sizes& sizes, std::string database)
      : loop_(loop), server_(server), sizes_(sizes), database_(std::move(database)) {}
  BenchRun(const BenchRun&) = delete;
  BenchRun& operator=(const BenchRun&) = delete;

  EpollLoop& loop() { return loop_; }
  const MeasuredServer& server() const { return server_; }
  const Sizes& sizes() const { return sizes_; }
  /// "/bench-put" + `rest`.
  std::string target(std::string_view rest = {}) const {
    return "/" + database_ + std::string(rest);
  }
  const sockaddr_in& address() const { return server_.endpoint().address; }

  /// A request to the server's first port.
  std::string request(HttpMethod method, std::string_view rest, std::string_view body = {}) const {
    return request_text(server_.endpoint(), method, target(rest), body);
  }
  /// Sends a request, counts it, and waits for the answer; it should have the status `expected`.
  /// False if it has not.
  Task<bool> ask(LoadConnection& connection, std::string_view request, int expected);
  /// Counts an answer; false if it is not as expected.
  bool answered(int status, int expected, std::string_view body);
  void sent() { ++counts_.requests; }
  void failed(std::string what, std::uint64_t times = 1);
  const Counts& counts() const { return counts_; }

  /// Numbers for documents that no round had before: the first of `count`.
  std::uint64_t take_numbers(std::uint64_t count);

  /// What is between them counts as the measured part of the round.
  void begin_measuring();
  void end_measuring(std::uint64_t operations);
  /// Of the last round; and forgets it.
  Usage take_usage();

 private:
  EpollLoop& loop_;
  const MeasuredServer& server_;
  const Sizes& sizes_;
  std::string database_;
  Counts counts_;
  std::uint64_t next_number_ = 0;
  TimePoint began_at_;
  std::chrono::nanoseconds own_before_{};
  std::optional<ProcessUsage> server_before_;
  Usage usage_;
};

}  // namespace headgate::bench
