// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/backup.hpp"

#include <rocksdb/env.h>
#include <rocksdb/utilities/checkpoint.h>

#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "bucket/rocksdb/engine.hpp"

namespace headgate {
namespace {

namespace fs = std::filesystem;

/// In the store's directory, where files can be linked to.
constexpr const char* kStage = "/backup-stage";
/// Beside what it will become.
constexpr const char* kPartial = ".partial";

fs::path whole(const std::string& path) {
  fs::path all = fs::absolute(path).lexically_normal();
  if (!all.has_filename()) all = all.parent_path();  // ended in a slash
  std::error_code unknown;
  const fs::path known = fs::weakly_canonical(all, unknown);
  return unknown ? all : known;
}

bool is_at_or_below(const fs::path& path, const fs::path& folder) {
  for (fs::path at = path; at.has_relative_path(); at = at.parent_path())
    if (at == folder) return true;
  return false;
}

void remove_all(const std::string& directory) {
  std::error_code ignored;
  fs::remove_all(directory, ignored);
}

/// That `path` can be made.
Result<void> check_target(const fs::path& path, const std::string& partial) {
  std::error_code unknown;
  if (!fs::is_directory(path.parent_path(), unknown))
    return Error{Errc::invalid_argument, "there is no directory " + path.parent_path().string()};
  if (fs::exists(fs::symlink_status(partial, unknown)))
    return Error{Errc::exists, partial + " is there: if nobody is at work on it, remove it"};
  return {};
}

/// Gives a directory its last name, durably. False: that is on another disk.
Result<bool> move_directory(const std::string& from, const std::string& to) {
  std::error_code failure;
  fs::rename(from, to, failure);
  if (failure == std::errc::cross_device_link) return false;
  if (failure == std::errc::directory_not_empty || failure == std::errc::file_exists)
    return Error{Errc::exists, to + " exists already"};
  const bool is_refused =
      failure == std::errc::permission_denied || failure == std::errc::read_only_file_system;
  if (failure)
    return Error{is_refused ? Errc::invalid_argument : Errc::unavailable,
                 "cannot make " + to + ": " + failure.message()};
  HG_CHECK(sync_directory(*rocksdb::Env::Default(), fs::path(to).parent_path().string()));
  return true;
}

Result<std::uint64_t> bytes_in(const std::string& directory) {
  std::error_code failure;
  std::uint64_t bytes = 0;
  for (fs::directory_iterator at(directory, failure), end; !failure && at != end;
       at.increment(failure))
    bytes += at->file_size(failure);
  if (failure) return Error{Errc::unavailable, "read " + directory + ": " + failure.message()};
  return bytes;
}

}  // namespace

// --- Backup --------------------------------------------------------------------------------------

Result<void> RocksStore::link_checkpoint(const std::string& to) const {
  const auto open = engine_->hold_open();
  if (!open) return Error{Errc::unavailable, "the store is being reopened"};
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(engine_->db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Nothing is flushed for it: the logs are copied as far as they go.
  constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();
  if (status.ok()) status = checkpoint->CreateCheckpoint(to, kNever);
  if (!status.ok()) return error_of(status, "make a checkpoint");
  return write_format(*rocksdb::Env::Default(), to, kBackupFile);
}

RocksBackup::RocksBackup(std::string stage, std::string to)
    : stage_(std::move(stage)), partial_(to + kPartial), to_(std::move(to)) {}

RocksBackup::~RocksBackup() {
  if (copy_ && !is_whole_) remove_all(partial_);
  remove_all(stage_);
}

Result<std::unique_ptr<RocksBackup>> RocksBackup::begin(const RocksStore& store,
                                                        const std::string& to) {
  if (!fs::path(to).is_absolute())
    return Error{Errc::invalid_argument, "the directory of a backup is an absolute path"};
  const fs::path target = whole(to);
  if (is_at_or_below(target, whole(store.directory())))
    return Error{Errc::invalid_argument, "a backup cannot lie in the data directory"};
  std::error_code unknown;
  if (fs::exists(fs::symlink_status(target, unknown)))
    return Error{Errc::exists, target.string() + " exists already"};
  std::unique_ptr<RocksBackup> backup(new RocksBackup(store.directory() + kStage, target.string()));
  HG_CHECK(check_target(target, backup->partial_));
  remove_all(backup->stage_);
  HG_CHECK(store.link_checkpoint(backup->stage_));
  HG_TRY(backup->bytes_total_, bytes_in(backup->stage_));
  HG_TRY(backup->is_whole_, move_directory(backup->stage_, backup->to_));
  if (!backup->is_whole_) {
    auto copy = DirectoryCopy::begin(backup->stage_, backup->partial_);
    if (!copy) return copy.error();
    backup->copy_.emplace(*std::move(copy));
  }
  return backup;
}

Result<bool> RocksBackup::step() {
  if (is_whole_) return true;
  HG_TRY(const bool is_copied, copy_->step());
  if (is_copied) {
    HG_TRY(is_whole_, move_directory(partial_, to_));
  }
  return is_whole_;
}

void remove_unfinished_backup(const std::string& directory) {
  remove_all(directory + kStage);
}

// --- Restore -------------------------------------------------------------------------------------

RocksRestore::RocksRestore(std::string data, std::string partial, DirectoryCopy copy)
    : data_(std::move(data)), partial_(std::move(partial)), copy_(std::move(copy)) {}

RocksRestore::~RocksRestore() {
  if (!is_finished_) remove_all(partial_);
}

Result<std::unique_ptr<RocksRestore>> RocksRestore::begin(const std::string& from,
                                                          const std::string& data) {
  HG_CHECK(check_backup(*rocksdb::Env::Default(), from));
  const fs::path target = whole(data);
  if (is_at_or_below(target, whole(from)))
    return Error{Errc::invalid_argument, "the data directory cannot lie in the backup"};
  std::error_code unknown;
  const bool is_there = fs::exists(fs::symlink_status(target, unknown));
  if (is_there && !(fs::is_directory(target, unknown) && fs::is_empty(target, unknown)))
    return Error{Errc::exists, target.string() + " exists and is not empty"};
  std::string partial = target.string() + kPartial;
  HG_CHECK(check_target(target, partial));
  auto copy = DirectoryCopy::begin(from, partial);
  if (!copy) return copy.error();
  return std::unique_ptr<RocksRestore>(
      new RocksRestore(target.string(), std::move(partial), *std::move(copy)));
}

Result<bool> RocksRestore::step() {
  HG_TRY(const bool is_copied, copy_.step());
  if (!is_copied) return false;
  rocksdb::Env& env = *rocksdb::Env::Default();
  const auto status = env.DeleteFile(partial_ + kBackupFile);
  if (!status.ok()) return error_of(status, "make a store of the backup");
  HG_CHECK(write_format(env, partial_, kFormatFile));
  return true;
}

Result<void> RocksRestore::finish() {
  HG_TRY(is_finished_, move_directory(partial_, data_));
  if (is_finished_) return {};
  return Error{Errc::invalid_argument, data_ + " is a disk of its own: name a directory on it"};
}

}  // namespace headgate
