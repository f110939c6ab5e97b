// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace headgate {

/// The one script that the Redis bucket runs: carries out a list of operations on one partition,
/// in their order, after it has looked whether the partition has a new history. In Lua.
std::string_view partition_script();
/// Its SHA-1 in hex, as EVALSHA takes it.
const std::string& partition_script_digest();

}  // namespace headgate
