// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string_view>

#include "base/types.hpp"

namespace headgate {

/// The databases that were dropped and whose keys are still in the store. Readers take them as
/// absent, compactions leave them out. RocksDB's own range deletions do not do: beside them,
/// iterators and compactions of 7.8 skip keys without a word when a read of one file fails or would
/// block (facebook/rocksdb#11782, #11786). Safe from any thread.
class DroppedDatabases {
 public:
  void add(DatabaseId database);
  void remove(DatabaseId database);
  bool contains(DatabaseId database) const;
  /// Of the database that a key of any column family but "default" begins with.
  bool contains_key(std::string_view stored) const;
  std::optional<DatabaseId> any() const;
  std::size_t size() const { return size_; }

 private:
  mutable std::shared_mutex mutex_;
  std::set<DatabaseId> databases_;
  std::atomic<std::size_t> size_ = 0;
};

}  // namespace headgate
