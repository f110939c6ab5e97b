// SPDX-License-Identifier: Apache-2.0
#include "net/test_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "base/assert.hpp"

namespace headgate {

std::uint64_t TestHandler::body_limit(const HttpRequest& head) {
  if (!head.path.empty() && head.path[0] == "small") return 100;
  return 64 << 20;
}

Task<void> TestHandler::handle(HttpExchange& exchange) {
  const HttpRequest& request = exchange.request();
  const std::string action = request.path.empty() ? "" : request.path[0];
  ++handled;
  if (action == "park") co_return co_await park(exchange);
  if (action == "feed") co_return co_await feed(exchange);
  if (action == "stream") co_return co_await stream(exchange);
  if (action == "flood") co_return co_await flood(exchange);
  if (action == "stubborn") co_return co_await stubborn(exchange);
  if (action == "socket") co_return co_await socket(exchange);
  if (action == "no-answer") co_return;
  if (action == "no-content") co_return exchange.respond({.status = 204});
  HttpResponse response;
  response.headers.add("X-Method", to_string(request.method));
  response.headers.add("X-Loopback", request.is_loopback ? request.remote_address : "");
  if (action == "worker") {
    const auto worker = co_await environment_.run_blocking(&std::this_thread::get_id);
    response.body = worker == std::this_thread::get_id() ? "same" : "other";
  } else {
    response.body = request.body.empty() ? "hello" : std::move(exchange.request().body);
  }
  exchange.respond(std::move(response));
}

Task<void> TestHandler::wait_for_interrupt(HttpExchange& exchange) {
  Signal interrupted(environment_);
  const auto watch = exchange.on_interrupt([&interrupted] { interrupted.raise(); });
  ++parked;
  while (!exchange.is_interrupted()) co_await interrupted.wait_past(interrupted.count());
  --parked;
}

Task<void> TestHandler::park(HttpExchange& exchange) {
  exchange.drop_body();
  co_await wait_for_interrupt(exchange);
  exchange.respond({.status = 200, .body = exchange.is_stopping() ? "stopping" : "disconnected"});
}

Task<void> TestHandler::feed(HttpExchange& exchange) {
  exchange.begin_stream(200, {{"Content-Type", "text/plain"}});
  if (!co_await exchange.write("first\n")) co_return;
  co_await wait_for_interrupt(exchange);
  exchange.end_stream("last\n");
}

Task<void> TestHandler::stream(HttpExchange& exchange) {
  const auto shared = std::make_shared<const std::string>("shared\n");
  exchange.begin_stream(200, {});
  HG_ASSERT(co_await exchange.write(std::string()));
  if (!co_await exchange.write("own\n")) co_return;
  std::vector<SharedBytes> buffers(1000, shared);
  if (!co_await exchange.write(std::move(buffers))) co_return;
  if (exchange.request().query.find("cut") != nullptr) co_return;
  if (exchange.request().query.find("empty-end") != nullptr) co_return exchange.end_stream();
  exchange.end_stream("end\n");
}

Task<void> TestHandler::flood(HttpExchange& exchange) {
  const auto row = std::make_shared<const std::string>(std::string(64 * 1024, 'z'));
  exchange.begin_stream(200, {});
  ++parked;
  for (;;) {
    std::vector<SharedBytes> buffers(4, row);
    if (!co_await exchange.write(std::move(buffers))) break;
    ++rows_written;
  }
  --parked;
}

Task<void> TestHandler::stubborn(HttpExchange& exchange) {
  release.emplace(environment_);
  ++parked;
  co_await release->wait_past(0);
  --parked;
  exchange.respond({});
}

/// Sends messages back, until one of them says what else to do.
Task<void> TestHandler::socket(HttpExchange& exchange) {
  const auto socket = co_await exchange.accept_websocket(
      {.headers = {{"X-Test", "yes"}}, .message_bytes_max = 1'000'000});
  if (!socket) co_return;
  ++parked;
  for (;;) {
    auto message = co_await (*socket)->read();
    if (!message || !co_await answer(**socket, *std::move(message))) break;
  }
  --parked;
}

Task<bool> TestHandler::answer(WebSocket& socket, std::string message) {
  if (message == "close") {
    co_await socket.close(WebSocketClose::refused, "bye");
    co_return false;
  }
  if (message == "flood") {
    while (co_await socket.write(std::string(256 * 1024, 'z'))) ++rows_written;
    co_return false;
  }
  const auto written = co_await socket.write(std::move(message));
  co_return written.has_value();
}

TestServer::TestServer(HttpServerOptions options)
    : server_(environment_, std::move(options), handler_) {
  const auto started = server_.start();
  if (!started) throw std::runtime_error(started.error().context);
  thread_ = std::thread([this] { environment_.run(); });
}

TestServer::~TestServer() {
  (void)stop(std::chrono::seconds(0));
  environment_.stop();
  thread_.join();
  workers_.stop();
}

void TestServer::in_turn(std::function<void()> turn) {
  std::promise<void> ran;
  environment_.post_from_thread([&] {
    turn();
    ran.set_value();
  });
  ran.get_future().wait();
}

HttpServerStats TestServer::stats() {
  HttpServerStats stats;
  in_turn([&] { stats = server_.stats(); });
  return stats;
}

Task<void> TestServer::stop_server(TestServer& self, std::chrono::nanoseconds within,
                                   std::promise<Result<void>>& stopped) {
  auto result = co_await self.server_.stop(self.environment_.now() + within);
  stopped.set_value(std::move(result));
}

Result<void> TestServer::stop(std::chrono::nanoseconds within) {
  std::promise<Result<void>> stopped;
  in_turn([&] { scope_.spawn(stop_server(*this, within, stopped)); });
  return stopped.get_future().get();
}

RawClient::RawClient(std::uint16_t port, int receive_buffer) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect");
  }
}

RawClient::~RawClient() {
  if (socket_ >= 0) ::close(socket_);
}

RawClient& RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) break;  // the server has closed: reading will tell
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return *this;
}

bool RawClient::read_some() {
  pollfd wanted{socket_, POLLIN, 0};
  if (::poll(&wanted, 1, static_cast<int>(kPatience.count() * 1000)) <= 0) return false;
  std::array<char, 64 * 1024> buffer;
  const ssize_t n = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (n <= 0) {
    has_ended_ = true;
    return false;
  }
  received_.append(buffer.data(), static_cast<std::size_t>(n));
  return true;
}

const std::string& RawClient::read_until(std::string_view text) {
  while (received_.find(text) == std::string::npos && read_some()) {
  }
  return received_;
}

const std::string& RawClient::read_to_end() {
  while (read_some()) {
  }
  return received_;
}

void RawClient::shut_down_sending() {
  ::shutdown(socket_, SHUT_WR);
}

void RawClient::reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(socket_, -1));
}

}  // namespace headgate
