// SPDX-License-Identifier: Apache-2.0
#include "net/session_websocket.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <coroutine>
#include <cstring>
#include <utility>

#include "net/websocket_layer.hpp"

namespace headgate {

namespace websocket = boost::beast::websocket;
namespace http = boost::beast::http;

namespace {

using Stream = websocket::stream<WebSocketLayer, true>;
using boost::system::error_code;

constexpr std::chrono::seconds kCloseTimeout{2};
// Of the compressor: 2^12 bytes of context, some 20 KB a connection in place of 260.
constexpr int kWindowBits = 12;
constexpr int kMemoryLevel = 4;
constexpr std::size_t kCompressedMin = 64;

/// Awaits an operation of the stream. `Start` calls it with the handler that it is given. Resumes
/// in a later turn: the stream's own coroutine, which calls the handler, must not be destroyed by
/// it.
template <class Start>
class Operation {
 public:
  Operation(Environment& environment, Start start)
      : environment_(environment), start_(std::move(start)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    start_([this, self](error_code ec, std::size_t = 0) {
      ec_ = ec;
      environment_.post(self);
    });
  }
  error_code await_resume() const noexcept { return ec_; }

 private:
  Environment& environment_;
  Start start_;
  error_code ec_;
};

Error closed() {
  return {Errc::cancelled, "the WebSocket is closed"};
}

class SessionWebSocket final : public WebSocket {
 public:
  SessionWebSocket(HttpSession& session, WebSocketOptions options)
      : environment_(session.environment()), session_(session), stream_(session) {
    websocket::permessage_deflate deflate;
    deflate.server_enable = true;
    deflate.server_max_window_bits = kWindowBits;
    deflate.client_max_window_bits = kWindowBits;
    deflate.memLevel = kMemoryLevel;
    deflate.msg_size_threshold = kCompressedMin;
    stream_.set_option(deflate);
    stream_.auto_fragment(false);
    stream_.read_message_max(options.message_bytes_max);
    stream_.set_option(websocket::stream_base::decorator(
        [headers = std::move(options.headers)](websocket::response_type& response) {
          for (std::size_t i = 0; i < headers.size(); ++i)
            response.insert(text(headers[i].first), text(headers[i].second));
        }));
  }

  Task<bool> accept(const http::request<http::empty_body>& request) {
    const error_code ec = co_await Operation(
        environment_, [&](auto handler) { stream_.async_accept(request, std::move(handler)); });
    co_return !ec;
  }

  Task<Result<std::string>> read() override {
    boost::beast::flat_buffer buffer;
    const error_code ec = co_await Operation(
        environment_, [&](auto handler) { stream_.async_read(buffer, std::move(handler)); });
    if (ec == websocket::error::message_too_big) co_return Errc::too_large;
    if (ec) co_return closed();
    co_return std::string(static_cast<const char*>(buffer.data().data()), buffer.size());
  }

  Task<Result<void>> write(std::string message) override {
    stream_.text(true);
    const error_code ec = co_await Operation(environment_, [&](auto handler) {
      stream_.async_write(asio::buffer(message), std::move(handler));
    });
    if (ec) co_return closed();
    co_return Result<void>();
  }

  Task<void> close(WebSocketClose code, std::string reason) override {
    websocket::close_reason why(static_cast<websocket::close_code>(code));
    why.reason.assign(reason.data(), std::min(reason.size(), why.reason.max_size()));
    session_.limit_rest(kCloseTimeout);
    co_await Operation(environment_,
                       [&](auto handler) { stream_.async_close(why, std::move(handler)); });
    session_.stop_reading();
  }

 private:
  static boost::beast::string_view text(std::string_view view) {
    return {view.data(), view.size()};
  }

  Environment& environment_;
  HttpSession& session_;
  Stream stream_;
};

http::request<http::empty_body> request_of(const HttpRequest& request) {
  http::request<http::empty_body> head(http::verb::get, request.target, 11);
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const auto [name, value] = request.headers[i];
    head.insert(boost::beast::string_view(name.data(), name.size()),
                boost::beast::string_view(value.data(), value.size()));
  }
  return head;
}

}  // namespace

Task<bool> WebSocketLayer::read_bytes(asio::mutable_buffer into, std::size_t& count) {
  std::string& ahead = session_.input_;
  if (!ahead.empty()) {
    count = std::min(ahead.size(), into.size());
    std::memcpy(into.data(), ahead.data(), count);
    ahead.erase(0, count);
    co_return true;
  }
  for (;;) {
    const auto status = session_.read_some(static_cast<char*>(into.data()), into.size(), count);
    if (status != TcpConnection::ReadStatus::would_block)
      co_return status == TcpConnection::ReadStatus::data;
    co_await session_.readable();
  }
}

bool is_websocket_upgrade(const HttpRequest& request) {
  return websocket::is_upgrade(request_of(request));
}

Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(HttpSession& session, HttpRequest request,
                                                          WebSocketOptions options) {
  auto socket = std::make_unique<SessionWebSocket>(session, std::move(options));
  const auto head = request_of(request);
  if (!co_await socket->accept(head)) co_return closed();
  co_return std::unique_ptr<WebSocket>(std::move(socket));
}

}  // namespace headgate
