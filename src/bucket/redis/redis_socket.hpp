// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"
#include "bucket/redis/redis_options.hpp"
#include "net/asio_environment.hpp"

namespace headgate {

/// The client's context of TLS for all connections of a bucket.
class RedisTls {
 public:
  /// Errors: invalid_argument if the file of authorities cannot be read.
  static Result<std::unique_ptr<RedisTls>> make(const std::string& ca_file);
  virtual ~RedisTls() = default;
};

/// A TCP connection, perhaps with TLS, that never blocks. May be destroyed at any moment; whoever
/// awaits is then gone, too. Confined to its executor.
class RedisSocket {
 public:
  enum class Status : unsigned char { done, wants_read, wants_write, ended };

  explicit RedisSocket(AsioEnvironment& environment);
  RedisSocket(const RedisSocket&) = delete;
  RedisSocket& operator=(const RedisSocket&) = delete;
  ~RedisSocket();

  /// Errors: unavailable, with the reason. Without `tls` in clear text.
  Task<Result<void>> connect(RedisAddress address, RedisTls* tls, Deadline deadline);
  /// Reads what is there, at most `capacity`.
  Status read_some(char* into, std::size_t capacity, std::size_t& count);
  Status write_some(std::string_view bytes, std::size_t& count);
  /// Suspend until it is worth trying again, or close(); false at the deadline.
  Task<bool> readable(Deadline deadline);
  Task<bool> writable(Deadline deadline);
  void close();

 private:
  struct State;

  Task<Result<void>> connect_tcp(RedisAddress address, Deadline deadline);
  Task<Result<void>> shake_hands(RedisTls& tls, std::string host, Deadline deadline);

  AsioEnvironment& environment_;
  std::shared_ptr<State> state_;  // shared with the waits that Asio holds
};

}  // namespace headgate
