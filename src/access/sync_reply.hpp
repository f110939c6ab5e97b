// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "access/sync_function.hpp"

namespace headgate {

/// What the script's call() returns, text by text (sync_prelude.hpp).
struct SyncReply {
  /// Joined by commas: "cNAME" a channel; "aPRINCIPAL", "CHANNEL" a channel granted; "rUSER",
  /// "ROLE" a role granted. No name holds a comma.
  std::string tokens;
  std::string code;    ///< empty, or the name of the rejection's Errc
  std::string reason;  ///< of the rejection
  std::string expiry;  ///< JSON text; empty: not set
  std::string exception;
  std::string console;  ///< lines

  /// In the order of the script's array.
  std::array<std::string*, 6> texts() {
    return {&tokens, &code, &reason, &expiry, &exception, &console};
  }
};

/// Checks the names and limits of a reply and sorts it out; what is not acceptable becomes a
/// rejection.
SyncOutput read_reply(SyncReply reply);

/// Sorts `channels`, each once. A rejection in place of an error when there are too many.
void sort_channels(SyncOutput& output);

/// The rejection alone, as an output.
SyncOutput rejected(Errc code, std::string reason);

}  // namespace headgate
