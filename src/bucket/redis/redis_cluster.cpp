// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "bucket/redis/partition_script.hpp"

namespace headgate {
namespace {

constexpr std::chrono::milliseconds kFirstPause{2};
constexpr std::chrono::milliseconds kLongestPause{50};
constexpr std::chrono::milliseconds kRefreshPause{100};
constexpr std::chrono::seconds kAskTimeout{1};

// "MOVED 3999 127.0.0.1:6381" and the same with ASK.
std::optional<RedisAddress> redirection(std::string_view error, const RedisAddress& from) {
  const auto space = error.rfind(' ');
  const auto colon = error.rfind(':');
  if (space == error.npos || colon == error.npos || colon < space) return std::nullopt;
  RedisAddress to{std::string(error.substr(space + 1, colon - space - 1)), 0};
  const std::string_view port = error.substr(colon + 1);
  std::from_chars(port.data(), port.data() + port.size(), to.port);
  if (to.host.empty()) to.host = from.host;
  if (to.port == 0) return std::nullopt;
  return to;
}

}  // namespace

std::uint16_t redis_slot(std::string_view tag) {
  std::uint16_t crc = 0;
  for (const char c : tag) {
    crc = static_cast<std::uint16_t>(crc ^ (static_cast<unsigned char>(c) << 8));
    for (int bit = 0; bit < 8; ++bit)
      crc = static_cast<std::uint16_t>((crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1);
  }
  return crc % 16384;
}

struct RedisCluster::Attempt {
  RedisAddress target;
  bool is_asking = false;
  bool has_text = false;  // the script itself, not its digest
  int hops = 0;
  Answer outcome = {};
};

RedisCluster::RedisCluster(AsioEnvironment& environment, RedisOptions options,
                           std::function<void(PartitionNumber)> on_connected)
    : environment_(environment),
      options_(std::move(options)),
      on_connected_(std::move(on_connected)),
      masters_(options_.partitions),
      tasks_(environment) {}

Task<Result<void>> RedisCluster::start(Deadline deadline) {
  if (options_.addresses.empty()) co_return Error{Errc::invalid_argument, "no address of a Redis"};
  if (options_.uses_tls) {
    HG_CO_TRY(tls_, RedisTls::make(options_.tls_ca_file));
  }
  co_return co_await refresh(deadline);
}

std::string RedisCluster::key(PartitionNumber partition, std::string_view rest) const {
  return fmt::format("{{{}{}}}{}", options_.name, partition.value(), rest);
}

RedisConnection& RedisCluster::connection(const RedisAddress& address, Use use) {
  auto& connection = connections_[{address, use}];
  if (connection) return *connection;
  connection = std::make_unique<RedisConnection>(environment_, address, options_, tls_.get());
  if (use == Use::data) {
    connection->set_on_connected([this, address] {
      for (std::uint32_t p = 0; p < masters_.size(); ++p)
        if (masters_[p] == address) on_connected_(PartitionNumber(p));
    });
  }
  return *connection;
}

std::uint64_t RedisCluster::connects(const RedisAddress& address, Use use) {
  return connection(address, use).connects();
}

std::string RedisCluster::wire_of(PartitionNumber partition, const RespCommand& arguments,
                                  const Attempt& attempt) const {
  RespCommand command;
  if (attempt.has_text) {
    command.add("EVAL").add(partition_script());
  } else {
    command.add("EVALSHA").add(partition_script_digest());
  }
  command.add("2").add(key(partition, "m")).add(key(partition, "-")).add_all(arguments);
  return attempt.is_asking ? RespCommand().add("ASKING").wire() + command.wire() : command.wire();
}

Task<RedisCluster::Answer> RedisCluster::run_script(PartitionNumber partition,
                                                    RespCommand arguments, Use use,
                                                    Deadline deadline) {
  const Deadline give_up = environment_.now() + options_.patience;
  std::chrono::nanoseconds pause = kFirstPause;
  Attempt attempt{master(partition)};
  while (true) {
    RedisConnection::Answer answer =
        co_await connection(attempt.target, use)
            .call(wire_of(partition, arguments, attempt), deadline, attempt.is_asking);
    const Next next = judge(partition, attempt, std::move(answer));
    if (next == Next::end) co_return std::move(attempt.outcome);
    if (next == Next::at_once) continue;
    const TimePoint again = environment_.now() + pause;
    if (again >= std::min(give_up, deadline)) co_return std::move(attempt.outcome);
    co_await environment_.sleep_until(again);
    pause = std::min<std::chrono::nanoseconds>(2 * pause, kLongestPause);
    attempt = {master(partition)};
  }
}

RedisCluster::Next RedisCluster::judge(PartitionNumber partition, Attempt& attempt,
                                       RedisConnection::Answer answer) {
  attempt.outcome = {Errc::unavailable};
  switch (answer.end) {
    case RedisConnection::End::lost:
      suspect();
      attempt.outcome.status = Errc::timeout_unknown_outcome;
      return Next::end;
    case RedisConnection::End::not_sent:
      suspect();
      return Next::later;
    case RedisConnection::End::answered:
      if (is_error(*answer.reply)) return judge_error(partition, attempt, resp_text(*answer.reply));
      attempt.outcome = {Errc::ok, std::move(answer.reply)};
      return Next::end;
  }
  return Next::end;
}

RedisCluster::Next RedisCluster::judge_error(PartitionNumber partition, Attempt& attempt,
                                             std::string_view error) {
  const std::string_view name = error.substr(0, error.find(' '));
  if (name == "NOSCRIPT" && !attempt.has_text) {
    attempt.has_text = true;
    return Next::at_once;
  }
  if ((name == "MOVED" || name == "ASK") && ++attempt.hops < 6) {
    const auto to = redirection(error, attempt.target);
    if (!to) return Next::later;
    if (name == "MOVED") {
      set_master(partition, *to);
      suspect();
    }
    attempt.target = *to;
    attempt.is_asking = name == "ASK";
    return Next::at_once;
  }
  if (name == "TRYAGAIN" || name == "LOADING" || name == "BUSY") return Next::later;
  if (name == "MOVED" || name == "CLUSTERDOWN" || name == "READONLY" || name == "MASTERDOWN") {
    suspect();
    return Next::later;
  }
  log(LogLevel::warning, "redis.refused", {{"error", std::string(error)}});
  if (name == "OOM") attempt.outcome.status = Errc::no_space;
  // Anything else comes before the script begins, which answers its own failures as replies.
  return Next::end;
}

Task<RedisCluster::Answer> RedisCluster::command(RedisAddress address, RespCommand command, Use use,
                                                 Deadline deadline) {
  RedisConnection::Answer answer = co_await connection(address, use).call(command.wire(), deadline);
  Answer outcome{Errc::unavailable};
  if (answer.end == RedisConnection::End::lost) outcome.status = Errc::timeout_unknown_outcome;
  if (answer.end == RedisConnection::End::answered)
    outcome = {is_error(*answer.reply) ? Errc::unavailable : Errc::ok, std::move(answer.reply)};
  co_return outcome;
}

void RedisCluster::set_master(PartitionNumber partition, RedisAddress address) {
  RedisAddress& present = masters_[partition.value()];
  if (present == address) return;
  const bool is_first = present.host.empty();
  present = std::move(address);
  if (!is_first) on_connected_(partition);
}

void RedisCluster::suspect() {
  if (std::exchange(is_refreshing_, true)) return;
  tasks_.spawn(refresh_in_background());
}

Task<void> RedisCluster::refresh_in_background() {
  static_cast<void>(co_await refresh(environment_.now() + 2 * kAskTimeout));
  co_await environment_.sleep_for(kRefreshPause);
  is_refreshing_ = false;
}

std::vector<RedisAddress> RedisCluster::known() {
  std::vector<RedisAddress> all = nodes_;
  for (const RedisAddress& address : options_.addresses)
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  // Another one each time: a node that is cut off from the rest tells what is no longer true.
  // Those that could not be reached come last.
  const auto shift = static_cast<std::ptrdiff_t>(++refreshes_ % all.size());
  std::rotate(all.begin(), all.begin() + shift, all.end());
  std::partition(all.begin(), all.end(), [this](const RedisAddress& address) {
    const auto at = connections_.find({address, Use::data});
    return at == connections_.end() || at->second->failure().empty();
  });
  return all;
}

Task<Result<void>> RedisCluster::refresh(Deadline deadline) {
  Result<void> result = Error{Errc::unavailable, "no Redis answers"};
  for (const RedisAddress& address : known()) {
    if (environment_.now() >= deadline) break;
    result = co_await ask(address, std::min(deadline, environment_.now() + kAskTimeout));
    if (result) break;
  }
  co_return result;
}

Task<Result<void>> RedisCluster::ask(RedisAddress address, Deadline deadline) {
  const Answer answer =
      co_await command(address, RespCommand().add("CLUSTER").add("SLOTS"), Use::data, deadline);
  if (answer.status == Errc::ok) {
    is_cluster_ = true;
    co_return take_slots(*answer.reply, address);
  }
  if (answer.reply &&
      resp_text(*answer.reply).find("cluster support disabled") != std::string::npos)
    co_return co_await ask_single(address, deadline);
  const std::string why = answer.reply ? std::string(resp_text(*answer.reply))
                                       : connection(address, Use::data).failure();
  co_return Error{Errc::unavailable, why.empty() ? "no answer" : why};
}

Task<Result<void>> RedisCluster::ask_single(RedisAddress address, Deadline deadline) {
  const Answer answer = co_await command(address, RespCommand().add("ROLE"), Use::data, deadline);
  const redisReply* role = answer.status == Errc::ok ? resp_at(*answer.reply, 0) : nullptr;
  if (!role || resp_text(*role) != "master")
    co_return Error{Errc::unavailable,
                    fmt::format("{}:{} is no master", address.host, address.port)};
  for (std::uint32_t p = 0; p < masters_.size(); ++p) set_master(PartitionNumber(p), address);
  co_return Result<void>();
}

Result<void> RedisCluster::take_slots(const redisReply& slots, const RedisAddress& asked) {
  std::vector<RedisAddress> nodes;
  const auto node_of = [&](const redisReply& node) {
    const redisReply* host = resp_at(node, 0);
    const redisReply* port = resp_at(node, 1);
    RedisAddress address{host ? std::string(resp_text(*host)) : std::string(),
                         port ? static_cast<std::uint16_t>(port->integer) : std::uint16_t{0}};
    if (address.host.empty() || address.host == "?") address.host = asked.host;
    return address;
  };
  std::vector<bool> is_served(masters_.size());
  for (std::size_t i = 0; const redisReply* range = resp_at(slots, i); ++i) {
    const redisReply* first = resp_at(*range, 0);
    const redisReply* last = resp_at(*range, 1);
    const redisReply* master = resp_at(*range, 2);
    if (!first || !last || !master) return Error{Errc::corrupted, "slots of the Redis cluster"};
    for (std::size_t n = 2; const redisReply* node = resp_at(*range, n); ++n)
      nodes.push_back(node_of(*node));
    for (std::uint32_t p = 0; p < masters_.size(); ++p) {
      const int slot = redis_slot(fmt::format("{}{}", options_.name, p));
      if (slot < first->integer || slot > last->integer) continue;
      set_master(PartitionNumber(p), node_of(*master));
      is_served[p] = true;
    }
  }
  nodes_ = std::move(nodes);
  if (std::find(is_served.begin(), is_served.end(), false) != is_served.end())
    return Error{Errc::unavailable, "the Redis cluster serves not all slots"};
  return {};
}

}  // namespace headgate
