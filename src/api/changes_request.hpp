// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"
#include "changes/changes_options.hpp"
#include "net/http_message.hpp"

namespace headgate {

/// How the rows of a feed are sent.
enum class FeedFraming : std::uint8_t {
  object,     ///< one JSON object: normal and longpoll
  lines,      ///< a JSON object on each line: continuous
  events,     ///< as the EventSource of browsers reads them
  websocket,  ///< JSON arrays in messages
};
FeedFraming framing_of(const HttpRequest& request);

/// A heartbeat may not come more often than this.
inline constexpr std::chrono::milliseconds kHeartbeatMin{1'000};
inline constexpr std::chrono::milliseconds kFeedTimeoutDefault{300'000};
inline constexpr std::chrono::milliseconds kFeedTimeoutMax{900'000};

/// Reads the parameters of `_changes`: those of the query, and of a POST the members of the body;
/// the query wins. Unknown ones are left alone, as clients send many.
/// Errors: invalid_argument with a text for the client.
Result<ChangesOptions> parse_changes_request(const HttpRequest& request);

}  // namespace headgate
