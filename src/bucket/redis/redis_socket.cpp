// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_socket.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/signal.hpp"
#include "net/asio_loop.hpp"

namespace headgate {
namespace {

using Descriptor = asio::posix::basic_stream_descriptor<AsioExecutor>;

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class OpenSslContext final : public RedisTls {
 public:
  explicit OpenSslContext(SSL_CTX* context) : context_(context) {}
  SSL_CTX* get() const { return context_.get(); }

 private:
  std::unique_ptr<SSL_CTX, SslFree> context_;
};

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
  int family = 0;
  std::string error;  // empty if resolved
};

Endpoint resolve(const RedisAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  Endpoint endpoint;
  if (code != 0) {
    endpoint.error = gai_strerror(code);
    return endpoint;
  }
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  endpoint.size = found->ai_addrlen;
  endpoint.family = found->ai_family;
  freeaddrinfo(found);
  return endpoint;
}

Error unreachable(const RedisAddress& address, std::string_view why) {
  return Error{Errc::unavailable, fmt::format("{}:{}: {}", address.host, address.port, why)};
}

}  // namespace

Result<std::unique_ptr<RedisTls>> RedisTls::make(const std::string& ca_file) {
  auto context = std::make_unique<OpenSslContext>(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context->get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context->get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const int is_loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context->get())
                                        : SSL_CTX_load_verify_file(context->get(), ca_file.c_str());
  if (is_loaded != 1) return Error{Errc::invalid_argument, "cannot read authorities: " + ca_file};
  return std::unique_ptr<RedisTls>(std::move(context));
}

struct RedisSocket::State : std::enable_shared_from_this<State> {
  struct Direction {
    explicit Direction(Environment& environment) : ready(environment) {}
    bool is_armed = false;
    Signal ready;
  };

  explicit State(AsioEnvironment& environment)
      : loop(environment.loop()), descriptor(loop.context), read(environment), write(environment) {}

  void arm(Direction& direction, Descriptor::wait_type type) {
    if (direction.is_armed || !descriptor.is_open()) return;
    direction.is_armed = true;
    descriptor.async_wait(type, [self = shared_from_this(), &direction](auto) {
      direction.is_armed = false;
      direction.ready.raise();
      self->loop.turn_ended();
    });
  }

  Status status_of(int returned) const {
    switch (SSL_get_error(ssl.get(), returned)) {
      case SSL_ERROR_WANT_READ:
        return Status::wants_read;
      case SSL_ERROR_WANT_WRITE:
        return Status::wants_write;
      default:
        return Status::ended;
    }
  }

  AsioEnvironment::Loop& loop;
  Descriptor descriptor;
  std::unique_ptr<SSL, SslFree> ssl;
  Direction read;
  Direction write;
};

RedisSocket::RedisSocket(AsioEnvironment& environment) : environment_(environment) {}

RedisSocket::~RedisSocket() {
  close();
}

void RedisSocket::close() {
  if (!state_) return;
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
  state_->read.ready.raise();
  state_->write.ready.raise();
}

Task<bool> RedisSocket::readable(Deadline deadline) {
  const auto state = state_;
  const auto seen = state->read.ready.count();
  if (!state->descriptor.is_open()) co_return true;
  state->arm(state->read, Descriptor::wait_read);
  co_return co_await state->read.ready.wait_past(seen, deadline);
}

Task<bool> RedisSocket::writable(Deadline deadline) {
  const auto state = state_;
  const auto seen = state->write.ready.count();
  if (!state->descriptor.is_open()) co_return true;
  state->arm(state->write, Descriptor::wait_write);
  co_return co_await state->write.ready.wait_past(seen, deadline);
}

Task<Result<void>> RedisSocket::connect(RedisAddress address, RedisTls* tls, Deadline deadline) {
  close();
  state_ = std::make_shared<State>(environment_);
  HG_CO_CHECK(co_await connect_tcp(address, deadline));
  if (!tls) co_return Result<void>();
  auto shaken = co_await shake_hands(*tls, address.host, deadline);
  if (!shaken) co_return unreachable(address, shaken.error().context);
  co_return Result<void>();
}

Task<Result<void>> RedisSocket::connect_tcp(RedisAddress address, Deadline deadline) {
  const Endpoint endpoint =
      co_await environment_.run_blocking([address] { return resolve(address); });
  if (!endpoint.error.empty()) co_return unreachable(address, endpoint.error);
  const int fd = ::socket(endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return unreachable(address, std::strerror(errno));
  state_->descriptor.assign(fd);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const auto* target = reinterpret_cast<const sockaddr*>(&endpoint.address);
  if (::connect(fd, target, endpoint.size) == 0) co_return Result<void>();
  if (errno != EINPROGRESS) co_return unreachable(address, std::strerror(errno));
  if (!co_await writable(deadline)) co_return unreachable(address, "no answer");
  int code = 0;
  socklen_t size = sizeof code;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0) code = errno;
  if (code != 0) co_return unreachable(address, std::strerror(code));
  co_return Result<void>();
}

Task<Result<void>> RedisSocket::shake_hands(RedisTls& tls, std::string host, Deadline deadline) {
  state_->ssl.reset(SSL_new(static_cast<OpenSslContext&>(tls).get()));
  SSL* ssl = state_->ssl.get();
  SSL_set_fd(ssl, state_->descriptor.native_handle());
  SSL_set_tlsext_host_name(ssl, host.c_str());
  // An address instead of a name is compared with the certificate's addresses.
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1)
    SSL_set1_host(ssl, host.c_str());
  while (true) {
    ERR_clear_error();
    const int returned = SSL_connect(ssl);
    if (returned == 1) co_return Result<void>();
    const Status status = state_->status_of(returned);
    if (status == Status::ended) {
      const long verified = SSL_get_verify_result(ssl);
      const char* why = verified == X509_V_OK ? "no TLS" : X509_verify_cert_error_string(verified);
      co_return Error{Errc::unavailable, why};
    }
    const bool is_ready =
        status == Status::wants_read ? co_await readable(deadline) : co_await writable(deadline);
    if (!is_ready) co_return Error{Errc::unavailable, "no answer"};
  }
}

RedisSocket::Status RedisSocket::read_some(char* into, std::size_t capacity, std::size_t& count) {
  count = 0;
  if (!state_ || !state_->descriptor.is_open()) return Status::ended;
  if (state_->ssl) {
    ERR_clear_error();
    const int returned = SSL_read_ex(state_->ssl.get(), into, capacity, &count);
    return returned == 1 ? Status::done : state_->status_of(returned);
  }
  ssize_t n;
  do {
    n = ::recv(state_->descriptor.native_handle(), into, capacity, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    count = static_cast<std::size_t>(n);
    return Status::done;
  }
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Status::wants_read : Status::ended;
}

RedisSocket::Status RedisSocket::write_some(std::string_view bytes, std::size_t& count) {
  count = 0;
  if (!state_ || !state_->descriptor.is_open()) return Status::ended;
  if (state_->ssl) {
    ERR_clear_error();
    const int returned = SSL_write_ex(state_->ssl.get(), bytes.data(), bytes.size(), &count);
    return returned == 1 ? Status::done : state_->status_of(returned);
  }
  ssize_t n;
  do {
    n = ::send(state_->descriptor.native_handle(), bytes.data(), bytes.size(),
               MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) {
    count = static_cast<std::size_t>(n);
    return Status::done;
  }
  return errno == EAGAIN || errno == EWOULDBLOCK ? Status::wants_write : Status::ended;
}

}  // namespace headgate
