// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/crash/durable_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace headgate {
namespace {

using Kind = DiskEvent::Kind;
constexpr std::uint64_t kPage = 4'096;

void write_zeroes(const std::string& path, std::uint64_t from, std::uint64_t to) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(from));
  const std::string zeroes(to - from, '\0');
  file.write(zeroes.data(), static_cast<std::streamsize>(zeroes.size()));
}

}  // namespace

void DurableFiles::replay(const DiskJournal& journal) {
  for (std::size_t i = 0; i < journal.count; ++i) apply(journal.events[i]);
  drop_shadows();
}

/// Those that no change needs any more.
void DurableFiles::drop_shadows() const {
  for (const auto& link : std::filesystem::directory_iterator(shadows_)) {
    const std::string name = link.path().filename().string();
    const auto is_it = [&](const EntryChange& c) { return std::to_string(c.shadow) == name; };
    if (std::none_of(changes_.begin(), changes_.end(), is_it)) std::filesystem::remove(link.path());
  }
}

void DurableFiles::apply(const DiskEvent& event) {
  const std::string name = event.name, to = event.to;
  switch (event.kind) {
    case Kind::make_directory:
      is_directory_durable_ = false;
      break;
    case Kind::sync_parent:
      is_directory_durable_ = true;
      break;
    case Kind::create:
      changes_.push_back({event.kind, name, {}, 0, take(name)});
      files_[name] = File{};
      break;
    case Kind::reopen:
      break;
    case Kind::sync:
      files_[name].synced = std::max(files_[name].synced, event.bytes);
      break;
    case Kind::lose:
      if (event.bytes > files_[name].synced)
        files_[name].lost.emplace_back(files_[name].synced, event.bytes);
      break;
    case Kind::rename:
      changes_.push_back({event.kind, name, to, event.shadow, take(to)});
      if (auto file = take(name)) files_[to] = *std::move(file);
      break;
    case Kind::remove:
      changes_.push_back({event.kind, name, {}, event.shadow, take(name)});
      break;
    case Kind::sync_directory:
      changes_.clear();
      break;
  }
}

std::optional<DurableFiles::File> DurableFiles::take(const std::string& name) {
  auto node = files_.extract(name);
  return node ? std::optional(std::move(node.mapped())) : std::nullopt;
}

void DurableFiles::cut_power(std::mt19937_64& random) {
  if (!is_directory_durable_ && random() % 2 == 0) {
    std::filesystem::remove_all(directory_);
    changes_.clear();
    files_.clear();
  }
  is_directory_durable_ = true;
  // File systems keep their own changes in order: what survives of them is a prefix.
  for (std::size_t undone = random() % (changes_.size() + 1); undone > 0; --undone) {
    undo(changes_.back());
    changes_.pop_back();
  }
  changes_.clear();
  for (const auto& [name, file] : files_) cut(name, file, random);
  files_.clear();
}

void DurableFiles::undo(const EntryChange& change) {
  std::error_code ignored;
  switch (change.kind) {
    case Kind::create:
      std::filesystem::remove(path(change.name), ignored);
      take(change.name);
      break;
    case Kind::rename:
      std::filesystem::rename(path(change.to), path(change.name), ignored);
      if (auto file = take(change.to)) files_[change.name] = *std::move(file);
      restore(change.to, change);
      break;
    default:
      restore(change.name, change);
      break;
  }
}

void DurableFiles::restore(const std::string& name, const EntryChange& change) {
  if (change.shadow == 0 || std::filesystem::exists(path(name))) return;
  std::error_code ignored;
  std::filesystem::rename(shadows_ + "/" + std::to_string(change.shadow), path(name), ignored);
  if (change.file) files_[name] = *change.file;
}

void DurableFiles::cut(const std::string& name, const File& file, std::mt19937_64& random) const {
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(path(name), failed);
  if (failed) return;
  std::uint64_t kept = size;
  if (size > file.synced) {
    const std::uint64_t between = file.synced + random() % (size - file.synced + 1);
    const std::uint64_t choices[] = {file.synced, file.synced, between, between, size};
    kept = choices[random() % 5];
    std::filesystem::resize_file(path(name), kept);
    // A page in between may not have been written when a later one was.
    if (kept > file.synced && random() % 4 == 0) {
      const std::uint64_t from = file.synced + random() % (kept - file.synced);
      const std::uint64_t page = std::max(file.synced, from / kPage * kPage);
      write_zeroes(path(name), page, std::min(kept, (page / kPage + 1) * kPage));
    }
  }
  for (const auto& [from, to] : file.lost)
    if (from < kept) write_zeroes(path(name), from, std::min(kept, to));
}

}  // namespace headgate
