// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "server/copy_command.hpp"
#include "server/server_config.hpp"

namespace headgate {

inline constexpr std::string_view kVersion = "0.1.0";

/// What a command line asks for.
struct CommandLine {
  /// Set: everything was done or refused, and printed; the process ends with it.
  std::optional<int> exit_status;
  ServerConfig config;              ///< of `serve`
  std::optional<CopyRequest> copy;  ///< set: `copy` is asked for
};

/// Reads the command line, and the configuration file that it names. Prints help, the version,
/// mistakes, and what a command is told that asks a running server. Restores a backup. No server is
/// started.
CommandLine parse_command_line(int count, const char* const* arguments);

}  // namespace headgate
