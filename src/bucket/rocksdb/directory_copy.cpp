// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/directory_copy.hpp"

#include <fmt/format.h>
#include <rocksdb/env.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "bucket/rocksdb/engine.hpp"

namespace headgate {
namespace {

constexpr std::size_t kStepBytes = 8u << 20;
constexpr std::size_t kPieceBytes = 1u << 20;

Result<void> check_room(const std::string& directory, std::uint64_t bytes) {
  std::error_code failure;
  const auto space = std::filesystem::space(directory, failure);
  if (failure || space.available >= bytes) return {};
  return Error{Errc::no_space,
               fmt::format("no room on the disk of {}: {} MiB are free, {} MiB are needed",
                           directory, space.available >> 20, (bytes >> 20) + 1)};
}

}  // namespace

DirectoryCopy::DirectoryCopy(std::string from, std::string to)
    : from_(std::move(from)), to_(std::move(to)) {}
DirectoryCopy::DirectoryCopy(DirectoryCopy&&) noexcept = default;
DirectoryCopy::~DirectoryCopy() = default;

Result<DirectoryCopy> DirectoryCopy::begin(const std::string& from, const std::string& to) {
  DirectoryCopy copy(from, to);
  std::error_code failure;
  for (std::filesystem::directory_iterator at(from, failure), end; !failure && at != end;
       at.increment(failure)) {
    copy.names_.push_back(at->path().filename().string());
    copy.bytes_total_ += at->file_size(failure);
  }
  if (failure) return Error{Errc::unavailable, "read " + from + ": " + failure.message()};
  if (!std::filesystem::create_directory(to, failure)) {
    if (!failure) return Error{Errc::exists, to + " exists already"};
    return Error{Errc::unavailable, "make " + to + ": " + failure.message()};
  }
  if (auto room = check_room(to, copy.bytes_total_); !room) {
    std::filesystem::remove(to, failure);
    return room.error();
  }
  return copy;
}

Result<void> DirectoryCopy::open_next() {
  rocksdb::Env& env = *rocksdb::Env::Default();
  const std::string name = std::move(names_.back());
  names_.pop_back();
  auto status = env.NewSequentialFile(from_ + "/" + name, &source_, rocksdb::EnvOptions());
  if (status.ok()) status = env.NewWritableFile(to_ + "/" + name, &target_, rocksdb::EnvOptions());
  if (!status.ok()) return error_of(status, "copy " + from_ + "/" + name);
  return {};
}

Result<void> DirectoryCopy::copy_some() {
  std::string buffer(kPieceBytes, '\0');
  rocksdb::Slice piece;
  auto status = source_->Read(buffer.size(), &piece, buffer.data());
  if (status.ok() && !piece.empty()) {
    bytes_done_ += piece.size();
    status = target_->Append(piece);
    if (status.ok()) return {};
  }
  if (status.ok()) status = target_->Sync();
  if (status.ok()) status = target_->Close();
  source_.reset();
  target_.reset();
  if (!status.ok()) return error_of(status, "copy to " + to_);
  return {};
}

Result<bool> DirectoryCopy::step() {
  const std::uint64_t until = bytes_done_ + kStepBytes;
  while (bytes_done_ < until) {
    if (!source_ && names_.empty()) {
      HG_CHECK(sync_directory(*rocksdb::Env::Default(), to_));
      return true;
    }
    if (!source_) HG_CHECK(open_next());
    HG_CHECK(copy_some());
  }
  return false;
}

}  // namespace headgate
