// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "bucket/rocksdb/stored_value.hpp"

namespace headgate {

/// What the committer must know of a key to carry out a write.
struct KeyState {
  bool is_there = false;     ///< header.is_removed or nothing stored: false
  ValueHeader header = {};   ///< kept for removed values: their feed position
  std::uint64_t number = 0;  ///< a counter's value, else the count of bytes
  /// Appended since the value was last written whole, as far as is known: a read merges them.
  std::uint32_t operands = 0;
};

/// The states of the keys written last: appends and increments need no read. Bounded; the least
/// recently used go first. Confined to the committer.
class KeyStates {
 public:
  explicit KeyStates(std::size_t capacity) : capacity_(capacity) {}

  /// Null if unknown. Valid until the next put().
  const KeyState* find(std::string_view stored_key);
  void put(std::string_view stored_key, const KeyState& state);

 private:
  using Entry = std::pair<std::string, KeyState>;

  std::size_t capacity_;
  std::list<Entry> by_use_;  // newest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> entries_;
};

}  // namespace headgate
