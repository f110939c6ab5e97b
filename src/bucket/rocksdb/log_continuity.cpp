// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/log_continuity.hpp"

#include <rocksdb/write_batch.h>

#include "base/log.hpp"

namespace headgate {
namespace {

/// A batch begins with the sequence number of its first operation, little-endian.
std::uint64_t sequence_of(const rocksdb::WriteBatch& batch) {
  std::uint64_t sequence = 0;
  for (int i = 7; i >= 0; --i)
    sequence = sequence << 8 | static_cast<unsigned char>(batch.Data()[static_cast<unsigned>(i)]);
  return sequence;
}

}  // namespace

rocksdb::WalFilter::WalProcessingOption LogContinuity::LogRecordFound(
    unsigned long long log, const std::string&, const rocksdb::WriteBatch& batch,
    rocksdb::WriteBatch*, bool*) {
  const std::uint64_t sequence = sequence_of(batch);
  if (next_ != 0 && sequence != next_) {
    headgate::log(LogLevel::warning, "store.log_has_gap",
                  {{"log", std::to_string(log)},
                   {"expected", std::to_string(next_)},
                   {"found", std::to_string(sequence)}});
    return WalProcessingOption::kStopReplay;
  }
  next_ = sequence + static_cast<std::uint64_t>(batch.Count());
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace headgate
