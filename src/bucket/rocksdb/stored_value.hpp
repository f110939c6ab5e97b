// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace headgate {

/// What stands before the bytes of every stored value.
struct ValueHeader {
  bool is_counter = false;  ///< the bytes are the number, le64
  /// There is no value; only the position of its last feed entry is remembered.
  bool is_removed = false;
  Cas cas = {};
  PartitionPosition feed_position = {};  ///< of the key's entry in the feed; 0: none
  std::optional<WallTime> expires = {};
};

struct StoredValue {
  ValueHeader header;
  std::string_view payload;  ///< into the bytes read
};

void write_header(const ValueHeader& header, std::string& into);
/// Errors: corrupted; unsupported for a flag of a later format.
Result<StoredValue> read_value(std::string_view bytes);
/// The number of a counter.
std::uint64_t counter_number(const StoredValue& value);
std::string counter_payload(std::uint64_t number);

inline bool is_live(const ValueHeader& header, WallTime now) {
  return !header.is_removed && (!header.expires || *header.expires > now);
}

/// Operand of the merge operator: the version after it, then the bytes to append.
std::string append_operand(Cas cas, std::string_view bytes);

}  // namespace headgate
