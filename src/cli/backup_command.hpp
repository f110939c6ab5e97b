// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/admin_client.hpp"

namespace headgate {

/// Shows on standard error how far a long copy is, if a person looks at that.
void show_copied(std::uint64_t bytes_done, std::uint64_t bytes_total);
/// The line that shows it gives way to what comes next.
void end_copied();
/// "12.3 MiB".
std::string print_bytes(std::uint64_t bytes);

/// Backs up the store of a server into the directory `to` of its machine, and returns when it is
/// whole; a relative path is one of this process. Returns what is to be printed, as the other
/// commands do. Errors: as AdminClient; internal (it failed).
Result<std::string> back_up(AdminClient& client, const std::string& to, bool as_json);

}  // namespace headgate
