// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/wal_filter.h>

#include <cstdint>

namespace headgate {

/// Ends the recovery of the log at the first write that is missing. RocksDB alone stops only where
/// it meets damaged bytes: of pages that were not written it makes nothing, and goes on with what
/// follows them, in the same file or in the next. Used by one open.
class LogContinuity final : public rocksdb::WalFilter {
 public:
  const char* Name() const override { return "LogContinuity"; }

  WalProcessingOption LogRecordFound(unsigned long long log, const std::string& path,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                     bool*) override;

 private:
  std::uint64_t next_ = 0;  // the sequence number that has to follow; 0 before the first
};

}  // namespace headgate
