// SPDX-License-Identifier: Apache-2.0
#include "database/value_cursor.hpp"

#include <algorithm>
#include <utility>

#include "access/session.hpp"
#include "database/local_documents.hpp"

namespace headgate {
namespace {

/// The next page may have larger values than the last.
constexpr std::size_t limit_most(KeyKind kind) {
  return kind == KeyKind::attachment ? 16 : 256;
}
/// A page is to have about so many bytes; one value may have more.
constexpr std::size_t kPageBytes = std::size_t{2} << 20;
constexpr std::chrono::minutes kEndsSoon{1};
constexpr std::chrono::seconds kPatience{30};

}  // namespace

Result<WallTime> end_of_value(KeyKind kind, std::string_view bytes) {
  switch (kind) {
    case KeyKind::local_document:
      return end_of_local_document(bytes);
    case KeyKind::session: {
      HG_TRY(const Session session, decode_session(bytes));
      return session.ends_at;
    }
    default:
      return kNoEnd;
  }
}

void ValueCursor::begin_at(std::string name) {
  page_.clear();
  from_ = std::move(name);
  has_more_ = true;
}

Task<Result<ValueCursor::Item*>> ValueCursor::look() {
  while (true) {
    if (page_.empty() && has_more_) HG_CO_CHECK(co_await read_page());
    if (page_.empty()) co_return nullptr;
    Item& item = page_.front();
    HG_CO_TRY(const WallTime end, end_of_value(range_.kind, item.bytes));
    if (end > environment_.wall_now() + kEndsSoon) co_return &item;
    page_.pop_front();
  }
}

Task<Result<void>> ValueCursor::read_page() {
  HG_CO_TRY(Bucket::ScanPage page,
            co_await bucket_.scan({range_.database, range_.kind, range_.tag, from_, limit_, false},
                                  environment_.now() + kPatience));
  has_more_ = page.items.size() == limit_;
  std::size_t bytes = 0;
  for (Item& item : page.items) {
    bytes += item.bytes.size();
    page_.push_back(std::move(item));
  }
  if (!page_.empty()) from_ = page_.back().name + '\0';
  limit_ = bytes > kPageBytes       ? std::max<std::size_t>(1, limit_ / 4)
           : bytes < kPageBytes / 4 ? std::min(limit_most(range_.kind), limit_ * 2)
                                    : limit_;
  co_return Result<void>();
}

}  // namespace headgate
