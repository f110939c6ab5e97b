// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/compaction_filter.h>

#include "bucket/rocksdb/dropped_databases.hpp"

namespace headgate {

/// Leaves out of every compaction what readers do not see any more: keys of dropped databases and,
/// where the values may expire, those that expired more than an hour ago by the machine's clock.
class ReclaimFilter final : public rocksdb::CompactionFilter {
 public:
  /// `dropped` must outlive it.
  ReclaimFilter(const DroppedDatabases& dropped, bool may_expire)
      : dropped_(dropped), may_expire_(may_expire) {}

  const char* Name() const override { return "headgate.reclaim"; }
  Decision FilterV2(int level, const rocksdb::Slice& key, ValueType type,
                    const rocksdb::Slice& stored, std::string* new_value,
                    std::string* skip_until) const override;

 private:
  const DroppedDatabases& dropped_;
  const bool may_expire_;
};

}  // namespace headgate
