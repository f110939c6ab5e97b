// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "cache/cache_writer.hpp"
#include "database/database_context.hpp"

namespace headgate {

/// Carries out what the cache writer asks of stored documents and principals, on the same keys and
/// by the same steps as their ordinary writes. Confined to its executor. The context must outlive
/// it.
class StoredRepair final : public BaseRepair {
 public:
  explicit StoredRepair(DatabaseContext& context) : context_(context) {}

  Task<Result<void>> resequence(Key key, Cas cas, Unlisted unlisted) override;
  Task<Result<Holding>> holds(CacheEntry entry) override;
  Task<Result<void>> finish_purge(Key key, Cas cas) override;
  Task<Result<void>> resequence_present(CacheEntry entry) override;
  Task<Result<std::optional<CacheEntry>>> entry_for_rebuild(Key key, Cas cas) override;
  bool may_take_access(const Grant& grant) const override;

 private:
  struct Moved;
  Result<bool> is_held(const CacheEntry& entry, std::string_view bytes) const;
  Result<CacheEntry> rebuilt(const Key& key, std::string_view bytes) const;
  Result<Sequence> sequence_of(const Key& key, std::string_view bytes) const;
  Result<Moved> move(const Key& key, std::string_view bytes, const Unlisted& unlisted,
                     Sequence to) const;
  Result<Key> key_of(const CacheEntry& entry) const;

  DatabaseContext& context_;
};

}  // namespace headgate
