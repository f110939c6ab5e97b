// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "database/value_cursor.hpp"

namespace headgate {

enum class CopyMode : std::uint8_t {
  make_equal,  ///< writes what is missing or different, removes what is too much
  compare,     ///< a difference is an error
};

/// What a copy has done so far.
struct CopyCounts {
  std::uint64_t values = 0;   ///< looked at on both sides
  std::uint64_t bytes = 0;    ///< of them
  std::uint64_t written = 0;  ///< values that were missing, different or too much
};

/// Copies the values of one range to the same keys of another bucket, or compares them. Both sides
/// are walked side by side, so that it may be ended anywhere and begun again. Documents, users and
/// roles get their entry on the other bucket's mutation feed.
/// Confined to its executor. What is passed in must outlive it.
class RangeCopy {
 public:
  struct Dependencies {
    Environment& environment;
    Bucket& source;
    Bucket& target;
    CopyCounts& counts;
    const bool& is_stopping;  ///< ends it: `cancelled`
  };

  /// `has_star`: as in feed_record_of().
  RangeCopy(Dependencies dependencies, ValueRange range, bool has_star, CopyMode mode);

  /// What may pass is tried again for a while.
  /// Errors: as Bucket::pipeline, with a context for people; conflict: a difference was found while
  /// comparing; corrupted, unsupported: a value cannot be read; cancelled.
  Task<Result<void>> run();

 private:
  Task<Result<void>> walk();
  Task<Result<void>> flush();
  Result<void> plan(ValueCursor::Item* from, ValueCursor::Item* to);
  Result<Operation> write_of(const ValueCursor::Item& from, const ValueCursor::Item* to) const;
  Operation removal_of(const ValueCursor::Item& to) const;
  Result<std::string> feed_entry_of(const std::string& name, std::string_view bytes) const;
  bool has_feed_entry() const;
  Error at(const std::string& name, const Error& why) const;

  Dependencies with_;
  ValueRange range_;
  bool has_star_;
  CopyMode mode_;
  ValueCursor from_;
  ValueCursor to_;
  std::vector<Operation> planned_;
  std::size_t planned_bytes_ = 0;
  std::string next_;  // all names before are equal
  int failures_ = 0;  // since something was done
};

}  // namespace headgate
