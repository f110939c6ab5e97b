// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace rocksdb {
class SequentialFile;
class WritableFile;
}  // namespace rocksdb

namespace headgate {

/// The files of a directory that has no others below it, copied to a new one in steps, each synced.
/// Every call blocks. One thread at a time.
class DirectoryCopy {
 public:
  /// Makes `to`. Errors, with a context for people: exists, no_space, unavailable.
  static Result<DirectoryCopy> begin(const std::string& from, const std::string& to);
  DirectoryCopy(DirectoryCopy&&) noexcept;
  DirectoryCopy& operator=(DirectoryCopy&&) = delete;
  ~DirectoryCopy();

  /// Copies some megabytes more. True: everything is there, and durable. Errors: no_space,
  /// unavailable: begin anew.
  Result<bool> step();

  std::uint64_t bytes_done() const { return bytes_done_; }
  std::uint64_t bytes_total() const { return bytes_total_; }

 private:
  DirectoryCopy(std::string from, std::string to);
  Result<void> open_next();
  Result<void> copy_some();

  std::string from_;
  std::string to_;
  std::vector<std::string> names_;  // still to be copied
  std::uint64_t bytes_done_ = 0;
  std::uint64_t bytes_total_ = 0;
  std::unique_ptr<rocksdb::SequentialFile> source_;  // null: between two files
  std::unique_ptr<rocksdb::WritableFile> target_;
};

}  // namespace headgate
