// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/actions.hpp"
#include "api/authentication.hpp"
#include "api/changes_request.hpp"
#include "api/cors.hpp"
#include "api/waiting_feed.hpp"
#include "base/task_scope.hpp"
#include "changes/changes_feed.hpp"

namespace headgate {

namespace {

constexpr std::size_t kRowsOfMessage = 20;
/// Of the options: lists of ids.
constexpr std::size_t kOptionsBytesMax = 1u << 20;
constexpr std::chrono::seconds kOptionsTimeout{15};

/// Rows of a batch from `begin` on, as one message.
std::string message_of(const ChangesBatch& batch, std::size_t begin) {
  const std::size_t end = std::min(batch.rows.size(), begin + kRowsOfMessage);
  std::string message = "[";
  for (std::size_t i = begin; i < end; ++i) {
    if (i > begin) message += ',';
    batch.rows[i].append_to(message);
  }
  message += ']';
  return message;
}

Result<ChangesOptions> parse_options(const HttpRequest& handshake, std::string message) {
  HttpRequest request;
  request.method = HttpMethod::post;
  request.query = handshake.query;
  request.body = std::move(message);
  request.body.reserve(request.body.size() + 64);  // as HttpRequest::body promises
  return parse_changes_request(request);
}

/// Reads what the client says until it has nothing more to say: pings are answered meanwhile. Says
/// so to the feed, if there is one yet.
struct Listener {
  explicit Listener(Environment& environment) : changed(environment) {}

  static Task<void> listen(Listener& self, WebSocket& socket) {
    for (;;) {
      auto message = co_await socket.read();
      if (!message) break;
      // Only the first counts.
      if (!self.options) self.options = *std::move(message);
      self.changed.raise();
    }
    self.has_ended = true;
    self.changed.raise();
    if (self.feed != nullptr) self.feed->interrupt();
  }

  std::optional<std::string> options;
  bool has_ended = false;
  ChangesFeed* feed = nullptr;
  Signal changed;
};

Task<void> wait_for_options(Environment& environment, Listener& listener, HttpExchange& exchange) {
  const Deadline deadline = environment.now() + kOptionsTimeout;
  const auto watch = exchange.on_interrupt([&listener] { listener.changed.raise(); });
  while (!listener.options && !listener.has_ended && !exchange.is_stopping()) {
    if (!co_await listener.changed.wait_past(listener.changed.count(), deadline)) co_return;
  }
}

/// Sends the feed until it ends or the client is gone.
Task<Result<void>> send_rows(ApiCall& call, WebSocket& socket, ChangesFeed& feed) {
  bool was_caught_up = false;
  for (;;) {
    HG_CO_TRY(const ChangesBatch batch, co_await feed.next());
    call.services().statistics.feed_rows_sent += batch.rows.size();
    for (std::size_t i = 0; i < batch.rows.size(); i += kRowsOfMessage)
      HG_CO_CHECK(co_await socket.write(message_of(batch, i)));
    if (batch.is_caught_up && !std::exchange(was_caught_up, true)) {
      HG_CO_CHECK(co_await socket.write("[]"));
    } else if (batch.is_caught_up || batch.is_heartbeat) {
      HG_CO_CHECK(co_await socket.write(""));
    }
    if (batch.is_end) co_return Result<void>();
  }
}

struct Goodbye {
  WebSocketClose code = WebSocketClose::normal;
  std::string reason;
};

Task<Goodbye> serve(ApiCall& call, WebSocket& socket, Listener& listener, HttpRequest handshake) {
  HttpExchange& exchange = call.exchange();
  co_await wait_for_options(call.services().environment, listener, exchange);
  if (exchange.is_stopping()) co_return Goodbye{WebSocketClose::going_away, ""};
  if (!listener.options) co_return Goodbye{WebSocketClose::refused, "no options came"};
  auto options = parse_options(handshake, *std::exchange(listener.options, std::string()));
  if (!options) co_return Goodbye{WebSocketClose::refused, options.error().context};
  handshake = {};
  ChangesFeed feed(call.lease.changes(), call.lease.hub(), call.reader, *std::move(options));
  listener.feed = &feed;
  if (listener.has_ended) feed.interrupt();
  const auto watch = exchange.on_interrupt([&feed] { feed.interrupt(); });
  const auto sent = co_await send_rows(call, socket, feed);
  listener.feed = nullptr;
  if (exchange.is_stopping()) co_return Goodbye{WebSocketClose::going_away, ""};
  if (!sent) co_return Goodbye{WebSocketClose::internal_error, api_error(sent.error()).reason};
  co_return Goodbye{};
}

/// The protocol that brought the session; a browser demands that one of its protocols is chosen.
HttpHeaders headers_of_answer(const HttpRequest& request) {
  HttpHeaders headers;
  if (const auto id = one_time_session(request.headers))
    headers.add("Sec-WebSocket-Protocol", std::string(kSessionCookie) + "_" + *id);
  return headers;
}

}  // namespace

Task<Result<void>> changes_by_websocket(ApiCall& call) {
  if (!is_websocket_upgrade(call.request())) {
    HttpResponse response = error_response({426, "upgrade_required", "This feed is a WebSocket"});
    response.headers.add("Upgrade", "websocket").add("Connection", "Upgrade");
    call.respond(std::move(response));
    co_return Result<void>();
  }
  if (!is_known_origin(call)) co_return Error{Errc::forbidden, "the origin is not allowed"};
  HttpRequest handshake;
  handshake.query = call.request().query;
  WebSocketOptions options{.headers = headers_of_answer(call.request()),
                           .message_bytes_max = kOptionsBytesMax};
  HG_CO_TRY(const auto socket, co_await call.accept_websocket(std::move(options)));
  const WaitingFeed counted(call, FeedKind::continuous);
  Environment& environment = call.services().environment;
  Listener listener(environment);
  TaskScope scope(environment);
  scope.spawn(Listener::listen(listener, *socket));
  Goodbye goodbye = co_await serve(call, *socket, listener, std::move(handshake));
  co_await socket->close(goodbye.code, std::move(goodbye.reason));
  co_await scope.join();
  co_return Result<void>();
}

}  // namespace headgate
