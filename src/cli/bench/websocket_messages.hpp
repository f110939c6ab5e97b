// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace headgate::bench {

/// Fields of the request that asks for a WebSocket.
std::string websocket_fields();
/// One text message from a client, in wire form. REQUIRES: at most 65,535 bytes.
std::string websocket_message(std::string_view text);

/// Takes the messages out of what a server sends. Fragments count as messages; nothing else of the
/// protocol is needed where a feed is only read.
class WebSocketMessages {
 public:
  /// Calls `seen` with each message that is whole.
  template <class Seen>
  void take(std::string_view bytes, Seen seen);

 private:
  /// Cuts the first message off `bytes`; false: it is not whole.
  static bool cut(std::string_view& bytes, std::string_view& message);

  std::string begun_;
};

template <class Seen>
void WebSocketMessages::take(std::string_view bytes, Seen seen) {
  if (!begun_.empty()) {
    begun_.append(bytes);
    bytes = begun_;
  }
  std::string_view message;
  while (cut(bytes, message)) seen(message);
  begun_ = std::string(bytes);
}

}  // namespace headgate::bench
