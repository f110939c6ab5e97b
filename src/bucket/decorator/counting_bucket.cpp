// SPDX-License-Identifier: Apache-2.0
#include "bucket/decorator/counting_bucket.hpp"

namespace headgate {

std::size_t CountingBucket::operations() const {
  std::size_t sum = 0;
  for (const auto& [what, n] : by_kind_) sum += n;
  return sum;
}

void CountingBucket::reset() {
  pipelines_ = steps_ = scans_ = barriers_ = 0;
  by_kind_.clear();
}

Task<std::vector<Reply>> CountingBucket::pipeline(std::vector<Operation> operations,
                                                  Deadline deadline) {
  ++pipelines_;
  if (under_way_++ == 0) ++steps_;
  for (const Operation& operation : operations)
    ++by_kind_[{operation.index(), key_of(operation).kind}];
  auto replies = co_await inner_.pipeline(std::move(operations), deadline);
  --under_way_;
  co_return replies;
}

Task<Result<Bucket::ScanPage>> CountingBucket::scan(Scan scan, Deadline deadline) {
  ++scans_;
  return inner_.scan(std::move(scan), deadline);
}

Task<Result<std::vector<HistoryId>>> CountingBucket::barrier(Deadline deadline) {
  ++barriers_;
  return inner_.barrier(deadline);
}

}  // namespace headgate
