// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "server/server_config.hpp"

namespace headgate {

/// What `headgate copy` is asked for.
struct CopyRequest {
  std::string from;  ///< data directory of the embedded store
  ServerConfig to;   ///< of the nodes to come: its buckets are the target
};

/// Copies a data directory that no server uses into the buckets of a cluster (StoreCopy). Says on
/// standard error how far it is and what went wrong. Returns the exit status; SIGTERM and SIGINT
/// end it in order, and it may be run again. Blocks. Once per process.
int run_copy(const CopyRequest& request);

}  // namespace headgate
