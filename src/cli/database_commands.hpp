// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/admin_client.hpp"

// `headgate db`. Each call returns what is to be printed: text for people, or with `as_json` the
// server's answer. Errors: as AdminClient.
namespace headgate {

Result<std::string> list_databases(AdminClient& client, bool as_json);
/// `config`: JSON, or empty for the defaults. Errors: exists.
Result<std::string> create_database(AdminClient& client, const std::string& name,
                                    const std::string& config, bool as_json);
Result<std::string> delete_database(AdminClient& client, const std::string& name, bool as_json);
Result<std::string> show_config(AdminClient& client, const std::string& name, bool as_json);
/// Replaces the configuration; prints what is another value than before.
Result<std::string> replace_config(AdminClient& client, const std::string& name,
                                   const std::string& config, bool as_json);
/// Documents that are not there are left out. Errors: conflict (some were written meanwhile, and
/// stay).
Result<std::string> purge_documents(AdminClient& client, const std::string& name,
                                    const std::vector<std::string>& documents, bool as_json);
Result<std::string> set_offline(AdminClient& client, const std::string& name, bool is_offline,
                                bool as_json);

/// What `headgate db resync` does.
struct ResyncOrder {
  enum class Action : std::uint8_t { start, begin_anew, stop, show };
  Action action = Action::start;
  bool waits = false;  ///< returns when it is not running any more; else at once
};
/// Errors: internal (waited for, and it failed).
Result<std::string> resync_database(AdminClient& client, const std::string& name, ResyncOrder order,
                                    bool as_json);

}  // namespace headgate
