// SPDX-License-Identifier: Apache-2.0
#include "database/cache_identity.hpp"

#include <fmt/format.h>

#include <utility>

namespace headgate {
namespace {

constexpr std::chrono::seconds kPatience{1};

}  // namespace

Task<Result<std::string>> CacheIdentity::find() {
  const Key key{DatabaseId(0), KeyKind::database, "identity", {}};
  const Deadline deadline = environment_.now() + kPatience;
  Reply found = co_await cache_.get(key, deadline);
  if (found.status == Errc::not_found) {
    if (last_.empty()) last_ = fmt::format("{:016x}", environment_.random());
    const Reply given = co_await cache_.insert(key, last_, {}, deadline);
    if (given.ok()) co_return last_;
    // Unknown: the next call finds it, or gives the same.
    if (given.status != Errc::exists) co_return Error{given.status, "naming the cache bucket"};
    found = co_await cache_.get(key, deadline);
  }
  if (!found.ok()) co_return Error{found.status, "reading what the cache bucket is known by"};
  last_ = std::move(found.bytes);
  co_return last_;
}

}  // namespace headgate
