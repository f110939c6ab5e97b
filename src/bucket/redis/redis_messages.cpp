// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_messages.hpp"

#include <utility>

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kPause{20};
constexpr std::string_view kKey = "w";
/// Messages that a stream keeps, about.
constexpr std::string_view kKept = "1000";
/// Messages in one answer.
constexpr std::string_view kAtOnce = "200";

}  // namespace

RedisMessages::RedisMessages(AsioEnvironment& environment, RedisCluster& cluster,
                             std::size_t partitions, std::function<void(std::string_view)> receive)
    : environment_(environment),
      cluster_(cluster),
      receive_(std::move(receive)),
      tasks_(environment) {
  Ears all;
  for (std::uint32_t p = 0; p < partitions; ++p) all.push_back({PartitionNumber(p)});
  if (!cluster.is_cluster()) {
    tasks_.spawn(listen(std::move(all)));
    return;
  }
  // One command reads streams of one slot only, and holds its connection up while it waits.
  for (const Ear& ear : all) tasks_.spawn(listen({ear}));
}

Task<Result<void>> RedisMessages::send(PartitionNumber partition, std::string message,
                                       Deadline deadline) {
  RespCommand command;
  command.add("XADD").add(cluster_.key(partition, kKey)).add("MAXLEN").add("~").add(kKept);
  command.add("*").add("m").add(message);
  const auto answer = co_await cluster_.command(cluster_.master(partition), std::move(command),
                                                RedisCluster::Use::data, deadline);
  if (answer.status == Errc::ok) co_return Result<void>();
  cluster_.suspect();
  co_return answer.status;
}

Task<void> RedisMessages::listen(Ears ears) {
  std::unique_ptr<RedisConnection> connection;
  while (true) {
    const RedisAddress address = cluster_.master(ears.front().partition);
    if (!connection || connection->address() != address) {
      connection = std::make_unique<RedisConnection>(environment_, address, cluster_.options(),
                                                     cluster_.tls());
      // The ids of another server follow another clock.
      for (Ear& ear : ears) ear.heard.clear();
    }
    if (co_await find_ends(ears, *connection)) {
      while (cluster_.master(ears.front().partition) == address &&
             co_await listen_once(ears, *connection)) {
      }
    }
    cluster_.suspect();
    co_await environment_.sleep_for(kPause);
  }
}

Task<bool> RedisMessages::find_ends(Ears& ears, RedisConnection& connection) {
  for (Ear& ear : ears) {
    if (!ear.heard.empty()) continue;
    RespCommand command;
    command.add("XREVRANGE").add(cluster_.key(ear.partition, kKey)).add("+").add("-");
    command.add("COUNT").add("1");
    const auto answer = co_await connection.call(command.wire(), kNoDeadline);
    if (answer.end != RedisConnection::End::answered || is_error(*answer.reply)) co_return false;
    const redisReply* entry = resp_at(*answer.reply, 0);
    const redisReply* id = entry ? resp_at(*entry, 0) : nullptr;
    ear.heard = id ? std::string(resp_text(*id)) : "0-0";
  }
  co_return true;
}

Task<bool> RedisMessages::listen_once(Ears& ears, RedisConnection& connection) {
  // Shorter than what makes a connection a silent one.
  const auto block =
      std::chrono::duration_cast<std::chrono::milliseconds>(cluster_.options().silence / 3);
  RespCommand command;
  command.add("XREAD").add("COUNT").add(kAtOnce).add("BLOCK");
  command.add_number(static_cast<std::uint64_t>(block.count())).add("STREAMS");
  for (const Ear& ear : ears) command.add(cluster_.key(ear.partition, kKey));
  for (const Ear& ear : ears) command.add(ear.heard);
  const auto answer = co_await connection.call(command.wire(), kNoDeadline);
  co_return answer.end == RedisConnection::End::answered&& take(ears, *answer.reply);
}

bool RedisMessages::take(Ears& ears, const redisReply& reply) {
  if (is_error(reply)) return false;
  for (std::size_t i = 0; const redisReply* stream = resp_at(reply, i); ++i) {
    const redisReply* name = resp_at(*stream, 0);
    const redisReply* entries = resp_at(*stream, 1);
    if (!name || !entries) return false;
    for (Ear& ear : ears)
      if (resp_text(*name) == cluster_.key(ear.partition, kKey) && !take_stream(ear, *entries))
        return false;
  }
  return true;
}

bool RedisMessages::take_stream(Ear& ear, const redisReply& entries) {
  for (std::size_t i = 0; const redisReply* entry = resp_at(entries, i); ++i) {
    const redisReply* id = resp_at(*entry, 0);
    const redisReply* fields = resp_at(*entry, 1);
    const redisReply* message = fields ? resp_at(*fields, 1) : nullptr;
    if (!id || !message) return false;
    ear.heard = resp_text(*id);
    receive_(resp_text(*message));
  }
  return true;
}

}  // namespace headgate
