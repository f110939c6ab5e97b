// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/expiry_filter.hpp"

#include <rocksdb/compaction_filter.h>

#include "bucket/rocksdb/stored_value.hpp"

namespace headgate {
namespace {

class ExpiryFilter final : public rocksdb::CompactionFilter {
 public:
  const char* Name() const override { return "headgate.expiry"; }
  bool Filter(int, const rocksdb::Slice&, const rocksdb::Slice& stored, std::string*,
              bool*) const override {
    const auto value = read_value(stored.ToStringView());
    if (!value || !value->header.expires) return false;
    // A removed value's remembered feed position is still needed.
    if (value->header.feed_position != PartitionPosition()) return false;
    const auto now = std::chrono::system_clock::now() - std::chrono::hours(1);
    return *value->header.expires < now;
  }
};

}  // namespace

const rocksdb::CompactionFilter* expiry_filter() {
  static const ExpiryFilter filter;
  return &filter;
}

}  // namespace headgate
