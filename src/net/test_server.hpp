// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/task_scope.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"

namespace headgate {

inline constexpr std::chrono::seconds kPatience{20};

/// Looks again and again until `condition` holds. False if it does not within kPatience.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

/// A handler for tests; what it does hangs on the first segment of the path.
class TestHandler final : public HttpHandler {
 public:
  explicit TestHandler(Environment& environment) : environment_(environment) {}

  std::uint64_t body_limit(const HttpRequest& head) override;
  Task<void> handle(HttpExchange& exchange) override;

  std::atomic<int> parked = 0;
  std::atomic<int> handled = 0;
  std::atomic<bool> has_stubborn_ended = false;
  std::atomic<std::size_t> rows_written = 0;
  std::optional<Signal> release;  // of /stubborn

 private:
  Task<void> park(HttpExchange& exchange);
  Task<void> feed(HttpExchange& exchange);
  Task<void> stream(HttpExchange& exchange);
  Task<void> flood(HttpExchange& exchange);
  Task<void> stubborn(HttpExchange& exchange);
  Task<void> socket(HttpExchange& exchange);
  Task<bool> answer(WebSocket& socket, std::string message);
  Task<void> wait_for_interrupt(HttpExchange& exchange);

  Environment& environment_;
};

/// A server in a thread of its own, on a free port of the loopback.
class TestServer {
 public:
  explicit TestServer(HttpServerOptions options = {});
  ~TestServer();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  std::uint16_t port() const { return server_.port(); }
  HttpServerStats stats();
  TestHandler& handler() { return handler_; }
  /// Stops the server and returns what stop() returned. The event loop goes on.
  Result<void> stop(std::chrono::nanoseconds within = kPatience);
  /// Runs `turn` in the server's thread.
  void in_turn(std::function<void()> turn);

 private:
  static Task<void> stop_server(TestServer& self, std::chrono::nanoseconds within,
                                std::promise<Result<void>>& stopped);

  WorkerPool workers_{1};
  AsioEnvironment environment_{workers_};
  TestHandler handler_{environment_};
  HttpServer server_;
  TaskScope scope_{environment_};
  std::thread thread_;
};

/// A client socket that sends and reads plain bytes.
class RawClient {
 public:
  /// `receive_buffer` in bytes; 0 leaves it to the system.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0);
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient();

  RawClient& send(std::string_view bytes);
  /// Reads until `text` has come, the connection has ended or kPatience is over. Returns all that
  /// was read by this object.
  const std::string& read_until(std::string_view text);
  const std::string& read_to_end();
  /// True if the server has ended the connection.
  bool has_ended() const { return has_ended_; }
  std::string take() { return std::exchange(received_, {}); }
  void shut_down_sending();
  /// Ends the connection with a reset.
  void reset();

 private:
  bool read_some();

  int socket_ = -1;
  bool has_ended_ = false;
  std::string received_;
};

}  // namespace headgate
