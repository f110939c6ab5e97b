// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "database/database.hpp"
#include "sequence/sequence_id.hpp"

namespace headgate {

/// A `since` that misses nothing: what lies between stable and it may still be incomplete.
inline std::string update_sequence(const Database& database) {
  return SequenceId{database.stable(), Sequence(), database.highest()}.print();
}

}  // namespace headgate
