// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/merge_operator.h>

#include <deque>
#include <string>

namespace headgate {

/// Appends to a stored value without reading it. Safe from any thread.
class AppendOperator final : public rocksdb::MergeOperator {
 public:
  const char* Name() const override { return "headgate.append"; }
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override;
  bool PartialMergeMulti(const rocksdb::Slice& key, const std::deque<rocksdb::Slice>& operands,
                         std::string* merged, rocksdb::Logger* logger) const override;
};

}  // namespace headgate
