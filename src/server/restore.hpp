// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.hpp"

namespace headgate {

/// Makes the data directory `data`, absent or empty, of the backup `from`; no server runs on it.
/// To its clients it is another server (renew_identity()). It appears when it is whole. Blocks;
/// shows its progress on standard error. Returns what is to be printed. Errors, with a context for
/// people: as RocksRestore; corrupted.
Result<std::string> restore_store(const std::string& from, const std::string& data);

}  // namespace headgate
