// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/asio_environment.hpp"
#include "net/body_budget.hpp"
#include "net/http_exchange.hpp"
#include "net/tls_context.hpp"

namespace headgate {

struct HttpServerOptions {
  /// A numeric address: "127.0.0.1", "0.0.0.0", "::1"; "::" listens on IPv4 too.
  std::string address = "127.0.0.1";
  /// 0 picks a free port.
  std::uint16_t port = 0;
  /// Other servers may listen on the same port, of other processes of this user, too. False: a port
  /// that somebody listens on is refused.
  bool shares_port = true;
  /// Connections beyond it get 503; far beyond it they wait in the kernel's queue. Keep the sum of
  /// all servers well below raise_descriptor_limit().
  std::size_t max_connections = 10'000;
  /// What request bodies may hold, shared with other servers; null: each body is limited alone. A
  /// body that does not fit gets 503.
  BodyBudget* body_budget = nullptr;
  /// Encrypts all connections; null: none.
  std::shared_ptr<const TlsContext> tls = nullptr;
  /// Request line and header fields together; more gets 431.
  std::size_t max_head_bytes = 64 * 1024;
  // Timeouts are looked at once a second, so each may last a second longer.
  /// From a head's first byte to its last.
  std::chrono::seconds head_timeout{15};
  /// A body must bring `min_body_bytes` in each of these spans, or its end.
  std::chrono::seconds body_timeout{15};
  std::size_t min_body_bytes = 4096;
  /// Between requests of one connection.
  std::chrono::seconds idle_timeout{120};
  /// A peer that takes no byte for so long is given up.
  std::chrono::seconds write_timeout{60};
};

/// Counts of the present, except where a name says otherwise.
struct HttpServerStats {
  std::size_t connections = 0;
  /// Requests inside HttpHandler::handle().
  std::size_t handlers = 0;
  /// Bytes of answers that wait for slow readers.
  std::size_t unsent_bytes = 0;
  std::uint64_t requests_total = 0;
  /// Connections that got 503.
  std::uint64_t refused_total = 0;
  /// Connections ended by one of the timeouts.
  std::uint64_t timeouts_total = 0;
  /// Answers given in the handler's place, by status: requests that were malformed, too large, too
  /// slow or too many.
  std::map<int, std::uint64_t> refusals_by_status;
};

/// An HTTP/1.1 and 1.0 server on one executor. Several may listen on one port, each with a share
/// of the connections. Confined to its executor. `handler` must outlive it.
///
/// Malformed requests get 400, bad or slow ones never reach the handler, a request cut short is
/// dropped. Destroy it after stop() has succeeded, or after the environment's run() has returned.
class HttpServer {
 public:
  HttpServer(AsioEnvironment& environment, HttpServerOptions options, HttpHandler& handler);
  ~HttpServer();

  /// Binds, listens and begins to accept in later turns. Errc::invalid_argument for an address
  /// that is none, Errc::unavailable if it cannot be bound.
  Result<void> start();
  /// The port listened on; 0 before start().
  std::uint16_t port() const;
  /// Stops accepting, closes idle connections, tells handlers (HttpExchange::is_stopping()) and
  /// suspends until all have ended. Errc::unavailable if some have not by `deadline`: their sockets
  /// are closed by then, and the environment must stop before this server is destroyed.
  Task<Result<void>> stop(Deadline deadline);
  HttpServerStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Raises the soft limit of open file descriptors to the hard one; returns the limit now in force.
std::size_t raise_descriptor_limit();

}  // namespace headgate
