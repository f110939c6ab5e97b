// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/buffers_iterator.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <string>
#include <utility>

#include "base/task_scope.hpp"
#include "net/http_session.hpp"

namespace headgate {

/// The bytes of a session's connection as the stream that Beast's WebSocket is built on, with the
/// session's timeouts. Its operations complete in later turns. The session must outlive it; it must
/// have no operation in flight when it is destroyed.
class WebSocketLayer {
 public:
  using executor_type = AsioExecutor;
  using ErrorCode = boost::system::error_code;

  explicit WebSocketLayer(HttpSession& session)
      : session_(session), scope_(session.environment()) {}

  executor_type get_executor() const {
    return session_.environment().loop().context.get_executor();
  }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    asio::mutable_buffer into;
    for (auto it = asio::buffer_sequence_begin(buffers);
         it != asio::buffer_sequence_end(buffers) && into.size() == 0; ++it)
      into = *it;
    scope_.spawn(read(*this, into, std::decay_t<Handler>(std::forward<Handler>(handler))));
  }

  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    std::string data(asio::buffers_begin(buffers), asio::buffers_end(buffers));
    scope_.spawn(
        write(*this, std::move(data), std::decay_t<Handler>(std::forward<Handler>(handler))));
  }

  HttpSession& session() { return session_; }

  /// The session closes the socket when its handler has returned.
  template <class Handler>
  friend void async_teardown(boost::beast::role_type, WebSocketLayer& layer, Handler&& handler) {
    asio::post(layer.get_executor(),
               [handler = std::decay_t<Handler>(std::forward<Handler>(handler))]() mutable {
                 handler(ErrorCode());
               });
  }
  /// Of Beast's timeouts, which are off: the session has its own.
  friend void beast_close_socket(WebSocketLayer& layer) { layer.session_.abort(); }
  friend void teardown(boost::beast::role_type, WebSocketLayer&, ErrorCode& ec) { ec = {}; }

 private:
  template <class Handler>
  static Task<void> read(WebSocketLayer& self, asio::mutable_buffer into, Handler handler) {
    std::size_t count = 0;
    const bool is_open = co_await self.read_bytes(into, count);
    handler(is_open ? ErrorCode() : ErrorCode(asio::error::eof), count);
  }
  template <class Handler>
  static Task<void> write(WebSocketLayer& self, std::string data, Handler handler) {
    const std::size_t size = data.size();
    OutgoingBytes bytes;
    bytes.data = std::move(data);
    const bool is_sent = co_await self.session_.send(std::move(bytes));
    handler(is_sent ? ErrorCode() : ErrorCode(asio::error::broken_pipe), is_sent ? size : 0);
  }
  Task<bool> read_bytes(asio::mutable_buffer into, std::size_t& count);

  HttpSession& session_;
  TaskScope scope_;
};

}  // namespace headgate
