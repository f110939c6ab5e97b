// SPDX-License-Identifier: Apache-2.0
#include "database/restored_store.hpp"

#include <string>
#include <utility>
#include <vector>

#include "cache/cache_space.hpp"
#include "cache/stable_record.hpp"
#include "database/base_keys.hpp"
#include "database/catalog.hpp"
#include "sequence/restored_numbers.hpp"

namespace headgate {
namespace {

constexpr std::size_t kPage = 1'000;
constexpr std::chrono::seconds kTimeout{30};

Task<Result<void>> remove_all(Environment& environment, Bucket& store, Bucket::Scan scan) {
  while (true) {
    const Deadline deadline = environment.now() + kTimeout;
    HG_CO_TRY(const Bucket::ScanPage page, co_await store.scan(scan, deadline));
    std::vector<Operation> removals;
    for (const auto& item : page.items)
      removals.push_back(
          operation::Remove{{scan.database, scan.kind, scan.tag, item.name}, item.cas, {}});
    for (const Reply& reply : co_await store.pipeline(std::move(removals), deadline))
      if (!reply.ok() && reply.status != Errc::not_found)
        co_return Error{reply.status, "removing what belongs to the old store"};
    if (page.items.size() < kPage) co_return Result<void>();
    scan.from = page.items.back().name;
  }
}

Task<Result<void>> bury(CacheSpace space, SkippedNumbers skipped) {
  const Reply found = co_await space.bucket.get(space.dead_ranges_key(), space.deadline());
  DeadRanges dead;
  if (found.ok()) {
    HG_CO_TRY(dead, DeadRanges::decode(found.bytes));
  } else if (found.status != Errc::not_found) {
    co_return Error{found.status, "reading the buried ranges"};
  }
  dead.bury(skipped.first, skipped.last);
  const Reply stored = found.ok()
                           ? co_await space.bucket.replace(space.dead_ranges_key(), dead.encode(),
                                                           found.cas, {}, space.deadline())
                           : co_await space.bucket.insert(space.dead_ranges_key(), dead.encode(),
                                                          {}, space.deadline());
  if (!stored.ok()) co_return Error{stored.status, "burying numbers"};
  co_return Result<void>();
}

Task<Result<void>> renew(Environment& environment, Bucket& store, const DatabaseEntry& entry) {
  for (const KeyKind kind : {KeyKind::local_document, KeyKind::session})
    for (std::uint32_t tag = 0; tag < kBaseTags; ++tag)
      HG_CO_CHECK(co_await remove_all(environment, store,
                                      {entry.id, kind, base_tag(tag), {}, kPage, false}));
  HG_CO_TRY(const SkippedNumbers skipped,
            co_await begin_restored_numbers(store, store, entry.id, environment.now() + kTimeout));
  co_return co_await bury({environment, store, entry.id, entry.config.cache_settings()}, skipped);
}

}  // namespace

Task<Result<std::size_t>> renew_identity(Environment& environment, Bucket& store) {
  DatabaseCatalog catalog(environment, store, store);
  HG_CO_TRY(const auto entries, co_await catalog.list());
  for (const DatabaseEntry& entry : entries) HG_CO_CHECK(co_await renew(environment, store, entry));
  HG_CO_CHECK(co_await catalog.forget_uuid());
  HG_CO_CHECK(co_await store.barrier(environment.now() + kTimeout));
  co_return entries.size();
}

}  // namespace headgate
