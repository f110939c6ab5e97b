// SPDX-License-Identifier: Apache-2.0
#include "bucket/redis/redis_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/bytes.hpp"
#include "base/log.hpp"

namespace headgate {
namespace {

// Above every length, and exact as a double.
constexpr std::uint64_t kMaxOffset = std::uint64_t{1} << 52;

std::string suffix_of(const Key& key) {
  return redis_prefix(key.database, key.kind, key.tag) + key.name;
}

std::string sixteen_digits(std::uint64_t number) {
  return fmt::format("{:016}", number);
}

void add_write(RespCommand& command, const Key& key, const WriteOptions& options) {
  command.add(suffix_of(key));
  command.add(options.if_history ? std::to_string(options.if_history->value()) : std::string());
  command.add(options.feed_entry ? '+' + *options.feed_entry : std::string());
}

void add_expiry(RespCommand& command, const WriteOptions& options) {
  if (!options.expires) {
    command.add("");
    return;
  }
  const auto ms = std::max<std::int64_t>(options.expires->time_since_epoch().count(), 0);
  command.add(sixteen_digits(static_cast<std::uint64_t>(ms)));
}

void add_conditions(RespCommand& command, const std::vector<Condition>& conditions) {
  command.add_number(conditions.size());
  for (const Condition& condition : conditions)
    command.add(suffix_of(condition.key)).add(condition.prefix ? '+' + *condition.prefix : "-");
}

void add(RespCommand& command, const operation::Get& o) {
  command.add("g").add(suffix_of(o.key));
}
void add(RespCommand& command, const operation::GetRange& o) {
  command.add("r").add(suffix_of(o.key)).add_number(std::min(o.offset, kMaxOffset));
}
void add(RespCommand& command, const operation::Insert& o) {
  command.add("i");
  add_write(command, o.key, o.options);
  add_expiry(command, o.options);
  command.add(o.value);
  add_conditions(command, o.conditions);
}
void add(RespCommand& command, const operation::Replace& o) {
  command.add("p");
  add_write(command, o.key, o.options);
  add_expiry(command, o.options);
  command.add(o.value).add(sixteen_digits(o.cas.value()));
  add_conditions(command, o.conditions);
}
void add(RespCommand& command, const operation::Remove& o) {
  command.add("d");
  add_write(command, o.key, o.options);
  command.add(o.cas ? sixteen_digits(o.cas->value()) : std::string());
  add_conditions(command, o.conditions);
}
void add(RespCommand& command, const operation::Append& o) {
  command.add("a");
  add_write(command, o.key, o.options);
  add_expiry(command, o.options);
  command.add(o.bytes);
}
void add(RespCommand& command, const operation::Increment& o) {
  command.add("n");
  add_write(command, o.key, o.options);
  add_expiry(command, o.options);
  command.add_number(o.delta);
}

constexpr Errc kStatuses[] = {Errc::ok,
                              Errc::not_found,
                              Errc::exists,
                              Errc::cas_mismatch,
                              Errc::condition_failed,
                              Errc::rolled_back,
                              Errc::invalid_argument,
                              Errc::too_large,
                              Errc::no_space,
                              Errc::unavailable,
                              Errc::timeout_unknown_outcome};

std::string_view text_at(const redisReply& reply, std::size_t index) {
  const redisReply* element = resp_at(reply, index);
  return element ? resp_text(*element) : std::string_view();
}

std::uint64_t number_at(const redisReply& reply, std::size_t index) {
  const redisReply* element = resp_at(reply, index);
  return element ? static_cast<std::uint64_t>(element->integer) : 0;
}

}  // namespace

std::string redis_database(DatabaseId database) {
  return ByteWriter().be32(database.value()).bytes();
}

std::string redis_prefix(DatabaseId database, KeyKind kind, std::string_view tag) {
  ByteWriter writer;
  writer.be32(database.value()).u8(static_cast<std::uint8_t>(kind)).text(tag);
  return std::move(writer).bytes();
}

void add_operation(RespCommand& command, const Operation& operation) {
  std::visit([&](const auto& o) { add(command, o); }, operation);
}

void add_format(RespCommand& command, std::string_view own) {
  command.add("o").add(own);
}
void add_touch(RespCommand& command) {
  command.add("t");
}
void add_barrier(RespCommand& command) {
  command.add("b");
}
void add_head(RespCommand& command, DatabaseId database) {
  command.add("h").add(redis_database(database));
}
void add_read_feed(RespCommand& command, DatabaseId database, FeedPosition after,
                   std::size_t limit) {
  command.add("f").add(redis_database(database)).add_number(after.history.value());
  command.add_number(after.position.value()).add_number(limit);
}
void add_compact(RespCommand& command, DatabaseId database, PartitionPosition safe,
                 std::size_t slack) {
  command.add("c").add(redis_database(database)).add_number(safe.value()).add_number(slack);
}
void add_mark_dropped(RespCommand& command, DatabaseId database) {
  command.add("m").add(redis_database(database));
}
void add_reclaim(RespCommand& command, DatabaseId database) {
  command.add("x").add(redis_database(database));
}
void add_scan(RespCommand& command, DatabaseId database, std::string_view low,
              std::string_view high, std::size_t limit, bool in_reverse) {
  command.add("s").add(redis_database(database)).add(low).add(high).add_number(limit);
  command.add(in_reverse ? "1" : "0");
}

Reply read_reply(const redisReply* reply, HistoryId history) {
  const redisReply* status = reply ? resp_at(*reply, 0) : nullptr;
  const auto code = status && status->type == REDIS_REPLY_INTEGER ? status->integer : -1;
  if (code < 0 || code >= static_cast<long long>(std::size(kStatuses)))
    return {.status = Errc::timeout_unknown_outcome};
  Reply read{.status = kStatuses[code], .history = history};
  if (code >= 9)
    log(LogLevel::warning, "redis.operation_failed", {{"error", std::string(text_at(*reply, 4))}});
  if (read.status == Errc::timeout_unknown_outcome) read.history = {};
  if (!read.ok()) return read;
  read.number = number_at(*reply, 1);
  read.cas = Cas(read_number(text_at(*reply, 2)));
  read.position = PartitionPosition(number_at(*reply, 3));
  read.bytes = text_at(*reply, 4);
  return read;
}

HistoryId read_history(const redisReply& reply) {
  return HistoryId(read_number(text_at(reply, 0)));
}

const redisReply* more_of(const redisReply* reply) {
  return reply ? resp_at(*reply, 5) : nullptr;
}

std::uint64_t read_number(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Result<Key> read_member(DatabaseId database, std::string_view member) {
  ByteReader reader(member);
  const auto kind = static_cast<KeyKind>(reader.u8());
  const std::string_view tag = reader.text();
  if (!reader.ok()) return Error{Errc::corrupted, "key of the Redis bucket"};
  return Key{database, kind, std::string(tag), std::string(reader.rest())};
}

}  // namespace headgate
