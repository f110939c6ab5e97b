// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "bucket/rocksdb/crash/crash_record.hpp"

namespace headgate {

/// What a store holds: as it was read from one, or as the operations say.
struct StoreContents {
  using Slot = std::tuple<std::uint16_t, KeyKind, std::uint8_t>;
  struct Value {
    std::uint64_t cas = 0;
    std::uint64_t number = 0;  ///< of a counter
    std::string bytes;
    friend bool operator==(const Value&, const Value&) = default;
  };
  struct Entry {
    std::uint64_t position = 0;
    std::uint64_t id = 0;
    bool is_removal = false;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  std::map<Slot, Value> values;
  std::map<Slot, Entry> feed;

  std::uint64_t last_position() const;
  std::uint64_t last_version() const;  ///< of all values and entries
  /// Some of what is different in `found`, for people.
  std::string differences(const StoreContents& found) const;

  friend bool operator==(const StoreContents&, const StoreContents&) = default;
};

/// What operations do, in their order; nothing of a store's own code.
struct CrashModel {
  StoreContents contents;
  std::uint64_t version = 0;  ///< the last one given

  Reply apply(const CrashOperation& operation);

 private:
  Reply stamp(const CrashOperation& operation);
};

}  // namespace headgate
