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

}  // namespace headgate
