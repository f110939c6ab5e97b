// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace headgate {

using Md5 = std::array<unsigned char, 16>;

/// MD5 of bytes: names revisions and attachments as CouchDB clients expect; not for secrets.
/// Safe from any thread.
Md5 md5(std::string_view bytes);
/// 32 lower-case hex digits.
std::string to_hex(const Md5& digest);

}  // namespace headgate
