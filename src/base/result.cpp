// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

namespace headgate {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::ok:
      return "ok";
    case Errc::not_found:
      return "not_found";
    case Errc::exists:
      return "exists";
    case Errc::cas_mismatch:
      return "cas_mismatch";
    case Errc::condition_failed:
      return "condition_failed";
    case Errc::rolled_back:
      return "rolled_back";
    case Errc::unavailable:
      return "unavailable";
    case Errc::timeout_unknown_outcome:
      return "timeout_unknown_outcome";
    case Errc::overloaded:
      return "overloaded";
    case Errc::no_space:
      return "no_space";
    case Errc::fenced:
      return "fenced";
    case Errc::cancelled:
      return "cancelled";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::conflict:
      return "conflict";
    case Errc::unauthorized:
      return "unauthorized";
    case Errc::forbidden:
      return "forbidden";
    case Errc::too_large:
      return "too_large";
    case Errc::unsupported:
      return "unsupported";
    case Errc::corrupted:
      return "corrupted";
    case Errc::internal:
      return "internal";
  }
  return "unknown";
}

}  // namespace headgate
