// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "net/http_message.hpp"
#include "net/websocket.hpp"

namespace headgate {

/// One request and its answer: either respond() once, or begin_stream(), any number of write(),
/// end_stream(). Confined to its executor; lives until HttpHandler::handle() returns. An interface,
/// so that handlers are tested without a socket.
class HttpExchange {
 public:
  class InterruptWatch;

  HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  virtual ~HttpExchange() = default;

  /// The handler may move it, or parts of it, out: a handler that parks for long should drop what
  /// it no longer needs.
  HttpRequest& request() { return request_; }
  /// Frees the request's body, for a handler that goes on for long without it. What the handler
  /// made of the body and keeps must be small: it is not counted any more (BodyBudget).
  virtual void drop_body();

  /// Keeps the answer; it is written when the handler returns. Does not suspend.
  /// REQUIRES: nothing answered yet.
  virtual void respond(HttpResponse response) = 0;

  /// Begins an answer of unknown length (chunked; until close for HTTP/1.0). The head goes out with
  /// the first write(). Does not suspend. REQUIRES: nothing answered yet.
  virtual void begin_stream(int status, HttpHeaders headers) = 0;
  /// Sends `data` and suspends until the kernel has taken it: awaiting is the back-pressure, a
  /// handler holds no more than what it awaits. Errc::cancelled when the peer is gone, or has
  /// taken nothing for the write timeout; all later writes fail alike. Empty data only sends a
  /// head not yet sent. One write at a time. REQUIRES: within a stream.
  virtual Task<Result<void>> write(std::string data) = 0;
  /// The same, gathered from several buffers without copying: rows serialised once are shared by
  /// many streams. No buffer may be null.
  virtual Task<Result<void>> write(std::vector<SharedBytes> buffers) = 0;
  /// Ends the stream after `last`, which is written with the terminator when the handler returns.
  /// A stream that is not ended is cut: the client sees that it is not whole. Does not suspend.
  virtual void end_stream(std::string last = {}) = 0;

  /// Answers the request with the handshake of a WebSocket, which must be gone when the handler
  /// returns; the connection then ends. An InterruptWatch only hears of the server's stop: the
  /// peer's end is read() from the WebSocket. Errors: cancelled (malformed, and answered so; or the
  /// peer is gone). REQUIRES: is_websocket_upgrade(), nothing answered yet.
  virtual Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(WebSocketOptions options) = 0;

  /// True once the peer has closed its side or the connection has failed. A peer that only closed
  /// its sending side can still read: writes go on working. Noticed without delay while a stream is
  /// open or an InterruptWatch lives, else not at all.
  virtual bool is_disconnected() const = 0;
  /// True once the server is stopping: a handler that waits ends soon.
  virtual bool is_stopping() const = 0;
  bool is_interrupted() const { return is_disconnected() || is_stopping(); }

  /// Calls `wake` once when is_interrupted() becomes true, at once if it is. `wake` only wakes
  /// (raises a Signal): it neither suspends nor destroys the watch. At most one watch at a time,
  /// which must be gone when the handler returns.
  ///
  ///   const auto watch = exchange.on_interrupt([&changed] { changed.raise(); });
  ///   while (!exchange.is_interrupted()) { ...; co_await changed.wait_past(seen, deadline); }
  InterruptWatch on_interrupt(std::function<void()> wake);

 protected:
  /// Begins to look for the peer's going away.
  virtual void watch_peer() = 0;
  /// For the implementation: call when is_interrupted() has become true.
  void interrupt();

  HttpRequest request_;

 private:
  std::function<void()> wake_;
};

/// Ends the watch when destroyed.
class [[nodiscard]] HttpExchange::InterruptWatch {
 public:
  explicit InterruptWatch(HttpExchange& exchange) : exchange_(&exchange) {}
  InterruptWatch(InterruptWatch&& other) noexcept
      : exchange_(std::exchange(other.exchange_, nullptr)) {}
  InterruptWatch& operator=(InterruptWatch&&) = delete;
  ~InterruptWatch() {
    if (exchange_) exchange_->wake_ = nullptr;
  }

 private:
  HttpExchange* exchange_;
};

inline constexpr std::uint64_t kDefaultBodyLimit = 1 << 20;

/// What a server does with its requests. Confined to the executor of the HttpServer that it was
/// given to, and must outlive it; one handler may serve the servers of several executors if it is
/// made for that.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  /// The largest body in bytes that this request may bring, decided when only its head is known.
  /// Above it the server answers 413 and closes. Must not suspend.
  virtual std::uint64_t body_limit(const HttpRequest& head);
  /// Answers one request; requests of one connection come one after the other. Returning without an
  /// answer sends 500. An exception is a bug and stops the process.
  virtual Task<void> handle(HttpExchange& exchange) = 0;
};

}  // namespace headgate
