// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "bucket/key.hpp"

namespace headgate {

/// The record in the cache bucket that no sequence may exceed before it was raised (R6).
struct Horizon {
  Epoch epoch;
  HistoryId history;  ///< of the partition that holds this record and the counter
  Sequence base;      ///< numbers at or below it belong to earlier epochs or processes
  Sequence limit;

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<Horizon> decode(std::string_view bytes);
  friend bool operator==(const Horizon&, const Horizon&) = default;
};

/// Feed entry of a KeyKind::released value: numbers first..last will never be used.
struct ReleasedRange {
  Sequence first;
  Sequence last;

  std::string encode() const;
  /// Errors: corrupted.
  static Result<ReleasedRange> decode(std::string_view bytes);
};

/// Tag of a cache key: every key of the cache bucket is one of a generation (C6). The first
/// generation's tags are the plain ones.
std::string tag_of_generation(std::uint32_t generation, std::string tag);

Key horizon_key(DatabaseId database, std::uint32_t generation);
/// In the horizon's partition.
Key sequence_counter_key(DatabaseId database, std::uint32_t generation);
/// In the base bucket.
Key epochs_key(DatabaseId database);

}  // namespace headgate
