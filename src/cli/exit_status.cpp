// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_status.hpp"

namespace headgate {

ExitStatus exit_status(Errc code) {
  switch (code) {
    case Errc::ok:
      return ExitStatus::done;
    case Errc::invalid_argument:
    case Errc::too_large:
      return ExitStatus::wrong_usage;
    case Errc::not_found:
      return ExitStatus::not_found;
    case Errc::exists:
    case Errc::conflict:
      return ExitStatus::exists;
    case Errc::unauthorized:
    case Errc::forbidden:
      return ExitStatus::refused;
    case Errc::unavailable:
    case Errc::overloaded:
    case Errc::timeout_unknown_outcome:
      return ExitStatus::unavailable;
    default:
      return ExitStatus::failed;
  }
}

}  // namespace headgate
