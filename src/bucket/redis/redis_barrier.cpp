// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_barrier.hpp"

#include <algorithm>
#include <utility>

#include "bucket/redis/redis_codec.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kRoundTimeout{2};
constexpr std::chrono::milliseconds kPause{20};
constexpr std::uint64_t kWaitMs = 300;

}  // namespace

Task<Result<RedisBarrier::Histories>> RedisBarrier::pass(std::set<PartitionNumber> partitions,
                                                         Deadline deadline) {
  if (!next_) next_ = std::make_shared<Round>(environment_);
  const std::shared_ptr<Round> round = next_;
  round->partitions.merge(partitions);
  if (!std::exchange(is_running_, true)) tasks_.spawn(run());
  if (!co_await round->done.wait_past(0, deadline) || !round->is_passed)
    co_return Error{Errc::timeout_unknown_outcome, "too few replicas answer"};
  co_return round->histories;
}

Task<void> RedisBarrier::run() {
  while (next_) {
    const std::shared_ptr<Round> round = std::exchange(next_, nullptr);
    co_await carry_out(*round);
    round->done.raise();
  }
  is_running_ = false;
}

Task<void> RedisBarrier::carry_out(Round& round) {
  const Deadline deadline = environment_.now() + kRoundTimeout;
  std::map<RedisAddress, Group> groups;
  for (const PartitionNumber p : round.partitions) groups[cluster_.master(p)].push_back(p);
  std::vector<Task<bool>> tasks;
  for (auto& [address, group] : groups)
    tasks.push_back(pass_group(address, std::move(group), round, deadline));
  const auto passed = co_await when_all(environment_, std::move(tasks));
  round.is_passed = std::find(passed.begin(), passed.end(), false) == passed.end();
}

Task<bool> RedisBarrier::pass_group(RedisAddress address, Group group, Round& round,
                                    Deadline deadline) {
  while (!co_await write_and_wait(address, group, round, deadline)) {
    if (environment_.now() >= deadline) co_return false;
    for (const PartitionNumber p : group)
      if (cluster_.master(p) != address) co_return false;
    co_await environment_.sleep_for(kPause);
  }
  co_return true;
}

Task<bool> RedisBarrier::write_and_wait(RedisAddress address, const Group& group, Round& round,
                                        Deadline deadline) {
  const auto use = RedisCluster::Use::barrier;
  const auto connects = cluster_.connects(address, use);
  // WAIT waits for the last write of its own connection: so this connection writes.
  std::vector<Task<RedisCluster::Answer>> writes;
  for (const PartitionNumber p : group) {
    RespCommand arguments;
    arguments.add("0");
    add_barrier(arguments);
    writes.push_back(cluster_.run_script(p, std::move(arguments), use, deadline));
  }
  const auto written = co_await when_all(environment_, std::move(writes));
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (written[i].status != Errc::ok || cluster_.master(group[i]) != address) co_return false;
    if (!read_reply(resp_at(*written[i].reply, 1), {}).ok()) co_return false;
    round.histories[group[i]] = read_history(*written[i].reply);
  }
  RespCommand wait;
  wait.add("WAIT").add_number(cluster_.options().replicas).add_number(kWaitMs);
  const auto answer = co_await cluster_.command(address, std::move(wait), use, deadline);
  // On a connection made anew meanwhile WAIT has nothing to wait for.
  co_return answer.status == Errc::ok&& connects == cluster_.connects(address, use) &&
      answer.reply->integer >= static_cast<long long>(cluster_.options().replicas);
}

}  // namespace headgate
