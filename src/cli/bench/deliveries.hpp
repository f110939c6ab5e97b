// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/signal.hpp"
#include "cli/bench/bench_run.hpp"
#include "cli/bench/latencies.hpp"

namespace headgate::bench {

/// An id for a document that feeds are to tell of: no round had it before.
std::string new_row_id(BenchRun& run);

/// Which writes of a round reached which feeds, and when.
class Deliveries {
 public:
  /// Of `feeds` feeds, numbered from 0.
  Deliveries(BenchRun& run, std::size_t feeds) : run_(run), changed_(run.loop()), has_row_(feeds) {}

  /// Takes an id for a write that is to be sent; ids are taken in the order of their numbers.
  void add(std::string_view id);
  void sent(std::string_view id);
  /// The write was answered, so `feeds` feeds must tell of it.
  void answered(std::string_view id, std::size_t feeds);
  /// A feed tells of a document; what is none of these writes, or comes again, does not count.
  void arrived(std::size_t feed, std::string_view id, TimePoint when);

  /// Waits until every feed has told of all it must. What is missing after `patience` counts as
  /// errors: false.
  Task<bool> wait_for_all(std::chrono::nanoseconds patience);

  std::size_t acknowledged() const { return acknowledged_; }
  /// Percentiles from the answer (0 if the row came first), and from sending.
  void add_figures(Figures& figures, const std::string& prefix = {});

 private:
  struct Write {
    TimePoint sent;
    TimePoint answered;
    bool is_answered = false;
  };
  struct Row {
    std::size_t write;
    TimePoint when;
  };

  /// The write's index; writes_.size() if it is none.
  std::size_t index_of(std::string_view id) const;

  BenchRun& run_;
  Signal changed_;
  std::vector<Write> writes_;
  std::vector<std::vector<bool>> has_row_;  ///< by feed, then by index of the write
  std::vector<Row> seen_;
  std::uint64_t first_number_ = 0;
  std::size_t acknowledged_ = 0;
  std::uint64_t expected_ = 0;
};

}  // namespace headgate::bench
