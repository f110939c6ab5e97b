// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <coroutine>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/asio_loop.hpp"
#include "net/http_message.hpp"
#include "net/tls_channel.hpp"

namespace headgate {

using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, AsioExecutor>;

/// Bytes to send, gathered from where they are: prefix, data, shared buffers, suffix.
struct OutgoingBytes {
  std::string prefix;
  std::string data;
  std::vector<SharedBytes> shared;
  std::string_view suffix;  // a literal

  std::size_t size() const;
  std::size_t part_count() const { return shared.size() + 3; }
  std::string_view part(std::size_t i) const;
};

/// A connected socket without buffers: it tells when bytes can be read or written, and the caller
/// then moves them with plain system calls. Nothing is allocated while it waits but the wait.
///
/// Invariant: at most one wait per direction is outstanding in Asio, and it may outlive the
/// coroutine that began it: a wait for reading that a coroutine no longer needs serves the next
/// one, and meanwhile tells on_unawaited_read() that the peer did something. So before it is
/// destroyed, closed() must be awaited, or the event loop must have ended.
class TcpConnection {
 public:
  enum class ReadStatus : unsigned char { data, would_block, ended };
  enum class WriteStatus : unsigned char { done, would_block, failed };
  class ReadyAwaiter;

  /// `tls`, which must outlive it, encrypts the connection; null: it is not encrypted.
  TcpConnection(AsioEnvironment::Loop& loop, TcpSocket socket, const TlsContext* tls);
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  virtual ~TcpConnection() = default;

  /// Reads what is there, up to `capacity`; `count` says how much.
  ReadStatus read_some(char* into, std::size_t capacity, std::size_t& count);
  /// Writes what the kernel takes of `bytes` beyond the first `sent`, and adds it to `sent`.
  WriteStatus write_some(const OutgoingBytes& bytes, std::size_t& sent);

  /// Suspends until reading would not block: bytes, the end, or stop_reading().
  ReadyAwaiter readable();
  /// Suspends until writing would not block, or fail().
  ReadyAwaiter writable();
  /// Begins to wait for the peer without a coroutine; ends with on_unawaited_read().
  void watch_read();

  /// From now on reading finds the end; a suspended reader resumes.
  void stop_reading();
  /// From now on reading and writing fail; who is suspended resumes.
  void fail();
  bool has_failed() const { return has_failed_; }
  /// Tells the peer that no more will be sent.
  void shutdown_send();
  /// Closes the socket.
  void close();
  /// Suspends until Asio has let go of the socket. REQUIRES: close().
  ReadyAwaiter closed();

 protected:
  /// A wait for reading has ended and no coroutine was waiting.
  virtual void on_unawaited_read() {}

 private:
  struct Direction {
    bool is_armed = false;
    std::coroutine_handle<> waiting;
  };

  void arm(Direction& direction, TcpSocket::wait_type type);
  void ready(Direction& direction);

  AsioEnvironment::Loop& loop_;
  TcpSocket socket_;
  std::unique_ptr<TlsChannel> tls_;
  Direction read_;
  Direction write_;
  bool has_read_stopped_ = false;
  bool has_failed_ = false;
};

class TcpConnection::ReadyAwaiter {
 public:
  bool await_ready() const noexcept { return direction_ == nullptr; }
  void await_suspend(std::coroutine_handle<> self) noexcept { direction_->waiting = self; }
  void await_resume() const noexcept {}

 private:
  friend class TcpConnection;
  explicit ReadyAwaiter(Direction* direction) : direction_(direction) {}
  Direction* direction_;  // null if there is nothing to wait for
};

}  // namespace headgate
