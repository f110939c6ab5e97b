// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace headgate {

/// What `headgate status` is asked for.
struct StatusQuestion {
  std::string url = "http://127.0.0.1:4985";  ///< of an admin port
  std::string user = {};
  std::string password = {};
};

/// Asks a node for its cluster and returns the text for people. Blocks.
/// Errors: unavailable, unauthorized, not_found (the node is alone on its store), corrupted.
Result<std::string> ask_status(const StatusQuestion& question);
/// The text for what `/_cluster` answered. Errors: corrupted.
Result<std::string> print_status(std::string_view json);

}  // namespace headgate
