// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/fault_file_system.hpp"

#include <algorithm>

namespace headgate {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(FaultFileSystem& files, bool is_log, std::unique_ptr<rocksdb::FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files), is_log_(is_log) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    const IOStatus status = files_.before_append();
    return status.ok() ? FSWritableFileOwnerWrapper::Append(data, options, debug) : status;
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    const IOStatus status = files_.before_append();
    return status.ok() ? FSWritableFileOwnerWrapper::Append(data, options, verification, debug)
                       : status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = is_log_ ? files_.before_log_sync() : IOStatus::OK();
    return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = is_log_ ? files_.before_log_sync() : IOStatus::OK();
    return status.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : status;
  }

 private:
  FaultFileSystem& files_;
  bool is_log_;
};

void FaultFileSystem::hold_syncs() {
  const std::lock_guard lock(mutex_);
  are_syncs_held_ = true;
}

void FaultFileSystem::release_syncs() {
  const std::lock_guard lock(mutex_);
  are_syncs_held_ = false;
  released_.notify_all();
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& path,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file,
                                          IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  if (status.ok())
    *file = std::make_unique<FaultFile>(*this, path.ends_with(".log"), std::move(*file));
  return status;
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options,
                                       std::uint64_t* bytes, IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::GetFreeSpace(path, options, bytes, debug);
  *bytes = is_full_ ? 0 : std::min<std::uint64_t>(*bytes, free_bytes_);
  return status;
}

IOStatus FaultFileSystem::before_append() const {
  return is_full_ ? IOStatus::NoSpace("no space left on device") : IOStatus::OK();
}

IOStatus FaultFileSystem::before_log_sync() {
  std::unique_lock lock(mutex_);
  ++held_syncs_;
  released_.wait(lock, [this] { return !are_syncs_held_; });
  --held_syncs_;
  ++log_syncs_;
  if (is_full_at_sync_) return IOStatus::NoSpace("no space left on device");
  return is_broken_ ? IOStatus::IOError("broken disk") : IOStatus::OK();
}

}  // namespace headgate
