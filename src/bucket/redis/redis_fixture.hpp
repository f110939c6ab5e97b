// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bucket/contract_test.hpp"
#include "bucket/redis/redis_bucket.hpp"
#include "bucket/rocksdb/temporary_directory.hpp"
#include "net/asio_loop.hpp"

// For tests: real redis-server processes on the loopback.
namespace headgate {

std::uint16_t free_port();

/// One redis-server on a free port, with a directory of its own; killed at the end.
class RedisServer {
 public:
  /// `more`: options as on the command line.
  explicit RedisServer(std::vector<std::string> more = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  RedisAddress address() const { return {"127.0.0.1", port_}; }
  /// Starts it again on the same port and directory.
  void start();
  void kill();
  void signal(int number);
  /// Runs one command; the reply as text, elements joined by spaces, "-..." for an error.
  std::string run(std::vector<std::string> command);

 private:
  std::uint16_t port_;
  std::vector<std::string> more_;
  TemporaryDirectory directory_;
  pid_t pid_ = 0;
};

/// Looks again until `condition` holds; false after half a minute.
bool within_patience(const std::function<bool()>& condition);

/// Three masters, each with a replica.
class RedisServers {
 public:
  /// A master that is silent for `node_timeout` has failed.
  explicit RedisServers(std::chrono::milliseconds node_timeout);

  std::vector<RedisAddress> addresses() const;
  std::size_t size() const { return servers_.size(); }
  RedisServer& at(std::size_t i) { return *servers_[i]; }
  /// Waits until one serves `key`.
  RedisServer& master_of(const std::string& key);
  RedisServer& replica_of(RedisServer& master);
  std::string id_of(RedisServer& server);
  /// Every node sees all slots served, and every replica is in step.
  bool is_whole();

 private:
  std::vector<std::unique_ptr<RedisServer>> servers_;
};

/// Real time, whose calendar a test may move.
class ShiftedEnvironment final : public AsioEnvironment {
 public:
  using AsioEnvironment::AsioEnvironment;
  WallTime wall_now() const override { return AsioEnvironment::wall_now() + shift; }
  std::chrono::milliseconds shift{};
};

class AsioDriver final : public TestDriver {
 public:
  Environment& environment() override { return environment_; }
  AsioEnvironment& asio() { return environment_; }
  void run(Task<void> task) override;
  void run_ready() override { environment_.loop().context.poll(); }
  void advance(std::chrono::nanoseconds by) override {
    environment_.shift += std::chrono::duration_cast<std::chrono::milliseconds>(by);
  }
  template <class T>
  T get(Task<T> task) {
    std::optional<T> value;
    run(detail::store_result(std::move(task), value));
    return std::move(*value);
  }

 private:
  WorkerPool workers_{1};
  ShiftedEnvironment environment_{workers_};
};

/// Tries again while the servers are not ready.
std::unique_ptr<RedisBucket> open_bucket(AsioDriver& driver, RedisOptions options);

}  // namespace headgate
