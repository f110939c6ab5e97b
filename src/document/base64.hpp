// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace headgate {

/// RFC 4648 section 4, with padding.
std::string encode_base64(std::string_view bytes);
/// Strict: padding demanded, no white space, no other alphabet, unused bits zero.
/// Errors: invalid_argument with the byte offset.
Result<std::string> decode_base64(std::string_view text);

}  // namespace headgate
