// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/admin_client.hpp"

namespace headgate {

/// Asks a node for its cluster, or for its databases if it is alone on its store: text for people,
/// or with `as_json` its answer. Errors: as AdminClient; corrupted.
Result<std::string> ask_status(AdminClient& client, bool as_json);

}  // namespace headgate
