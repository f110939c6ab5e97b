// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "database/database_config.hpp"
#include "document/json.hpp"

namespace headgate {

/// Writes an object that has for each setting that differs `{"from": ..., "to": ...}`; null stands
/// for one that is not there. Pure.
void write_config_changes(JsonWriter& out, const DatabaseConfig& before,
                          const DatabaseConfig& after);

}  // namespace headgate
