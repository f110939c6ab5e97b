// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

namespace headgate {

/// The machine's file system with faults (F13), for tests: a disk that is full, broken or slow to
/// sync. Must outlive the stores opened with env(). Safe from any thread.
class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultFileSystem"; }

  /// Syncs of the write-ahead log so far.
  std::size_t log_syncs() const { return log_syncs_; }
  /// From now on every write fails as on a full disk.
  void set_full(bool is_full) { is_full_ = is_full; }
  /// What the disk says is free; absent: the truth.
  void set_free_bytes(std::optional<std::uint64_t> bytes) { free_bytes_ = bytes.value_or(~0ull); }
  /// From now on every sync of the log fails.
  void set_broken(bool is_broken) { is_broken_ = is_broken; }
  /// From now on every sync of the log fails for want of space; appends do not.
  void set_full_at_sync(bool is_full) { is_full_at_sync_ = is_full; }
  /// From now on syncs of the log wait until release_syncs().
  void hold_syncs();
  void release_syncs();
  std::size_t held_syncs() const { return held_syncs_; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* bytes, rocksdb::IODebugContext* debug) override;

 private:
  friend class FaultFile;

  rocksdb::IOStatus before_append() const;
  rocksdb::IOStatus before_log_sync();

  std::atomic<bool> is_full_ = false;
  std::atomic<bool> is_broken_ = false;
  std::atomic<bool> is_full_at_sync_ = false;
  std::atomic<std::uint64_t> free_bytes_ = ~0ull;
  std::atomic<std::size_t> log_syncs_ = 0;
  std::atomic<std::size_t> held_syncs_ = 0;
  std::mutex mutex_;
  std::condition_variable released_;
  bool are_syncs_held_ = false;
};

/// An Env on a FaultFileSystem.
struct FaultDisk {
  std::shared_ptr<FaultFileSystem> files = std::make_shared<FaultFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
};

}  // namespace headgate
