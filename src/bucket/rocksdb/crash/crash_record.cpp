// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/crash/crash_record.hpp"

#include <cstdio>

#include "base/assert.hpp"

namespace headgate {

Key CrashOperation::key() const {
  return {DatabaseId(database), key_kind, "tag", std::to_string(name)};
}

std::string CrashOperation::entry() const {
  return std::to_string(id);
}

std::string CrashOperation::value() const {
  if (name == kCheckpointName) return Checkpoint{id, length, number}.print();
  std::string bytes = std::to_string(id) + " ";
  std::uint64_t state = id * 0x9e3779b97f4a7c15 + 1;
  while (bytes.size() < length) {  // what no compression makes small
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    bytes.append(reinterpret_cast<const char*>(&state), sizeof(state));
  }
  return bytes;
}

Operation CrashOperation::operation() const {
  WriteOptions options;
  if (is_durable) options.durability = Durability::disk;
  if (has_entry) options.feed_entry = entry();
  switch (kind) {
    case Kind::insert:
      return operation::Insert{key(), value(), options, {}};
    case Kind::replace:
      return operation::Replace{key(), value(), Cas(cas), options};
    case Kind::remove:
      return operation::Remove{key(), Cas(cas), options};
    case Kind::append:
      return operation::Append{key(), value(), options};
    default:
      HG_ASSERT(kind == Kind::increment);
      return operation::Increment{key(), number, options};
  }
}

std::string Checkpoint::print() const {
  return std::to_string(operation) + " " + std::to_string(shown) + " " + std::to_string(position);
}

Checkpoint Checkpoint::parse(const std::string& text) {
  unsigned long long operation = 0, shown = 0, position = 0;
  const int read = std::sscanf(text.c_str(), "%llu %llu %llu", &operation, &shown, &position);
  HG_ASSERT(read == 3);
  return {operation, shown, position};
}

}  // namespace headgate
