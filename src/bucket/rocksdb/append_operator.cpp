// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/append_operator.hpp"

#include <string_view>

#include "base/bytes.hpp"
#include "bucket/rocksdb/stored_value.hpp"

namespace headgate {
namespace {

constexpr std::size_t kCasBytes = 8;

}  // namespace

bool AppendOperator::FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const {
  StoredValue before;
  if (in.existing_value) {
    const auto value = read_value(in.existing_value->ToStringView());
    if (!value || value->header.is_counter) return false;
    before = *value;
  }
  ByteReader last(in.operand_list.back().ToStringView());
  before.header.cas = Cas(last.le64());
  before.header.is_removed = false;
  std::size_t size = before.payload.size() + 32;
  for (const rocksdb::Slice& operand : in.operand_list) size += operand.size();
  out->new_value.clear();
  out->new_value.reserve(size);
  write_header(before.header, out->new_value);
  out->new_value += before.payload;
  for (const rocksdb::Slice& operand : in.operand_list) {
    if (operand.size() < kCasBytes) return false;
    out->new_value += operand.ToStringView().substr(kCasBytes);
  }
  return true;
}

bool AppendOperator::PartialMergeMulti(const rocksdb::Slice&,
                                       const std::deque<rocksdb::Slice>& operands,
                                       std::string* merged, rocksdb::Logger*) const {
  merged->clear();
  for (const rocksdb::Slice& operand : operands) {
    if (operand.size() < kCasBytes) return false;
  }
  *merged = operands.back().ToStringView().substr(0, kCasBytes);
  for (const rocksdb::Slice& operand : operands)
    *merged += operand.ToStringView().substr(kCasBytes);
  return true;
}

}  // namespace headgate
