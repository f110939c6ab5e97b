// SPDX-License-Identifier: Apache-2.0
#include "database/base_scan.hpp"

#include <utility>

#include "database/base_keys.hpp"

namespace headgate {

BaseScan::BaseScan(Bucket& bucket, DatabaseId database, Range range, std::size_t page)
    : bucket_(bucket),
      database_(database),
      range_(std::move(range)),
      page_(page < kBaseTags ? 1 : page / kBaseTags),
      tags_(kBaseTags) {
  for (Tag& tag : tags_) tag.from = range_.from;
}

Task<Result<std::optional<BaseScan::Item>>> BaseScan::next(Deadline deadline) {
  Tag* first = nullptr;
  for (std::uint32_t i = 0; i < kBaseTags; ++i) {
    Tag& tag = tags_[i];
    if (tag.items.empty() && tag.has_more) HG_CO_CHECK(co_await fill(i, deadline));
    if (tag.items.empty()) continue;
    const bool is_first =
        !first || (range_.in_reverse ? tag.items.front().name > first->items.front().name
                                     : tag.items.front().name < first->items.front().name);
    if (is_first) first = &tag;
  }
  if (!first) co_return std::optional<Item>();
  Item item = std::move(first->items.front());
  first->items.pop_front();
  co_return std::optional<Item>(std::move(item));
}

/// In reverse no name lies just below another, so the last name is read again and left out.
Task<Result<void>> BaseScan::fill(std::uint32_t number, Deadline deadline) {
  Tag& tag = tags_[number];
  const std::size_t limit = page_ + (tag.repeats ? 1 : 0);
  HG_CO_TRY(Bucket::ScanPage page, co_await bucket_.scan({database_, range_.kind, base_tag(number),
                                                          tag.from, limit, range_.in_reverse},
                                                         deadline));
  tag.has_more = page.items.size() == limit;
  for (Bucket::ScanPage::Item& item : page.items) {
    if (tag.repeats && item.name == tag.from) continue;
    tag.items.push_back(std::move(item));
  }
  if (!tag.items.empty()) {
    tag.from = tag.items.back().name;
    tag.repeats = true;
  }
  co_return Result<void>();
}

}  // namespace headgate
