// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_bells.hpp"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kPause{20};

}  // namespace

RedisBells::RedisBells(AsioEnvironment& environment, RedisCluster& cluster, std::size_t partitions)
    : environment_(environment),
      cluster_(cluster),
      rung_(partitions, 1),
      changed_(environment),
      tasks_(environment) {
  Group all;
  for (std::uint32_t p = 0; p < partitions; ++p) all.push_back(PartitionNumber(p));
  if (!cluster.is_cluster()) {
    tasks_.spawn(listen(std::move(all)));
    return;
  }
  for (const PartitionNumber p : all) tasks_.spawn(listen({p}));
}

void RedisBells::ring(PartitionNumber partition) {
  ++rung_[partition.value()];
  changed_.raise();
}

Task<void> RedisBells::listen(Group group) {
  std::unique_ptr<RedisConnection> connection;
  while (true) {
    const RedisAddress address = cluster_.master(group.front());
    if (!connection || connection->address() != address)
      connection = std::make_unique<RedisConnection>(environment_, address, cluster_.options(),
                                                     cluster_.tls());
    // From the beginning: the entry that is there rings once.
    std::vector<std::string> heard(group.size(), "0-0");
    while (cluster_.master(group.front()) == address &&
           co_await listen_once(group, heard, *connection)) {
    }
    cluster_.suspect();
    for (const PartitionNumber p : group) ring(p);
    co_await environment_.sleep_for(kPause);
  }
}

Task<bool> RedisBells::listen_once(const Group& group, std::vector<std::string>& heard,
                                   RedisConnection& connection) {
  // Shorter than what makes a connection a silent one.
  const auto block =
      std::chrono::duration_cast<std::chrono::milliseconds>(cluster_.options().silence / 3);
  RespCommand command;
  command.add("XREAD").add("COUNT").add("1").add("BLOCK");
  command.add_number(static_cast<std::uint64_t>(block.count())).add("STREAMS");
  for (const PartitionNumber p : group) command.add(cluster_.key(p, "b"));
  for (const std::string& id : heard) command.add(id);
  const auto answer = co_await connection.call(command.wire(), kNoDeadline);
  co_return answer.end == RedisConnection::End::answered&& take_rings(group, heard, *answer.reply);
}

bool RedisBells::take_rings(const Group& group, std::vector<std::string>& heard,
                            const redisReply& reply) {
  if (is_error(reply)) return false;
  for (std::size_t i = 0; const redisReply* stream = resp_at(reply, i); ++i) {
    const redisReply* name = resp_at(*stream, 0);
    const redisReply* entries = resp_at(*stream, 1);
    const redisReply* entry = entries ? resp_at(*entries, 0) : nullptr;
    const redisReply* id = entry ? resp_at(*entry, 0) : nullptr;
    if (!name || !id) return false;
    for (std::size_t g = 0; g < group.size(); ++g) {
      if (resp_text(*name) != cluster_.key(group[g], "b")) continue;
      heard[g] = resp_text(*id);
      ring(group[g]);
    }
  }
  return true;
}

}  // namespace headgate
