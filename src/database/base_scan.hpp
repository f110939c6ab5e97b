// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// A walk over all values of one kind in the order of their names, merged from the base tags.
/// Confined to its executor. The bucket must outlive it.
class BaseScan {
 public:
  using Item = Bucket::ScanPage::Item;
  struct Range {
    KeyKind kind{};
    std::string from;  ///< first name, inclusive; in reverse, the last ("" is the end)
    bool in_reverse = false;
  };

  BaseScan(Bucket& bucket, DatabaseId database, Range range, std::size_t page);

  /// The next value, or none at the end. Errors: as Bucket::scan.
  Task<Result<std::optional<Item>>> next(Deadline deadline);

 private:
  struct Tag {
    std::deque<Item> items;
    std::string from;
    bool repeats = false;  ///< `from` is the last name that was read
    bool has_more = true;
  };
  Task<Result<void>> fill(std::uint32_t number, Deadline deadline);

  Bucket& bucket_;
  DatabaseId database_;
  Range range_;
  std::size_t page_;
  std::vector<Tag> tags_;
};

}  // namespace headgate
