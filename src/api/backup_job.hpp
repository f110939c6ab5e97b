// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"

namespace headgate {

/// Backups of the store, made while the server serves; one at a time. Confined to its executor.
class BackupJob {
 public:
  enum class State : std::uint8_t { idle, running, completed, failed };
  struct Progress {
    State state = State::idle;  ///< of the last one
    std::string to = {};
    std::uint64_t bytes_done = 0;
    std::uint64_t bytes_total = 0;
    std::string why = {};  ///< it failed
  };

  virtual ~BackupJob() = default;
  /// Begins one in the new directory `to`; what was written before the call is in it. Errors, with
  /// a context for people: conflict (one is running), invalid_argument, exists, no_space,
  /// unavailable.
  virtual Task<Result<void>> start(std::string to) = 0;
  virtual Progress progress() const = 0;
};

}  // namespace headgate
