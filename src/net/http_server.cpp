// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.hpp"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "net/http_session.hpp"

namespace headgate {
namespace {

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, AsioExecutor>;
using boost::system::error_code;

constexpr std::chrono::seconds kTick{1};
// A turn of a busy loop takes as long as hundreds of requests: fewer would let new connections wait
// for seconds.
constexpr int kAcceptsPerTurn = 1'024;
// Connections over the limit that are told so with 503, rather than left waiting.
constexpr std::size_t kMaxRefusing = 64;
constexpr std::chrono::milliseconds kRetryAccept{100};
constexpr std::chrono::seconds kAbortGrace{1};
// Bytes the kernel takes ahead of what the peer has acknowledged: bounds what a slow reader costs.
constexpr int kMaxUnsentInKernel = 256 * 1024;

Result<void> failed(const char* what, int error) {
  return Error{Errc::unavailable, std::string(what) + ": " + std::strerror(error)};
}

PeerAddress peer_address(const asio::ip::tcp::endpoint& endpoint) {
  asio::ip::address address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return {address.to_string(), address.is_loopback()};
}

// Connections inherit these from the socket that listens.
Result<void> set_options(int socket, bool is_v6, bool shares_port) {
  const int on = 1;
  const int off = 0;
  const auto set = [socket](int level, int name, const int& value) {
    return ::setsockopt(socket, level, name, &value, sizeof value) == 0;
  };
  const bool is_set = set(SOL_SOCKET, SO_REUSEADDR, on) &&
                      (!shares_port || set(SOL_SOCKET, SO_REUSEPORT, on)) &&
                      set(IPPROTO_TCP, TCP_NODELAY, on) &&
                      set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, kMaxUnsentInKernel) &&
                      (!is_v6 || set(IPPROTO_IPV6, IPV6_V6ONLY, off));
  if (!is_set) return failed("setsockopt", errno);
  return {};
}

}  // namespace

class HttpServer::Impl final : private TimerQueue::Timer {
 public:
  Impl(AsioEnvironment& environment, HttpServerOptions options, HttpHandler& handler)
      : options_(std::move(options)),
        share_{environment, options_, handler},
        acceptor_(environment.loop().context),
        changed_(environment),
        scope_(environment) {}

  Result<void> start();
  std::uint16_t port() const { return port_; }
  Task<Result<void>> stop(Deadline deadline);
  HttpServerStats stats() const;

 private:
  class AcceptReady;

  Result<void> listen();
  Task<void> accept_loop();
  bool has_room() const { return connections_ < options_.max_connections + kMaxRefusing; }
  /// Accepts what waits, as far as there is room. False if the process has no descriptor left.
  bool accept_some();
  void start_session(int descriptor, const asio::ip::tcp::endpoint& peer);
  Task<void> run_session(TcpSocket socket, PeerAddress peer, HttpSession::Admission admission);
  Task<bool> wait_until_empty(Deadline deadline);
  void start_tick();
  void fire() override;

  HttpServerOptions options_;
  HttpSessionShare share_;
  Acceptor acceptor_;
  bool is_v6_ = false;
  std::uint16_t port_ = 0;
  bool is_accepting_ = false;
  bool is_short_of_descriptors_ = false;
  std::size_t connections_ = 0;  // those of them that have begun are in sessions_
  std::vector<HttpSession*> sessions_;
  Signal changed_;  // a session has ended, or the server stops
  TaskScope scope_;
};

/// Suspends until a connection waits to be accepted, or the acceptor is closed.
class HttpServer::Impl::AcceptReady {
 public:
  explicit AcceptReady(Impl& server) : server_(server) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) {
    auto& loop = server_.share_.environment.loop();
    server_.acceptor_.async_wait(Acceptor::wait_read, [self, &loop](error_code) {
      self.resume();
      loop.turn_ended();
    });
  }
  void await_resume() const noexcept {}

 private:
  Impl& server_;
};

Result<void> HttpServer::Impl::listen() {
  error_code ec;
  const auto address = asio::ip::make_address(options_.address, ec);
  if (ec) return Error{Errc::invalid_argument, "not an IP address: " + options_.address};
  const asio::ip::tcp::endpoint endpoint(address, options_.port);
  is_v6_ = address.is_v6();
  acceptor_.open(endpoint.protocol(), ec);
  if (ec) return failed("socket", ec.value());
  HG_CHECK(set_options(acceptor_.native_handle(), is_v6_, options_.shares_port));
  acceptor_.non_blocking(true, ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(Acceptor::max_listen_connections, ec);
  if (ec) return failed("listen", ec.value());
  port_ = acceptor_.local_endpoint(ec).port();
  return {};
}

Result<void> HttpServer::Impl::start() {
  HG_ASSERT(!acceptor_.is_open());
  HG_CHECK(listen());
  start_tick();
  is_accepting_ = true;
  scope_.spawn(accept_loop());
  return {};
}

Task<void> HttpServer::Impl::accept_loop() {
  while (!share_.is_stopping) {
    const std::uint64_t seen = changed_.count();
    if (!has_room()) {
      co_await changed_.wait_past(seen);
      continue;
    }
    co_await AcceptReady(*this);
    if (share_.is_stopping || accept_some()) continue;
    // Waiting for the socket would return at once, over and over.
    co_await changed_.wait_past(seen, share_.environment.now() + kRetryAccept);
  }
  is_accepting_ = false;
  changed_.raise();
}

bool HttpServer::Impl::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && has_room(); ++i) {
    asio::ip::tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    const int descriptor =
        ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      is_short_of_descriptors_ = false;
      peer.resize(size);
      start_session(descriptor, peer);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      const int error = errno;
      if (!std::exchange(is_short_of_descriptors_, true)) {
        log(LogLevel::error, "http.accept_failed", {{"reason", std::strerror(error)}});
      }
      return false;
    }
    // Other errors belong to the one connection that was given up meanwhile.
  }
  return true;
}

void HttpServer::Impl::start_session(int descriptor, const asio::ip::tcp::endpoint& peer) {
  TcpSocket socket(share_.environment.loop().context);
  error_code ec;
  socket.assign(is_v6_ ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), descriptor, ec);
  if (ec) {
    ::close(descriptor);
    return;
  }
  const auto admission = connections_++ < options_.max_connections
                             ? HttpSession::Admission::served
                             : HttpSession::Admission::refused;
  scope_.spawn(run_session(std::move(socket), peer_address(peer), admission));
}

Task<void> HttpServer::Impl::run_session(TcpSocket socket, PeerAddress peer,
                                         HttpSession::Admission admission) {
  HttpSession session(share_, std::move(socket), std::move(peer), admission);
  session.index = sessions_.size();
  sessions_.push_back(&session);
  co_await session.run();
  sessions_.back()->index = session.index;
  sessions_[session.index] = sessions_.back();
  sessions_.pop_back();
  --connections_;
  changed_.raise();
}

Task<Result<void>> HttpServer::Impl::stop(Deadline deadline) {
  share_.is_stopping = true;
  error_code ignored;
  acceptor_.close(ignored);
  changed_.raise();
  for (HttpSession* session : sessions_) session->begin_stop();
  if (!co_await wait_until_empty(deadline)) {
    for (HttpSession* session : sessions_) session->abort();
    if (!co_await wait_until_empty(share_.environment.now() + kAbortGrace)) {
      co_return Error{Errc::unavailable, "requests are still being handled"};
    }
  }
  co_await scope_.join();
  share_.environment.timers().stop(*this);
  co_return Result<void>();
}

Task<bool> HttpServer::Impl::wait_until_empty(Deadline deadline) {
  while (is_accepting_ || scope_.size() > 0) {
    if (!co_await changed_.wait_past(changed_.count(), deadline)) co_return false;
  }
  co_return true;
}

void HttpServer::Impl::start_tick() {
  share_.environment.timers().start(*this, share_.environment.now() + kTick);
}

void HttpServer::Impl::fire() {
  ++share_.tick;
  for (HttpSession* session : sessions_) session->sweep();
  start_tick();
}

HttpServerStats HttpServer::Impl::stats() const {
  HttpServerStats stats = share_.stats;
  stats.connections = connections_;
  return stats;
}

HttpServer::HttpServer(AsioEnvironment& environment, HttpServerOptions options,
                       HttpHandler& handler)
    : impl_(std::make_unique<Impl>(environment, std::move(options), handler)) {}
HttpServer::~HttpServer() = default;

Result<void> HttpServer::start() {
  return impl_->start();
}
std::uint16_t HttpServer::port() const {
  return impl_->port();
}
Task<Result<void>> HttpServer::stop(Deadline deadline) {
  return impl_->stop(deadline);
}
HttpServerStats HttpServer::stats() const {
  return impl_->stats();
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  HG_ASSERT(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return static_cast<std::size_t>(limit.rlim_cur);
}

}  // namespace headgate
