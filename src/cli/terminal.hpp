// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

// What a command asks the person before it. Everything blocks on standard input.
namespace headgate {

/// A new password: at a terminal asked for twice without echo, else the first line of standard
/// input. Errors: invalid_argument (empty, or the second was another one).
Result<std::string> read_new_password(std::string_view of_whom);

/// Whether the person answers yes. Without a terminal nobody could: false.
bool is_confirmed(std::string_view question);

/// The bytes of a file, of standard input for "-". Errors: invalid_argument with the reason.
Result<std::string> read_file_or_input(const std::string& path);

}  // namespace headgate
