// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/crash/journaling_file_system.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/assert.hpp"

namespace headgate {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Kind = DiskEvent::Kind;

class JournalingFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  JournalingFile(JournalingFileSystem& files, std::string name, std::uint64_t length,
                 std::unique_ptr<rocksdb::FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        files_(files),
        name_(std::move(name)),
        length_(length) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    Slice written = data;
    const IOStatus fault = files_.before_append(name_, written);
    const IOStatus status = FSWritableFileOwnerWrapper::Append(written, options, debug);
    length_ += written.size();
    return fault.ok() ? status : fault;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    length_ = size;
    return FSWritableFileOwnerWrapper::Truncate(size, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const std::uint64_t length = length_;
    if (const IOStatus fault = files_.before_sync(name_, length); !fault.ok()) return fault;
    const IOStatus status = FSWritableFileOwnerWrapper::Sync(options, debug);
    if (status.ok()) files_.note(Kind::sync, name_, length);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  JournalingFileSystem& files_;
  const std::string name_;
  std::atomic<std::uint64_t> length_;
};

class JournalingDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  JournalingDirectory(JournalingFileSystem& files, Kind noted,
                      std::unique_ptr<rocksdb::FSDirectory>&& directory)
      : FSDirectoryWrapper(std::move(directory)), files_(files), noted_(noted) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = FSDirectoryWrapper::Fsync(options, debug);
    if (status.ok()) files_.note(noted_);
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& how) override {
    const IOStatus status = FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how);
    if (status.ok()) files_.note(noted_);
    return status;
  }

 private:
  JournalingFileSystem& files_;
  const Kind noted_;
};

JournalingFileSystem::JournalingFileSystem(std::string directory, std::string shadows,
                                           std::uint64_t last_shadow, DiskJournal& journal,
                                           DiskFault fault)
    : FileSystemWrapper(rocksdb::FileSystem::Default()),
      directory_(std::move(directory)),
      shadows_(std::move(shadows)),
      journal_(journal),
      shadow_(last_shadow),
      fault_(fault) {}

std::string JournalingFileSystem::name_of(const std::string& path) const {
  const std::filesystem::path whole = std::filesystem::path(path).lexically_normal();
  if (whole.parent_path() != std::filesystem::path(directory_).lexically_normal()) return {};
  std::string name = whole.filename().string();
  return name.starts_with("LOG") ? std::string() : name;
}

void JournalingFileSystem::note(Kind kind, const std::string& name, std::uint64_t bytes,
                                const std::string& to, std::uint64_t shadow) {
  const std::lock_guard lock(mutex_);
  const std::size_t at = journal_.count;
  HG_ASSERT(at < DiskJournal::kEventsMax);
  DiskEvent& event = journal_.events[at];
  event = {.kind = kind, .name = {}, .to = {}, .bytes = bytes, .shadow = shadow};
  HG_ASSERT(name.size() < sizeof(event.name) && to.size() < sizeof(event.to));
  std::memcpy(event.name, name.data(), name.size());
  std::memcpy(event.to, to.data(), to.size());
  journal_.count = at + 1;
}

/// 0 if there is no such file.
std::uint64_t JournalingFileSystem::keep_shadow(const std::string& path) {
  std::uint64_t shadow = 0;
  {
    const std::lock_guard lock(mutex_);
    shadow = ++shadow_;
  }
  std::error_code failed;
  const auto link = std::filesystem::path(shadows_) / std::to_string(shadow);
  std::filesystem::create_hard_link(path, link, failed);
  return failed ? 0 : shadow;
}

IOStatus JournalingFileSystem::NewWritableFile(const std::string& path,
                                               const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSWritableFile>* file,
                                               IODebugContext* debug) {
  const std::string name = name_of(path);
  if (name.empty()) return FileSystemWrapper::NewWritableFile(path, options, file, debug);
  note(Kind::create, name);
  const IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<JournalingFile>(*this, name, 0, std::move(*file));
  return status;
}

IOStatus JournalingFileSystem::ReopenWritableFile(const std::string& path,
                                                  const rocksdb::FileOptions& options,
                                                  std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                  IODebugContext* debug) {
  const std::string name = name_of(path);
  if (name.empty()) return FileSystemWrapper::ReopenWritableFile(path, options, file, debug);
  std::error_code failed;
  const std::uint64_t length = std::filesystem::file_size(path, failed);
  note(failed ? Kind::create : Kind::reopen, name);
  const IOStatus status = FileSystemWrapper::ReopenWritableFile(path, options, file, debug);
  if (status.ok())
    *file = std::make_unique<JournalingFile>(*this, name, failed ? 0 : length, std::move(*file));
  return status;
}

IOStatus JournalingFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                            std::unique_ptr<rocksdb::FSDirectory>* directory,
                                            IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::NewDirectory(path, options, directory, debug);
  if (!status.ok()) return status;
  const std::filesystem::path own(directory_);
  if (std::filesystem::path(path) == own)
    *directory =
        std::make_unique<JournalingDirectory>(*this, Kind::sync_directory, std::move(*directory));
  else if (std::filesystem::path(path) == own.parent_path())
    *directory =
        std::make_unique<JournalingDirectory>(*this, Kind::sync_parent, std::move(*directory));
  return status;
}

IOStatus JournalingFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions& options,
                                                  IODebugContext* debug) {
  if (path == directory_ && !std::filesystem::exists(path)) note(Kind::make_directory);
  return FileSystemWrapper::CreateDirIfMissing(path, options, debug);
}

IOStatus JournalingFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                          IODebugContext* debug) {
  const std::string name = name_of(path);
  if (!name.empty()) {
    if (const std::uint64_t shadow = keep_shadow(path)) note(Kind::remove, name, 0, {}, shadow);
  }
  return FileSystemWrapper::DeleteFile(path, options, debug);
}

IOStatus JournalingFileSystem::RenameFile(const std::string& from, const std::string& to,
                                          const IOOptions& options, IODebugContext* debug) {
  const std::string name = name_of(from);
  if (!name.empty()) note(Kind::rename, name, 0, name_of(to), keep_shadow(to));
  return FileSystemWrapper::RenameFile(from, to, options, debug);
}

IOStatus JournalingFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options,
                                            std::uint64_t* bytes, IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::GetFreeSpace(path, options, bytes, debug);
  const std::lock_guard lock(mutex_);
  if (!is_full_) return status;
  // Whoever looks finds no room once; then there is some.
  is_full_ = false;
  *bytes = 0;
  return status;
}

/// REQUIRES: mutex_ is held.
bool JournalingFileSystem::strikes(DiskFault::Kind kind) {
  if (fault_.kind != kind) return false;
  if (fault_.after > 0) {
    --fault_.after;
    return false;
  }
  if (fault_.lasts == 0) return false;
  --fault_.lasts;
  return true;
}

/// Takes from `data` what is not written.
IOStatus JournalingFileSystem::before_append(const std::string& name, Slice& data) {
  using Fault = DiskFault::Kind;
  const std::lock_guard lock(mutex_);
  const Slice part(data.data(), data.size() / 2);
  if (name.ends_with(".log")) {
    if (strikes(Fault::log_append)) return data = Slice(), IOStatus::IOError("append failed");
    if (strikes(Fault::log_append_part)) return data = part, IOStatus::IOError("append cut short");
    if (strikes(Fault::log_no_space)) {
      is_full_ = true;
      return data = part, IOStatus::NoSpace("no space left on device");
    }
  } else if (name.ends_with(".sst")) {
    if (strikes(Fault::table_write)) return data = Slice(), IOStatus::IOError("append failed");
    if (strikes(Fault::table_no_space)) {
      is_full_ = true;
      return data = part, IOStatus::NoSpace("no space left on device");
    }
  }
  return IOStatus::OK();
}

IOStatus JournalingFileSystem::before_sync(const std::string& name, std::uint64_t length) {
  if (!name.ends_with(".log")) return IOStatus::OK();
  bool is_error = false, is_no_space = false;
  {
    const std::lock_guard lock(mutex_);
    is_error = strikes(DiskFault::Kind::log_sync);
    is_no_space = strikes(DiskFault::Kind::log_sync_no_space);
    is_full_ = is_full_ || is_no_space;
  }
  if (!is_error && !is_no_space) return IOStatus::OK();
  // The pages count as written from now on, although they are not: so does Linux.
  note(Kind::lose, name, length);
  return is_error ? IOStatus::IOError("sync failed") : IOStatus::NoSpace("no space left on device");
}

}  // namespace headgate
