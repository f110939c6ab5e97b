// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/front_end.hpp"

namespace headgate {

/// Serves until SIGTERM or SIGINT: opens the store, prints the addresses on standard output once it
/// serves, stops in order. Returns the exit status; what went wrong is said on standard error.
/// Blocks. Once per process.
int serve(ServerConfig config, const FrontEndHooks& hooks = {});

/// The whole program: reads the command line and does what it says.
int run_headgate(int count, const char* const* arguments, const FrontEndHooks& hooks = {});

}  // namespace headgate
