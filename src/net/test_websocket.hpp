// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.hpp"

namespace headgate {

/// A blocking WebSocket client for tests. Every wait ends after 20 seconds.
class TestWebSocket {
 public:
  struct Options {
    HttpHeaders headers = {};
    bool compresses = false;
    int receive_buffer = 0;  ///< bytes; 0 leaves it to the system
  };

  TestWebSocket(std::uint16_t port, std::string_view target, Options options);
  TestWebSocket(std::uint16_t port, std::string_view target)
      : TestWebSocket(port, target, Options()) {}
  ~TestWebSocket();

  /// Of the answer to the handshake: 101 if it was accepted.
  int status() const;
  /// A header of that answer; "" if it is absent.
  std::string header(std::string_view name) const;

  void send(std::string_view text);
  void ping();
  /// Pongs that have come.
  int pongs() const;
  /// The next message; none if the connection has ended.
  std::optional<std::string> read();
  /// What the server said when it closed; 0: it did not.
  std::uint16_t close_code() const;
  std::string close_reason() const;
  void close();
  /// Ends the connection without a word.
  void drop();
  /// Bytes on the wire that were received so far.
  std::size_t received_bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate
