// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/partition_queue.hpp"

#include <algorithm>
#include <utility>

namespace headgate {
namespace {

// A script holds up everything else on its server, so it is not given more at a time; one part
// may be larger.
constexpr std::size_t kMaxOperations = 256;
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

}  // namespace

std::shared_ptr<ScriptPart> PartitionQueue::add(RespCommand operations, std::size_t count,
                                                Deadline deadline) {
  auto part = std::make_shared<ScriptPart>(environment_);
  if (pending_bytes_ + operations.size() > cluster_.options().max_pending_bytes) {
    part->is_answered = true;
    part->status = Errc::overloaded;
    return part;
  }
  part->operations = std::move(operations);
  part->count = count;
  part->deadline = deadline;
  pending_bytes_ += part->operations.size();
  waiting_.push_back(part);
  if (waiting_.size() == 1) tasks_.spawn(flush());
  return part;
}

Task<void> PartitionQueue::flush() {
  while (!waiting_.empty()) tasks_.spawn(run(take()));
  co_return;
}

PartitionQueue::Parts PartitionQueue::take() {
  Parts parts;
  std::size_t operations = 0;
  std::size_t bytes = 0;
  while (!waiting_.empty()) {
    const ScriptPart& next = *waiting_.front();
    operations += next.count;
    bytes += next.operations.size();
    if (!parts.empty() && (operations > kMaxOperations || bytes > kMaxBytes)) break;
    parts.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return parts;
}

Task<void> PartitionQueue::run(Parts parts) {
  RespCommand arguments;
  arguments.add_number(
      static_cast<std::uint64_t>(environment_.wall_now().time_since_epoch().count()));
  Deadline deadline = parts.front()->deadline;
  std::size_t bytes = 0;
  for (const auto& part : parts) {
    arguments.add_all(part->operations);
    deadline = std::max(deadline, part->deadline);
    bytes += std::exchange(part->operations, {}).size();
  }
  RedisCluster::Answer answer = co_await cluster_.run_script(partition_, std::move(arguments),
                                                             RedisCluster::Use::data, deadline);
  pending_bytes_ -= bytes;
  const std::shared_ptr<redisReply> reply(answer.reply.release(), RespFree());
  std::size_t first = 1;  // after the history
  for (const auto& part : parts) {
    part->is_answered = true;
    part->status = answer.status;
    part->reply = reply;
    part->first = first;
    first += part->count;
    part->done.raise();
  }
}

}  // namespace headgate
