// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/admin_client.hpp"

namespace headgate {

/// Asks a node for its cluster: text for people, or with `as_json` its answer.
/// Errors: as AdminClient; not_found (the node is alone on its store).
Result<std::string> ask_status(AdminClient& client, bool as_json);
/// The text for what `/_cluster` answered. Errors: corrupted.
Result<std::string> print_status(std::string_view json);

}  // namespace headgate
