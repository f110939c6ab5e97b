// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "bucket/rocksdb/directory_copy.hpp"
#include "bucket/rocksdb/rocks_store.hpp"

namespace headgate {

// A backup is a directory with the files of a store at one moment, and a file HEADGATE-BACKUP in
// place of HEADGATE-FORMAT: no server takes it for its data (docs/key-layout.md). It appears under
// its name when it is whole. All calls block.

/// A backup of a store in use.
class RocksBackup {
 public:
  /// What was written before the call is in the backup. Where `to` is on the disk of the store it
  /// shares the store's files, which never change, and is whole at once; else step() copies.
  /// Errors, with a context for people: invalid_argument (`to` is not absolute, lies in the store's
  /// directory, has no parent), exists, no_space, unavailable.
  static Result<std::unique_ptr<RocksBackup>> begin(const RocksStore& store, const std::string& to);
  /// Removes what is not whole.
  ~RocksBackup();
  RocksBackup(const RocksBackup&) = delete;
  RocksBackup& operator=(const RocksBackup&) = delete;

  /// Does some more. True: it is whole. Errors: exists, no_space, unavailable: it will not be.
  Result<bool> step();

  bool is_whole() const { return is_whole_; }
  std::uint64_t bytes_done() const { return is_whole_ ? bytes_total_ : copied(); }
  std::uint64_t bytes_total() const { return bytes_total_; }

 private:
  RocksBackup(std::string stage, std::string to);
  std::uint64_t copied() const { return copy_ ? copy_->bytes_done() : 0; }

  std::string stage_;    // in the store's directory
  std::string partial_;  // beside the target
  std::string to_;
  std::optional<DirectoryCopy> copy_;
  std::uint64_t bytes_total_ = 0;
  bool is_whole_ = false;
};

/// Removes what a process left of a backup when it died. The store in `directory` is this one's.
void remove_unfinished_backup(const std::string& directory);

/// Copies a backup into a new data directory, which appears under its name with finish().
class RocksRestore {
 public:
  /// `data` is absent or empty. Errors, with a context for people: invalid_argument (`from` is no
  /// backup, `data` lies in it or has no parent), unsupported (of a newer version), exists,
  /// no_space, unavailable.
  static Result<std::unique_ptr<RocksRestore>> begin(const std::string& from,
                                                     const std::string& data);
  /// Removes what is not whole.
  ~RocksRestore();
  RocksRestore(const RocksRestore&) = delete;
  RocksRestore& operator=(const RocksRestore&) = delete;

  /// Copies some more. True: a store may be opened in directory(). Errors: no_space, unavailable.
  Result<bool> step();
  /// REQUIRES: step() has returned true, and the store in directory() is closed.
  Result<void> finish();

  /// Where the store is until finish().
  const std::string& directory() const { return partial_; }
  std::uint64_t bytes_done() const { return copy_.bytes_done(); }
  std::uint64_t bytes_total() const { return copy_.bytes_total(); }

 private:
  RocksRestore(std::string data, std::string partial, DirectoryCopy copy);

  std::string data_;
  std::string partial_;
  DirectoryCopy copy_;
  bool is_finished_ = false;
};

}  // namespace headgate
