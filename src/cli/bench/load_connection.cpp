// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/load_connection.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace headgate::bench {

LoadConnection::Wait LoadConnection::exchange(std::string_view request) {
  reader_.reset();
  body_.clear();
  send(request);
  return {*this, Until::end};
}

LoadConnection::Wait LoadConnection::open(std::string_view request) {
  reader_.reset();
  body_.clear();
  send(request);
  return {*this, Until::head};
}

LoadConnection::Wait LoadConnection::read() {
  return {*this, Until::more};
}

void LoadConnection::send(std::string_view bytes) {
  if (socket_ < 0) connect();
  if (socket_ < 0) return;
  if (is_connected_ && unsent_.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    // Any other failure is told when the socket is read.
  }
  unsent_.append(bytes);
}

void LoadConnection::connect() {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return ended();
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  loop_.watch(socket_, *this);
  const int result =
      ::connect(socket_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_);
  if (result != 0 && errno != EINPROGRESS) ended();
}

void LoadConnection::close() {
  if (socket_ < 0) return;
  loop_.unwatch(socket_, *this);
  ::close(std::exchange(socket_, -1));
  is_connected_ = false;
  unsent_.clear();
}

void LoadConnection::cancel() {
  ended();
  if (waiting_) loop_.post(std::exchange(waiting_, {}));
}

void LoadConnection::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    is_connected_ = true;
    flush();
  }
  constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | kEnd)) != 0) receive((events & kEnd) != 0);
  resume_waiter();
}

void LoadConnection::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
}

void LoadConnection::receive(bool to_the_end) {
  received_at_ = loop_.now();
  std::string& buffer = loop_.read_buffer();
  for (;;) {
    const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return ended();
    reader_.take({buffer.data(), static_cast<std::size_t>(count)}, body_);
    if (reader_.is_done() && reader_.closes()) return close();
    // Less than there was room for: the socket is empty, and the next edge will be told.
    if (static_cast<std::size_t>(count) < buffer.size() && !to_the_end) return;
  }
}

void LoadConnection::ended() {
  close();
  reader_.end();
}

bool LoadConnection::has(Until what) const {
  if (reader_.is_done()) return true;
  if (what == Until::head) return reader_.has_head();
  return what == Until::more && !body_.empty();
}

void LoadConnection::resume_waiter() {
  if (waiting_ && has(until_)) std::exchange(waiting_, {}).resume();
}

}  // namespace headgate::bench
