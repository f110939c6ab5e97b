// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "bucket/bucket.hpp"

namespace headgate {

/// One value that has one writer at a time, which remembers its version: records of a role, such
/// as the horizon. Settles unknown outcomes by reading. Confined to its executor; calls do not
/// overlap. The bucket must outlive it.
class OwnedRecord {
 public:
  OwnedRecord(Environment& environment, Bucket& bucket, Key key, std::chrono::nanoseconds timeout)
      : environment_(environment), bucket_(bucket), key_(std::move(key)), timeout_(timeout) {}

  /// Reads the value and takes its version over. The reply's status is ok or not_found, or an
  /// error: unavailable, timeout_unknown_outcome.
  Task<Reply> load();

  /// Writes the value over the version last loaded or stored.
  /// Errors: cas_mismatch: somebody else has written; rolled_back (`if_history`); unavailable,
  /// no_space, overloaded: not done; timeout_unknown_outcome.
  Task<Result<void>> store(std::string value, WriteOptions options = {});

 private:
  Task<Result<void>> store_one(std::string value, WriteOptions options);

  Environment& environment_;
  Bucket& bucket_;
  const Key key_;
  const std::chrono::nanoseconds timeout_;
  Cas cas_;
  std::string unsettled_;  // value of a store whose outcome stayed unknown
};

}  // namespace headgate
