// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"
#include "bucket/redis/redis_options.hpp"

namespace headgate {

/// Where one port listens.
struct ListenConfig {
  std::string address;               ///< numeric
  std::uint16_t port = 0;            ///< 0 picks a free one
  std::string tls_certificate = {};  ///< PEM file; empty: plain HTTP
  std::string tls_key = {};          ///< PEM file of its key
};

struct AdminLogin {
  std::string user;
  std::string password;
};

/// Where one bucket is kept.
struct BucketConfig {
  enum class Engine : std::uint8_t {
    rocksdb,  ///< in the data directory
    redis,
  };
  Engine engine = Engine::rocksdb;
  RedisOptions redis = {};  ///< of that engine; addresses are required

  bool is_redis() const { return engine == Engine::redis; }
};

/// Where a node takes part.
struct NodeConfig {
  std::string name = {};        ///< for people; empty: host name and public port
  bool takes_writes = true;     ///< role front_end
  bool serves_feeds = true;     ///< role reader
  bool is_cache_writer = true;  ///< may be elected
  bool sends_wake_ups = true;   ///< else feeds of other nodes hear of its writes by their poll
};

/// Settings of one process: from a TOML file, then from the command line, which wins.
struct ServerConfig {
  std::string data = "headgate-data";
  LogLevel log_level = LogLevel::info;
  bool hides_user_data = false;                  ///< in the log
  std::chrono::milliseconds slow_request{1000};  ///< logged beyond it; 0: none
  ListenConfig public_port{"0.0.0.0", 4984};
  ListenConfig admin_port{"127.0.0.1", 4985};
  std::optional<AdminLogin> admin_login;  ///< required unless the admin port is on loopback
  std::size_t max_connections = 20'000;   ///< of both ports
  std::size_t max_requests = 1'000;       ///< at work at once, waiting feeds left out
  std::size_t body_bytes = 256u << 20;    ///< of request bodies at once (BodyBudget)
  unsigned worker_threads = 4;
  std::size_t block_cache_bytes = 256u << 20;
  std::size_t write_buffer_bytes = 128u << 20;
  BucketConfig base;
  std::optional<BucketConfig> cache;  ///< absent: the base bucket is the cache bucket, too
  NodeConfig node;

  bool uses_rocksdb() const { return !base.is_redis() || (cache && !cache->is_redis()); }

  /// Changes what `text`, a TOML document, names. Strict: an unknown key, a wrong type or a value
  /// out of range is refused with `file`, the line and the key. Errors: invalid_argument.
  Result<void> read_toml(std::string_view text, const std::string& file);
  /// The same from a file. Errors: also not_found.
  Result<void> read_file(const std::string& file);
  /// What must hold of the whole. Errors: invalid_argument.
  Result<void> check() const;
};

/// True for numeric addresses that only this machine reaches.
bool is_loopback_address(std::string_view address);

}  // namespace headgate
