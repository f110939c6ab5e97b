// SPDX-License-Identifier: Apache-2.0
#include "net/tcp_connection.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <utility>

namespace headgate {
namespace {

constexpr std::size_t kMaxGathered = 256;

// Describes what is left of `bytes` beyond the first `skip`, as far as it fits in one call.
std::size_t gather(const OutgoingBytes& bytes, std::size_t skip,
                   std::array<iovec, kMaxGathered>& into) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < bytes.part_count() && count < into.size(); ++i) {
    std::string_view part = bytes.part(i);
    const std::size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    part.remove_prefix(skipped);
    if (!part.empty()) into[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  return count;
}

}  // namespace

std::string_view OutgoingBytes::part(std::size_t i) const {
  if (i == 0) return prefix;
  if (i == 1) return data;
  return i < shared.size() + 2 ? std::string_view(*shared[i - 2]) : suffix;
}

std::size_t OutgoingBytes::size() const {
  std::size_t total = 0;
  for (std::size_t i = 0; i < part_count(); ++i) total += part(i).size();
  return total;
}

TcpConnection::TcpConnection(AsioEnvironment::Loop& loop, TcpSocket socket, const TlsContext* tls)
    : loop_(loop), socket_(std::move(socket)) {
  if (tls != nullptr) tls_ = std::make_unique<TlsChannel>(*tls, socket_.native_handle());
}

TcpConnection::ReadStatus TcpConnection::read_some(char* into, std::size_t capacity,
                                                   std::size_t& count) {
  count = 0;
  if (has_read_stopped_) return ReadStatus::ended;
  if (tls_) {
    const auto status = tls_->read_some(into, capacity, count);
    if (status == TlsChannel::Status::done) return ReadStatus::data;
    return status == TlsChannel::Status::ended ? ReadStatus::ended : ReadStatus::would_block;
  }
  for (;;) {
    const ssize_t n = ::recv(socket_.native_handle(), into, capacity, MSG_DONTWAIT);
    if (n > 0) {
      count = static_cast<std::size_t>(n);
      return ReadStatus::data;
    }
    if (n < 0 && errno == EINTR) continue;
    const bool would_block = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return would_block ? ReadStatus::would_block : ReadStatus::ended;
  }
}

TcpConnection::WriteStatus TcpConnection::write_some(const OutgoingBytes& bytes,
                                                     std::size_t& sent) {
  if (tls_ && !has_failed_) {
    const auto status = tls_->write_some(bytes, sent);
    if (status == TlsChannel::Status::done) return WriteStatus::done;
    if (status == TlsChannel::Status::would_block) return WriteStatus::would_block;
    has_failed_ = true;
  }
  while (!has_failed_) {
    std::array<iovec, kMaxGathered> parts;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = gather(bytes, sent, parts);
    if (message.msg_iovlen == 0) return WriteStatus::done;
    const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return WriteStatus::would_block;
    } else if (errno != EINTR) {
      has_failed_ = true;
    }
  }
  return WriteStatus::failed;
}

TcpConnection::ReadyAwaiter TcpConnection::readable() {
  if (has_read_stopped_ || (tls_ && tls_->has_pending())) return ReadyAwaiter(nullptr);
  watch_read();
  return ReadyAwaiter(&read_);
}

TcpConnection::ReadyAwaiter TcpConnection::writable() {
  if (has_failed_) return ReadyAwaiter(nullptr);
  arm(write_, TcpSocket::wait_write);
  return ReadyAwaiter(&write_);
}

void TcpConnection::watch_read() {
  arm(read_, TcpSocket::wait_read);
}

void TcpConnection::arm(Direction& direction, TcpSocket::wait_type type) {
  if (direction.is_armed) return;
  direction.is_armed = true;
  socket_.async_wait(type, [this, &direction](boost::system::error_code) { ready(direction); });
}

void TcpConnection::ready(Direction& direction) {
  AsioEnvironment::Loop& loop = loop_;  // the coroutine may end with this connection
  direction.is_armed = false;
  if (auto waiting = std::exchange(direction.waiting, {})) {
    waiting.resume();
  } else if (&direction == &read_) {
    on_unawaited_read();
  }
  loop.turn_ended();
}

void TcpConnection::stop_reading() {
  has_read_stopped_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void TcpConnection::fail() {
  has_failed_ = true;
  stop_reading();
}

void TcpConnection::shutdown_send() {
  if (tls_ && !has_failed_) tls_->shut_down();
  boost::system::error_code ignored;
  socket_.shutdown(TcpSocket::shutdown_send, ignored);
}

void TcpConnection::close() {
  if (tls_ && !has_failed_) tls_->shut_down();
  has_failed_ = has_read_stopped_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

TcpConnection::ReadyAwaiter TcpConnection::closed() {
  return ReadyAwaiter(read_.is_armed ? &read_ : nullptr);
}

}  // namespace headgate
