// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/task.hpp"
#include "net/http_exchange.hpp"
#include "net/http_server.hpp"
#include "net/request_parser.hpp"
#include "net/tcp_connection.hpp"

namespace headgate {

class SessionExchange;

/// What the sessions of one server share.
struct HttpSessionShare {
  static constexpr std::size_t kInputCapacity = 64 * 1024;

  AsioEnvironment& environment;
  const HttpServerOptions& options;
  HttpHandler& handler;
  HttpServerStats stats = {};
  bool is_stopping = false;
  /// Seconds of this server's life, counted by its sweep: what deadlines of sessions are in.
  std::uint32_t tick = 0;
  /// Bytes just read, on their way to a parser: never kept over a suspension.
  std::unique_ptr<char[]> input = std::make_unique<char[]>(kInputCapacity);
};

struct PeerAddress {
  std::string text;
  bool is_loopback = false;
};

/// Reads the requests of one connection, one after the other, and has them answered. While it is
/// idle it holds neither parser nor buffer.
class HttpSession final : private TcpConnection {
 public:
  enum class Admission : unsigned char { served, refused };

  HttpSession(HttpSessionShare& share, TcpSocket socket, PeerAddress peer, Admission admission);

  /// Serves until either side has had enough; returns when the socket is closed.
  Task<void> run();

  /// Gives up what has taken too long. Called once a tick.
  void sweep();
  /// Ends the session if it is idle, else tells the handler. Idempotent.
  void begin_stop();
  /// Of a WebSocket that is closing: the peer has so long to do the same. stop_reading() ends it.
  void limit_rest(std::chrono::seconds timeout) { enter(Phase::lingering, timeout); }
  using TcpConnection::stop_reading;
  AsioEnvironment& environment() { return share_.environment; }
  /// Ends input and output now.
  void abort() { fail(); }

  /// Place in the server's list.
  std::size_t index = 0;

 private:
  friend class SessionExchange;
  friend class WebSocketLayer;

  enum class Phase : unsigned char { idle, head, body, handling, writing, lingering };
  enum class Progress : unsigned char { done, starved, ended };

  void enter(Phase phase, std::chrono::seconds timeout);
  void enter_handling();
  Task<bool> serve_one();
  // Not inlined: the compiler would keep its frame in that of serve_one(), a kilobyte for as long
  // as the handler waits.
  [[gnu::noinline]] Task<bool> read_request(SessionExchange& exchange);
  Task<bool> read_body(SessionExchange& exchange, RequestParser& parser);
  Task<bool> read_stage(RequestParser& parser, Phase phase);
  Progress read_available(RequestParser& parser);
  bool parse(RequestParser& parser, std::string_view bytes);
  /// Answers in the handler's place; always false: the connection ends.
  Task<bool> refuse(HttpFailure failure, const RequestParser& parser);
  /// False if the peer is gone or too slow.
  Task<bool> send(OutgoingBytes bytes);
  /// Reads what the peer still sends, so that closing does not destroy the answer on its way.
  Task<void> linger();
  void watch_peer();
  void on_unawaited_read() override;

  HttpSessionShare& share_;
  PeerAddress peer_;
  Admission admission_;
  Phase phase_ = Phase::idle;
  bool has_timed_out_ = false;
  bool is_peer_gone_ = false;
  bool is_peer_watched_ = false;
  bool has_unread_request_ = false;
  std::uint32_t deadline_ = 0;
  std::size_t received_ = 0;             // bytes of this head or body
  std::size_t received_mark_ = 0;        // of them, those before its present time span
  std::string input_;                    // read but not parsed
  SessionExchange* exchange_ = nullptr;  // while its handler runs
};

}  // namespace headgate
