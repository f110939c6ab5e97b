// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_sync_proof.hpp"

#include <set>
#include <utility>

#include "base/log.hpp"

namespace headgate {
namespace {

// Somebody may change the settings of a server at work.
constexpr std::chrono::seconds kPause{2};
constexpr std::chrono::seconds kTimeout{2};

}  // namespace

RedisSyncProof::RedisSyncProof(AsioEnvironment& environment, RedisCluster& cluster)
    : environment_(environment), cluster_(cluster), doubts_(environment), tasks_(environment) {}

Task<void> RedisSyncProof::start(Deadline deadline) {
  holds_ = co_await ask_all(deadline);
  if (holds_) tasks_.spawn(keep_asking());
}

void RedisSyncProof::doubt() {
  holds_ = false;
  doubts_.raise();
}

Task<void> RedisSyncProof::keep_asking() {
  bool was_proved = true;
  std::uint64_t seen = doubts_.count();
  while (true) {
    co_await doubts_.wait_past(seen, environment_.now() + kPause);
    seen = doubts_.count();
    const bool is_proved = co_await ask_all(environment_.now() + kTimeout);
    if (seen != doubts_.count()) continue;
    holds_ = is_proved;
    if (is_proved != was_proved)
      log(is_proved ? LogLevel::info : LogLevel::warning,
          is_proved ? "redis.disk_proved" : "redis.disk_unproved");
    was_proved = is_proved;
  }
}

Task<bool> RedisSyncProof::ask_all(Deadline deadline) {
  std::set<RedisAddress> masters;
  for (std::uint32_t p = 0; p < cluster_.options().partitions; ++p)
    masters.insert(cluster_.master(PartitionNumber(p)));
  bool all = true;
  for (const RedisAddress& address : masters) all = all && co_await ask(address, deadline);
  co_return all;
}

// A server that does not let us ask has proved nothing.
Task<bool> RedisSyncProof::ask(RedisAddress address, Deadline deadline) {
  for (const auto& [name, wanted] : {std::pair("appendonly", "yes"), {"appendfsync", "always"}}) {
    RespCommand command;
    command.add("CONFIG").add("GET").add(name);
    const auto answer =
        co_await cluster_.command(address, std::move(command), RedisCluster::Use::data, deadline);
    const redisReply* value = answer.status == Errc::ok ? resp_at(*answer.reply, 1) : nullptr;
    if (value == nullptr || resp_text(*value) != wanted) co_return false;
  }
  co_return true;
}

}  // namespace headgate
