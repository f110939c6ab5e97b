// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// The values of one (database, kind, tag).
struct ValueRange {
  DatabaseId database;
  KeyKind kind{};
  std::string tag;
};

/// When a value's life ends; kNoEnd: never. Errors: corrupted, unsupported.
inline constexpr WallTime kNoEnd = WallTime::max();
Result<WallTime> end_of_value(KeyKind kind, std::string_view bytes);

/// A walk over the values of a range in the order of their names. A page holds as many as are some
/// megabytes together. Values whose life ends within a minute are left out.
/// Confined to its executor. The bucket must outlive it.
class ValueCursor {
 public:
  using Item = Bucket::ScanPage::Item;

  ValueCursor(Environment& environment, Bucket& bucket, ValueRange range)
      : environment_(environment), bucket_(bucket), range_(std::move(range)) {}

  /// Goes on at the first name >= `name`.
  void begin_at(std::string name);
  /// The present value, or null at the end. Suspends where a page has to be read.
  /// Errors: as Bucket::scan; corrupted, unsupported: a value that cannot be read.
  Task<Result<Item*>> look();
  /// REQUIRES: look() has found one, which is gone then.
  void leave() { page_.pop_front(); }

 private:
  Task<Result<void>> read_page();

  Environment& environment_;
  Bucket& bucket_;
  ValueRange range_;
  std::deque<Item> page_;
  std::string from_;
  std::size_t limit_ = 1;
  bool has_more_ = true;
};

}  // namespace headgate
