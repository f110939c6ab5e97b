// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace headgate {

struct RedisAddress {
  std::string host;
  std::uint16_t port = 6379;

  friend auto operator<=>(const RedisAddress&, const RedisAddress&) = default;
};

/// How a RedisBucket reaches its servers.
struct RedisOptions {
  /// Any of the cluster's nodes, or the one server; tried in turn.
  std::vector<RedisAddress> addresses;
  std::string user = {};      ///< of an ACL; empty: the default user
  std::string password = {};  ///< empty: no AUTH
  bool uses_tls = false;
  std::string tls_ca_file = {};  ///< PEM; empty: the system's authorities

  /// In front of all keys, in the hash tag: separates buckets on one cluster. Letters and digits.
  std::string name = "hg";
  /// Of a new bucket. A bucket that was made with another number is not opened.
  std::size_t partitions = 16;
  /// Replicas that a barrier waits for. 0: it waits for none, and lasting is what the server's own
  /// persistence makes of it.
  std::size_t replicas = 0;

  /// Entries that a stream of the feed may have beyond twice the number of its database's values;
  /// what lies before is moved to where each key has one entry only.
  std::size_t feed_slack = 10'000;

  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(2);
  /// A connection that owes an answer and says nothing for so long is closed.
  std::chrono::nanoseconds silence = std::chrono::seconds(3);
  /// What is surely not done (a slot being moved, a server loading or not reached) is tried again
  /// for so long, then `unavailable`.
  std::chrono::nanoseconds patience = std::chrono::milliseconds(500);
  /// Bytes of operations without an answer; what would go beyond is `overloaded`.
  std::size_t max_pending_bytes = std::size_t{256} << 20;
};

}  // namespace headgate
