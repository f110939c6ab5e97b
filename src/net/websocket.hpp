// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/task.hpp"
#include "net/http_message.hpp"

namespace headgate {

/// Whether a request asks to go on as a WebSocket (RFC 6455).
bool is_websocket_upgrade(const HttpRequest& request);

struct WebSocketOptions {
  /// With the answer to the handshake: `Sec-WebSocket-Protocol` among them, if one was chosen.
  HttpHeaders headers = {};
  /// A longer message ends the connection.
  std::size_t message_bytes_max = 64 * 1024;
};

/// Why one side ends (RFC 6455, 7.4.1).
enum class WebSocketClose : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  refused = 1008,
  internal_error = 1011,
};

/// Both directions of an accepted WebSocket. Compresses if the peer offered it. Confined to its
/// executor; lives as long as its exchange. Calls in flight must have returned before it is
/// destroyed.
class WebSocket {
 public:
  WebSocket() = default;
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;
  virtual ~WebSocket() = default;

  /// The next message. Keep one call waiting: it also answers pings and notices the end.
  /// Errors: cancelled (either side has closed, or the connection broke), too_large.
  virtual Task<Result<std::string>> read() = 0;
  /// Sends a text message and suspends until the kernel has taken it: that is the back-pressure.
  /// One call at a time. Errors: cancelled.
  virtual Task<Result<void>> write(std::string text) = 0;
  /// Says good-bye and waits a moment for the peer to do so; the waiting read() returns. Nothing
  /// can be written any more.
  virtual Task<void> close(WebSocketClose code, std::string reason) = 0;
};

}  // namespace headgate
