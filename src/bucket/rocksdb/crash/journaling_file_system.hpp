// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "bucket/rocksdb/crash/disk_journal.hpp"

namespace headgate {

/// What the disk does wrong, once (F13).
struct DiskFault {
  enum class Kind : std::uint8_t {
    none,
    log_sync,           ///< a sync of the log fails, what it was to make durable is lost
    log_sync_no_space,  ///< the same, said to be for want of space
    log_append,         ///< nothing of an append to the log is written
    log_append_part,    ///< only a part of it is
    log_no_space,       ///< a part of it is, and the disk is full until `lasts` appends failed
    table_write,        ///< an append to a table file fails
    table_no_space,     ///< the same, the disk being full
  };
  Kind kind = Kind::none;
  std::uint32_t after = 0;  ///< so many such calls succeed first
  std::uint32_t lasts = 1;  ///< then so many fail
};

/// The machine's file system, which notes in a journal what a power failure would leave of one
/// directory, and fails where a test says so. Safe from any thread.
class JournalingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  /// `shadows`: a directory on the same disk for links to files that are removed or replaced.
  /// The links' names are numbers after `last_shadow`.
  JournalingFileSystem(std::string directory, std::string shadows, std::uint64_t last_shadow,
                       DiskJournal& journal, DiskFault fault);
  const char* Name() const override { return "JournalingFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* bytes, rocksdb::IODebugContext* debug) override;

 private:
  friend class JournalingFile;
  friend class JournalingDirectory;

  /// The name within the directory; empty for what is elsewhere and for RocksDB's own log of text.
  std::string name_of(const std::string& path) const;
  void note(DiskEvent::Kind kind, const std::string& name = {}, std::uint64_t bytes = 0,
            const std::string& to = {}, std::uint64_t shadow = 0);
  std::uint64_t keep_shadow(const std::string& path);
  bool strikes(DiskFault::Kind kind);
  rocksdb::IOStatus before_append(const std::string& name, rocksdb::Slice& data);
  rocksdb::IOStatus before_sync(const std::string& name, std::uint64_t length);

  const std::string directory_;
  const std::string shadows_;
  DiskJournal& journal_;
  std::mutex mutex_;
  std::uint64_t shadow_;  // under mutex_, like the next two
  DiskFault fault_;
  bool is_full_ = false;
};

}  // namespace headgate
