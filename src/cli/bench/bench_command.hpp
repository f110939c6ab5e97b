// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "cli/exit_status.hpp"

namespace CLI {
class App;
}

namespace headgate {

/// The command `headgate bench`: adds it to a program and runs it if the command line names it.
/// Must outlive the parsing of the program.
class BenchCommand {
 public:
  explicit BenchCommand(CLI::App& program);
  BenchCommand(const BenchCommand&) = delete;
  BenchCommand& operator=(const BenchCommand&) = delete;
  ~BenchCommand();

  /// Measures, prints the table or JSON, and blocks meanwhile. None: it was not asked for.
  /// REQUIRES: the program has parsed its command line.
  std::optional<ExitStatus> run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate
