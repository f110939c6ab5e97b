// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_bucket.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "bucket/redis/redis_barrier.hpp"
#include "bucket/redis/redis_bells.hpp"
#include "bucket/redis/redis_codec.hpp"
#include "bucket/redis/redis_feed.hpp"
#include "bucket/redis/redis_messages.hpp"

namespace headgate {
namespace {

constexpr int kFormat = 1;
// What one part of a call may hold: Redis serves nobody else meanwhile.
constexpr std::size_t kMaxPartOperations = 256;
constexpr std::size_t kMaxPartBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxScanned = 500;
constexpr std::chrono::seconds kReclaimPause{1};
constexpr std::chrono::seconds kOwnTimeout{5};
constexpr std::chrono::seconds kPersistence{5};

/// The value of "NAME:VALUE" among the lines of INFO.
std::string_view info_value(std::string_view info, std::string_view name) {
  const auto at = info.find(fmt::format("\n{}:", name));
  if (at == info.npos) return {};
  const std::string_view rest = info.substr(at + name.size() + 2);
  return rest.substr(0, rest.find('\r'));
}

bool is_durable(const Operation& operation) {
  const WriteOptions* options = options_of(operation);
  return options && options->durability != Durability::memory;
}

}  // namespace

/// The part of a call that goes to one partition, in scripts of bounded size one after the other.
struct RedisBucket::Lot {
  PartitionNumber partition;
  std::vector<std::size_t> places = {};  // in the call
  std::size_t first = 0;                 // of the present script, in places
  std::size_t count = 0;
};

Task<Result<std::unique_ptr<RedisBucket>>> RedisBucket::open(AsioEnvironment& environment,
                                                             RedisOptions options,
                                                             Deadline deadline) {
  if (options.partitions == 0 || options.name.empty() ||
      options.name.find_first_of("{}") != std::string::npos)
    co_return Error{Errc::invalid_argument, "name or partitions of a Redis bucket"};
  std::unique_ptr<RedisBucket> bucket(new RedisBucket(environment, std::move(options)));
  auto started = co_await bucket->start(deadline);
  if (started) co_return std::move(bucket);
  if (!started.error().context.empty()) co_return std::move(started).error();
  co_return Error{started.error().code,
                  fmt::format("Redis does not serve: {}", to_string(started.error().code))};
}

RedisBucket::RedisBucket(AsioEnvironment& environment, RedisOptions options)
    : environment_(environment),
      cluster_(environment, std::move(options), [this](PartitionNumber p) { touch_later(p); }),
      histories_(cluster_.options().partitions),
      sync_proof_(environment, cluster_),
      barrier_(std::make_unique<RedisBarrier>(environment, cluster_)),
      tasks_(environment) {
  for (std::uint32_t p = 0; p < histories_.size(); ++p)
    queues_.push_back(std::make_unique<PartitionQueue>(environment, cluster_, PartitionNumber(p),
                                                       pending_bytes_));
}

RedisBucket::~RedisBucket() = default;

Task<Result<void>> RedisBucket::start(Deadline deadline) {
  HG_CO_CHECK(co_await cluster_.start(deadline));
  HG_CO_CHECK(co_await check_servers(deadline));
  co_await sync_proof_.start(deadline);
  HG_CO_CHECK(co_await check_format(deadline));
  const auto touched = co_await touch_all(deadline);
  if (!touched) co_return touched.error();
  co_return Result<void>();
}

Task<Result<void>> RedisBucket::check_servers(Deadline deadline) {
  std::set<RedisAddress> masters;
  for (std::uint32_t p = 0; p < histories_.size(); ++p)
    masters.insert(cluster_.master(PartitionNumber(p)));
  for (const RedisAddress& address : masters) {
    const auto answer = co_await cluster_.command(address, RespCommand().add("INFO").add("all"),
                                                  RedisCluster::Use::data, deadline);
    if (answer.status != Errc::ok)
      co_return Error{answer.status, answer.reply ? std::string(resp_text(*answer.reply)) : ""};
    const std::string_view info = resp_text(*answer.reply);
    const std::string where = fmt::format("Redis {}:{}", address.host, address.port);
    if (read_number(info_value(info, "redis_version")) < 7)
      co_return Error{Errc::unsupported, where + " is older than version 7"};
    if (info_value(info, "maxmemory_policy") != "noeviction")
      co_return Error{Errc::unsupported,
                      where + " may evict keys: set maxmemory-policy noeviction"};
  }
  co_return Result<void>();
}

Task<Result<void>> RedisBucket::check_format(Deadline deadline) {
  const PartitionNumber first(0);
  const std::string own = fmt::format("{} {}", kFormat, histories_.size());
  RespCommand command;
  add_format(command, own);
  const auto part = submit(first, std::move(command), deadline);
  co_await wait(*part, first);
  HG_CO_CHECK(outcome(*part));
  const std::string found = read_reply(part->reply_of(0), {}).bytes;
  if (found == own) co_return Result<void>();
  if (read_number(found) != kFormat)
    co_return Error{Errc::unsupported, "the Redis bucket has another format"};
  co_return Error{Errc::invalid_argument,
                  fmt::format("the Redis bucket has {} partitions", found.substr(2))};
}

PartitionNumber RedisBucket::partition_of(const Key& key) const {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same in every node and version
  for (const char c : key.tag) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;  // the last bytes reach the low bits too late
  return PartitionNumber(static_cast<std::uint32_t>((hash >> 32) % histories_.size()));
}

void RedisBucket::saw(PartitionNumber partition, HistoryId history) {
  HistoryId& known = histories_[partition.value()];
  if (history == known) return;
  const bool is_first = known == HistoryId();
  known = history;
  if (!is_first && bells_) bells_->ring(partition);
}

void RedisBucket::touch_later(PartitionNumber partition) {
  sync_proof_.doubt();
  tasks_.spawn(touch(partition));
}

Task<void> RedisBucket::touch(PartitionNumber partition) {
  RespCommand command;
  add_touch(command);
  const auto part = submit(partition, std::move(command), environment_.now() + kOwnTimeout);
  co_await wait(*part, partition);
  if (part->status != Errc::ok) co_return;
  const redisReply* dropped = more_of(part->reply_of(0));
  for (std::size_t i = 0; dropped && i < dropped->elements; ++i) {
    const std::string_view bytes = resp_text(*dropped->element[i]);
    reclaim_later(partition, DatabaseId(ByteReader(bytes).be32()));
  }
}

Task<Result<std::vector<HistoryId>>> RedisBucket::touch_all(Deadline deadline) {
  Parts parts;
  for (std::uint32_t p = 0; p < histories_.size(); ++p) {
    RespCommand command;
    add_touch(command);
    parts.push_back(submit(PartitionNumber(p), std::move(command), deadline));
  }
  for (std::uint32_t p = 0; p < histories_.size(); ++p) {
    co_await wait(*parts[p], PartitionNumber(p));
    HG_CO_CHECK(outcome(*parts[p]));
  }
  co_return histories_;
}

std::shared_ptr<ScriptPart> RedisBucket::submit(PartitionNumber partition, RespCommand operation,
                                                Deadline deadline) {
  return queues_[partition.value()]->add(std::move(operation), 1, deadline);
}

Task<bool> RedisBucket::wait(ScriptPart& part, PartitionNumber partition, Deadline deadline) {
  if (!part.is_answered) co_await part.done.wait_past(0, deadline);
  if (part.is_answered && part.status == Errc::ok) saw(partition, read_history(*part.reply));
  co_return part.is_answered;
}

Task<void> RedisBucket::wait(ScriptPart& part, PartitionNumber partition) {
  co_await wait(part, partition, part.deadline);
}

Result<void> RedisBucket::outcome(const ScriptPart& part) {
  const Errc status =
      part.status == Errc::ok ? read_reply(part.reply_of(0), {}).status : part.status;
  if (status == Errc::ok) return {};
  return status;
}

Task<std::vector<Reply>> RedisBucket::pipeline(std::vector<Operation> operations,
                                               Deadline deadline) {
  std::vector<Reply> replies(operations.size(), Reply{.status = Errc::timeout_unknown_outcome});
  if (environment_.now() >= deadline) co_return replies;
  co_await run_lots(divide(operations, replies), operations, replies, deadline);
  if (cluster_.options().replicas > 0) co_await make_durable(operations, replies, deadline);
  co_return replies;
}

std::vector<RedisBucket::Lot> RedisBucket::divide(const std::vector<Operation>& operations,
                                                  std::vector<Reply>& replies) {
  std::map<PartitionNumber, Lot> lots;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const PartitionNumber partition = partition_of(key_of(operations[i]));
    if (const Errc code = check(operations[i]); code != Errc::ok) {
      replies[i] = {.status = code, .history = histories_[partition.value()]};
      continue;
    }
    Lot& lot = lots[partition];
    lot.partition = partition;
    lot.places.push_back(i);
  }
  std::vector<Lot> all;
  for (auto& [partition, lot] : lots) all.push_back(std::move(lot));
  return all;
}

Task<void> RedisBucket::run_lots(std::vector<Lot> lots, const std::vector<Operation>& operations,
                                 std::vector<Reply>& replies, Deadline deadline) {
  while (!lots.empty()) {
    Parts parts;
    for (Lot& lot : lots) {
      RespCommand command;
      lot.count = 0;
      while (lot.first + lot.count < lot.places.size() && lot.count < kMaxPartOperations &&
             command.size() < kMaxPartBytes) {
        add_operation(command, operations[lot.places[lot.first + lot.count]]);
        ++lot.count;
      }
      parts.push_back(queues_[lot.partition.value()]->add(std::move(command), lot.count, deadline));
    }
    for (std::size_t i = 0; i < lots.size(); ++i) {
      co_await wait(*parts[i], lots[i].partition);
      read_lot(lots[i], *parts[i], replies);
      lots[i].first += lots[i].count;
    }
    std::erase_if(lots, [](const Lot& lot) { return lot.first == lot.places.size(); });
  }
}

void RedisBucket::read_lot(const Lot& lot, const ScriptPart& part,
                           std::vector<Reply>& replies) const {
  const HistoryId history = part.status == Errc::ok ? read_history(*part.reply) : HistoryId();
  for (std::size_t i = 0; i < lot.count; ++i) {
    Reply& reply = replies[lot.places[lot.first + i]];
    if (part.status == Errc::ok) {
      reply = read_reply(part.reply_of(i), history);
    } else {
      reply.status = part.status;
    }
  }
}

Task<void> RedisBucket::make_durable(const std::vector<Operation>& operations,
                                     std::vector<Reply>& replies, Deadline deadline) {
  std::set<PartitionNumber> partitions;
  for (std::size_t i = 0; i < operations.size(); ++i)
    if (replies[i].ok() && is_durable(operations[i]))
      partitions.insert(partition_of(key_of(operations[i])));
  if (partitions.empty()) co_return;
  const auto histories = co_await barrier_->pass(partitions, deadline);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (!replies[i].ok() || !is_durable(operations[i])) continue;
    const PartitionNumber partition = partition_of(key_of(operations[i]));
    if (!histories || histories->at(partition) != replies[i].history)
      replies[i] = {.status = Errc::timeout_unknown_outcome};
  }
}

Task<Result<std::vector<HistoryId>>> RedisBucket::barrier(Deadline deadline) {
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  if (cluster_.options().replicas == 0) co_return co_await touch_all(deadline);
  std::set<PartitionNumber> all;
  for (std::uint32_t p = 0; p < histories_.size(); ++p) all.insert(PartitionNumber(p));
  HG_CO_TRY(const auto passed, co_await barrier_->pass(std::move(all), deadline));
  for (const auto& [partition, history] : passed) saw(partition, history);
  co_return histories_;
}

Task<Result<Bucket::ScanPage>> RedisBucket::scan(Scan scan, Deadline deadline) {
  // A page of two histories would show what was never there together.
  while (true) {
    if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
    auto page = co_await scan_once(scan, deadline);
    if (page || page.error().code != Errc::rolled_back) co_return page;
  }
}

Task<Result<Bucket::ScanPage>> RedisBucket::scan_once(const Scan& scan, Deadline deadline) {
  const PartitionNumber partition = partition_of({scan.database, scan.kind, scan.tag, {}});
  const std::string prefix = redis_prefix(scan.database, scan.kind, scan.tag).substr(4);
  std::string low = '[' + prefix + (scan.in_reverse ? std::string() : scan.from);
  std::string high = '(' + end_of_prefix(prefix);
  if (scan.in_reverse && !scan.from.empty()) high = '[' + prefix + scan.from;
  ScanPage page;
  bool is_more = true;
  while (is_more) {
    const std::size_t wanted = std::min(scan.limit - page.items.size(), kMaxScanned);
    RespCommand command;
    add_scan(command, scan.database, low, high, wanted, scan.in_reverse);
    const auto part = submit(partition, std::move(command), deadline);
    co_await wait(*part, partition);
    HG_CO_CHECK(outcome(*part));
    const HistoryId history = read_history(*part->reply);
    if (page.history != HistoryId() && page.history != history) co_return Errc::rolled_back;
    page.history = history;
    const Reply reply = read_reply(part->reply_of(0), history);
    const redisReply* items = more_of(part->reply_of(0));
    for (std::size_t i = 0; items && i + 2 < items->elements; i += 3)
      page.items.push_back({std::string(resp_text(*items->element[i]).substr(prefix.size())),
                            std::string(resp_text(*items->element[i + 2])),
                            Cas(read_number(resp_text(*items->element[i + 1])))});
    (scan.in_reverse ? high : low) = '(' + reply.bytes;
    is_more = reply.number == 1 && page.items.size() < scan.limit;
  }
  co_return page;
}

Result<std::unique_ptr<MutationFeed>> RedisBucket::open_feed(DatabaseId database,
                                                             FeedPositions positions) {
  if (positions.empty()) positions.resize(partition_count());
  if (positions.size() != partition_count())
    return Error{Errc::invalid_argument, "feed positions of another number of partitions"};
  if (!bells_) bells_ = std::make_unique<RedisBells>(environment_, cluster_, partition_count());
  return std::unique_ptr<MutationFeed>(
      std::make_unique<RedisFeed>(*this, database, std::move(positions)));
}

Task<Result<void>> RedisBucket::drop_database(DatabaseId database, Deadline deadline) {
  if (environment_.now() >= deadline) co_return Errc::timeout_unknown_outcome;
  Parts parts;
  for (std::uint32_t p = 0; p < histories_.size(); ++p) {
    RespCommand command;
    add_mark_dropped(command, database);
    parts.push_back(submit(PartitionNumber(p), std::move(command), deadline));
  }
  Result<void> result;
  for (std::uint32_t p = 0; p < histories_.size(); ++p) {
    co_await wait(*parts[p], PartitionNumber(p));
    const auto marked = outcome(*parts[p]);
    if (marked) reclaim_later(PartitionNumber(p), database);
    if (!marked && result) result = marked;
  }
  co_return result;
}

std::unique_ptr<RedisMessages> RedisBucket::open_messages(
    std::function<void(std::string_view)> receive) {
  return std::make_unique<RedisMessages>(environment_, cluster_, partition_count(),
                                         std::move(receive));
}

void RedisBucket::reclaim_later(PartitionNumber partition, DatabaseId database) {
  if (reclaiming_.insert({partition, database}).second) tasks_.spawn(reclaim(partition, database));
}

Task<void> RedisBucket::reclaim(PartitionNumber partition, DatabaseId database) {
  bool is_more = true;
  while (is_more) {
    RespCommand command;
    add_reclaim(command, database);
    const auto part = submit(partition, std::move(command), environment_.now() + kOwnTimeout);
    co_await wait(*part, partition);
    if (outcome(*part)) {
      is_more = read_reply(part->reply_of(0), {}).number == 1;
    } else {
      co_await environment_.sleep_for(kReclaimPause);
    }
  }
  reclaiming_.erase({partition, database});
}

Task<Result<void>> RedisBucket::compact_feed(DatabaseId database, FeedPositions safe,
                                             Deadline deadline) {
  for (std::uint32_t p = 0; p < histories_.size(); ++p) {
    std::uint64_t moved = 1;
    while (moved > 0) {
      RespCommand command;
      add_compact(command, database, safe[p].position, cluster_.options().feed_slack);
      const auto part = submit(PartitionNumber(p), std::move(command), deadline);
      co_await wait(*part, PartitionNumber(p));
      HG_CO_CHECK(outcome(*part));
      moved = read_reply(part->reply_of(0), {}).number;
    }
  }
  co_return Result<void>();
}

void RedisBucket::compact_later(DatabaseId database) {
  if (compacting_.insert(database).second) tasks_.spawn(compact(database));
}

Task<void> RedisBucket::compact(DatabaseId database) {
  const auto feed = open_feed(database, {});
  const auto heads = co_await (*feed)->heads(environment_.now() + kOwnTimeout);
  // Without replicas the server's own persistence has to come after, at most seconds later.
  if (cluster_.options().replicas == 0) co_await environment_.sleep_for(kPersistence);
  const auto passed = co_await barrier(environment_.now() + kOwnTimeout);
  if (heads && passed) {
    const auto compacted =
        co_await compact_feed(database, *heads, environment_.now() + kOwnTimeout);
    if (!compacted)
      log(LogLevel::info, "redis.feed_not_compacted",
          {{"error", std::string(to_string(compacted.error().code))}});
  }
  compacting_.erase(database);
}

}  // namespace headgate
