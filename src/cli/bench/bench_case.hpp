// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"

namespace headgate::bench {

class BenchRun;

/// How much is done. Each bounds a case in count or time.
struct Sizes {
  std::chrono::milliseconds round_time{3'000};  ///< of what is measured by the time it is given
  std::size_t connections = 64;
  std::size_t document_bytes = 500;
  std::size_t documents = 100'000;  ///< in the databases that are read
  std::size_t feeds = 50;           ///< that see every write
  std::size_t waiting = 1'000;      ///< feeds that wait for one write
  std::size_t users = 80;
  std::size_t channels = 200;
  std::size_t writes_per_second = 200;  ///< where time to a subscriber is measured
};

/// One number that a round has found.
struct Figure {
  std::string name;
  std::string unit;
  double value = 0;
  bool more_is_better = false;
};
using Figures = std::vector<Figure>;

/// One thing that is measured. It is made anew for every server, then prepared once, then measured
/// several times, each in one database of its own. Speaks CouchDB's HTTP interface, so that any
/// server of that kind can be asked.
class BenchCase {
 public:
  BenchCase() = default;
  BenchCase(const BenchCase&) = delete;
  BenchCase& operator=(const BenchCase&) = delete;
  virtual ~BenchCase() = default;

  /// Fills the database. Errors: unsupported, the server does not offer what is measured, with the
  /// reason.
  virtual Task<Result<void>> prepare(BenchRun& run);
  /// One round. Requests that fail are counted by `run`; an error means that there is no figure.
  virtual Task<Result<Figures>> measure(BenchRun& run) = 0;
};

/// What is known of a case before it is made.
struct CaseKind {
  std::string_view name;   ///< as the command line has it
  std::string_view about;  ///< one line
  std::unique_ptr<BenchCase> (*make)();
};

/// All cases, in the order of the table.
const std::vector<CaseKind>& all_cases();

}  // namespace headgate::bench
