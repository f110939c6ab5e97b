// SPDX-License-Identifier: Apache-2.0
#include "bucket/bucket.hpp"

namespace headgate {

const Key& key_of(const Operation& operation) {
  return std::visit([](const auto& o) -> const Key& { return o.key; }, operation);
}

bool is_write(const Operation& operation) {
  return !std::holds_alternative<operation::Get>(operation) &&
         !std::holds_alternative<operation::GetRange>(operation);
}

const WriteOptions* options_of(const Operation& operation) {
  return std::visit(
      [](const auto& o) -> const WriteOptions* {
        if constexpr (requires { o.options; }) return &o.options;
        return nullptr;
      },
      operation);
}

namespace {

Errc check_key(const Key& key) {
  return key.tag.size() > kMaxTagBytes || key.name.size() > kMaxNameBytes ? Errc::too_large
                                                                          : Errc::ok;
}

Errc check_options(const Key& key, const WriteOptions& options) {
  if (options.expires && !may_expire(key.kind)) return Errc::invalid_argument;
  if (options.feed_entry && options.feed_entry->size() > kMaxFeedEntryBytes) return Errc::too_large;
  return Errc::ok;
}

Errc check_conditions(const Key& key, const std::vector<Condition>& conditions) {
  for (const Condition& condition : conditions) {
    if (condition.key.database != key.database || condition.key.tag != key.tag)
      return Errc::invalid_argument;
    if (check_key(condition.key) != Errc::ok) return Errc::too_large;
  }
  return Errc::ok;
}

template <class O>
Errc check_one(const O& o) {
  if (const Errc code = check_key(o.key); code != Errc::ok) return code;
  if constexpr (requires { o.value; }) {
    if (o.value.size() > kMaxValueBytes) return Errc::too_large;
  }
  if constexpr (requires { o.bytes; }) {
    if (o.bytes.size() > kMaxValueBytes) return Errc::too_large;
  }
  if constexpr (requires { o.conditions; }) {
    if (const Errc code = check_conditions(o.key, o.conditions); code != Errc::ok) return code;
  }
  if constexpr (requires { o.options; }) return check_options(o.key, o.options);
  return Errc::ok;
}

}  // namespace

Errc check(const Operation& operation) {
  return std::visit([](const auto& o) { return check_one(o); }, operation);
}

Task<Reply> Bucket::one(Operation operation, Deadline deadline) {
  std::vector<Operation> operations;
  operations.push_back(std::move(operation));
  auto replies = co_await pipeline(std::move(operations), deadline);
  co_return std::move(replies.front());
}

Task<Reply> Bucket::get(Key key, Deadline deadline) {
  return one(operation::Get{std::move(key)}, deadline);
}

Task<Reply> Bucket::get_range(Key key, std::uint64_t offset, Deadline deadline) {
  return one(operation::GetRange{std::move(key), offset}, deadline);
}

Task<std::vector<Reply>> Bucket::get_many(std::vector<Key> keys, Deadline deadline) {
  std::vector<Operation> operations;
  operations.reserve(keys.size());
  for (Key& key : keys) operations.push_back(operation::Get{std::move(key)});
  return pipeline(std::move(operations), deadline);
}

Task<Reply> Bucket::insert(Key key, std::string value, WriteOptions options, Deadline deadline) {
  return insert_if(std::move(key), std::move(value), {}, std::move(options), deadline);
}

Task<Reply> Bucket::insert_if(Key key, std::string value, std::vector<Condition> conditions,
                              WriteOptions options, Deadline deadline) {
  return one(operation::Insert{std::move(key), std::move(value), std::move(options),
                               std::move(conditions)},
             deadline);
}

Task<Reply> Bucket::replace(Key key, std::string value, Cas cas, WriteOptions options,
                            Deadline deadline) {
  return one(operation::Replace{std::move(key), std::move(value), cas, std::move(options)},
             deadline);
}

Task<Reply> Bucket::remove(Key key, Cas cas, WriteOptions options, Deadline deadline) {
  return one(operation::Remove{std::move(key), cas, std::move(options)}, deadline);
}

Task<Reply> Bucket::append(Key key, std::string bytes, WriteOptions options, Deadline deadline) {
  return one(operation::Append{std::move(key), std::move(bytes), std::move(options)}, deadline);
}

Task<Reply> Bucket::increment(Key key, std::uint64_t delta, WriteOptions options,
                              Deadline deadline) {
  return one(operation::Increment{std::move(key), delta, std::move(options)}, deadline);
}

Task<Result<void>> Bucket::make_durable(Key key, HistoryId history, Deadline deadline) {
  const auto histories = co_await barrier(deadline);
  if (!histories || histories->at(partition_of(key).value()) != history)
    co_return Errc::timeout_unknown_outcome;
  co_return Result<void>();
}

}  // namespace headgate
