// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/reclaim_filter.hpp"

#include "bucket/rocksdb/stored_value.hpp"

namespace headgate {
namespace {

bool has_expired(std::string_view stored) {
  const auto value = read_value(stored);
  if (!value || !value->header.expires) return false;
  // A removed value's remembered feed position is still needed.
  if (value->header.feed_position != PartitionPosition()) return false;
  const auto now = std::chrono::system_clock::now() - std::chrono::hours(1);
  return *value->header.expires < now;
}

}  // namespace

rocksdb::CompactionFilter::Decision ReclaimFilter::FilterV2(int, const rocksdb::Slice& key,
                                                            ValueType type,
                                                            const rocksdb::Slice& stored,
                                                            std::string*, std::string*) const {
  if (dropped_.contains_key(key.ToStringView())) return Decision::kRemove;
  if (may_expire_ && type == ValueType::kValue && has_expired(stored.ToStringView()))
    return Decision::kRemove;
  return Decision::kKeep;
}

}  // namespace headgate
