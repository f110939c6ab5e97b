// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "store_load.hpp"

namespace headgate {

/// Document writes of a whole database on an embedded store in `directory`, which must not be
/// there: all of a PUT but HTTP. Blocks.
LoadFigures run_database_load(const std::string& directory, std::size_t writers,
                              std::chrono::nanoseconds time, std::size_t document_bytes = 500);

}  // namespace headgate
