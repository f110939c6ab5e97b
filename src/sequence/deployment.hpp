// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace headgate {

/// Who uses a database's buckets. The parts of the protocol that differ ask for it where they do.
enum class Deployment : std::uint8_t {
  /// One process on one store with one log for base and cache: a crash leaves one prefix of both.
  /// Nobody else draws sequences, writes the cache or takes a role over.
  single_process,
  /// Several nodes; every partition of both buckets fails over by itself and may lose writes.
  cluster,
};

}  // namespace headgate
