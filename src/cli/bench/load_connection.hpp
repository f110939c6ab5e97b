// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>

#include "cli/bench/epoll_loop.hpp"
#include "cli/bench/reply_reader.hpp"

namespace headgate::bench {

/// One connection of the load generator: sends requests that are written already, and reads their
/// answers. One request at a time; connects when it is first used, and anew after it was closed.
/// Confined to its loop, which must outlive it; it must outlive whoever awaits it.
///
/// An answer that does not come (the connection broke, or was refused) is told as status 0.
class LoadConnection final : private EpollLoop::Watcher {
 public:
  /// An awaitable step. Destroyed while it waits, it lets the connection go.
  class Wait;

  LoadConnection(EpollLoop& loop, const sockaddr_in& address) : loop_(loop), address_(address) {}
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;
  ~LoadConnection() { close(); }

  /// Sends a request and waits for its whole answer: the status; body() has the rest.
  Wait exchange(std::string_view request);
  /// Sends a request and waits for the head of its answer: the status. More of the body is read by
  /// read().
  Wait open(std::string_view request);
  /// Waits until there is more of the body, or its end: is_open() tells which. body() has all that
  /// came since it was last taken.
  Wait read();
  /// Sends bytes after an upgrade, or more of a request. Does not wait.
  void send(std::string_view bytes);
  void close();
  /// Closes, and lets whoever waits go on in a later turn, without an answer.
  void cancel();

  /// Grows until it is taken; emptied by exchange() and open().
  std::string& body() { return body_; }
  /// More of the body may come.
  bool is_open() const { return !reader_.is_done(); }
  /// When the last bytes came.
  TimePoint received_at() const { return received_at_; }

 private:
  enum class Until : std::uint8_t { head, more, end };

  void ready(std::uint32_t events) override;
  void connect();
  void flush();
  void receive(bool to_the_end);
  void ended();
  bool has(Until what) const;
  void resume_waiter();

  EpollLoop& loop_;
  sockaddr_in address_;
  int socket_ = -1;
  std::string unsent_;
  bool is_connected_ = false;
  ReplyReader reader_;
  std::string body_;
  TimePoint received_at_;
  std::coroutine_handle<> waiting_;
  Until until_ = Until::end;
};

class [[nodiscard]] LoadConnection::Wait {
 public:
  Wait(LoadConnection& connection, Until until) : connection_(connection), until_(until) {}
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  ~Wait() {
    if (is_waiting_) connection_.waiting_ = {};
  }

  bool await_ready() const { return connection_.has(until_); }
  void await_suspend(std::coroutine_handle<> self) {
    connection_.waiting_ = self;
    connection_.until_ = until_;
    is_waiting_ = true;
  }
  /// The status; 0 if there is no answer.
  int await_resume() {
    is_waiting_ = false;
    return connection_.reader_.is_broken() ? 0 : connection_.reader_.status();
  }

 private:
  LoadConnection& connection_;
  Until until_;
  bool is_waiting_ = false;
};

}  // namespace headgate::bench
