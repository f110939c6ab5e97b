// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bucket/rocksdb/crash/disk_journal.hpp"

namespace headgate {

/// What of a directory's files would survive a power failure. Follows the journals of the processes
/// that used it, one after the other.
class DurableFiles {
 public:
  DurableFiles(std::string directory, std::string shadows)
      : directory_(std::move(directory)), shadows_(std::move(shadows)) {}

  void replay(const DiskJournal& journal);
  /// Leaves of the directory what is durable, and by chance some of the rest: a file keeps any
  /// length between, or has zeroes where pages were not written; of the changes of entries a
  /// prefix.
  void cut_power(std::mt19937_64& random);

 private:
  struct File {
    std::uint64_t synced = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> lost;  // ranges [from, to)
  };
  struct EntryChange {
    DiskEvent::Kind kind;  // create, rename, remove
    std::string name;
    std::string to;
    std::uint64_t shadow;
    std::optional<File> file;  // of what was removed or replaced
  };

  void apply(const DiskEvent& event);
  void undo(const EntryChange& change);
  void drop_shadows() const;
  void restore(const std::string& name, const EntryChange& change);
  void cut(const std::string& name, const File& file, std::mt19937_64& random) const;
  std::optional<File> take(const std::string& name);
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  const std::string shadows_;
  bool is_directory_durable_ = true;
  std::map<std::string, File> files_;  // the others are durable as they are
  std::vector<EntryChange> changes_;   // not durable yet
};

}  // namespace headgate
