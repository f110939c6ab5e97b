// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace headgate {

/// Bytes of the character that begins at `at` (RFC 3629); 0: none does.
/// REQUIRES: at < text.size().
std::size_t utf8_length(std::string_view text, std::size_t at);

}  // namespace headgate
