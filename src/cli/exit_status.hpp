// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

namespace headgate {

/// How a command ends, for scripts. docs/operations.md lists them.
enum class ExitStatus : int {
  done = 0,
  failed = 1,       ///< the server failed, or answered what is no answer
  wrong_usage = 2,  ///< the command line, or a value that the server refuses
  not_found = 3,
  exists = 4,       ///< what was to be made is there already, or a conflict
  refused = 5,      ///< no login, a wrong one, or not allowed
  unavailable = 6,  ///< no server there, or it asks to be tried again; a write may have been done
};

ExitStatus exit_status(Errc code);

}  // namespace headgate
