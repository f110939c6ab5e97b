// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/admin_client.hpp"

namespace headgate {

/// What `headgate explain` is asked.
struct ExplainQuestion {
  std::string database;
  std::string document;
  std::string user;
};

/// Why the user sees the document, or does not: text for people, or with `as_json` the server's
/// answer. A document or a user that is not there is an answer, too. Errors: as AdminClient.
Result<std::string> explain_access(AdminClient& client, const ExplainQuestion& question,
                                   bool as_json);
/// The text for what `/DB/_explain` answered. REQUIRES: valid JSON.
std::string print_explanation(std::string_view json);

}  // namespace headgate
