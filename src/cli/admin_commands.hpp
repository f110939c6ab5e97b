// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "cli/exit_status.hpp"

namespace CLI {
class App;
}

namespace headgate {

/// The commands that ask a server: adds them to a program and runs the one that its command line
/// names. Must outlive the parsing of the program.
class AdminCommands {
 public:
  explicit AdminCommands(CLI::App& program);
  AdminCommands(const AdminCommands&) = delete;
  AdminCommands& operator=(const AdminCommands&) = delete;
  ~AdminCommands();

  /// Runs what was given, prints its answer or what went wrong, and blocks meanwhile. None: no
  /// command of these was given. REQUIRES: the program has parsed its command line.
  std::optional<ExitStatus> run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate
