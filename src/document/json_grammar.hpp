// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "document/json.hpp"

namespace headgate {

/// validate_json() without its shortcut and without bytes_max: one pass over the text that needs
/// one bit for each level of depth, knows integers of any length and says what is wrong where.
Result<void> check_json_grammar(std::string_view text, const JsonLimits& limits);

}  // namespace headgate
