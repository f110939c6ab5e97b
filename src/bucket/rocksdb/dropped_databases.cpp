// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/dropped_databases.hpp"

#include <mutex>

#include "bucket/rocksdb/feed_record.hpp"

namespace headgate {

void DroppedDatabases::add(DatabaseId database) {
  const std::unique_lock lock(mutex_);
  databases_.insert(database);
  size_ = databases_.size();
}

void DroppedDatabases::remove(DatabaseId database) {
  const std::unique_lock lock(mutex_);
  databases_.erase(database);
  size_ = databases_.size();
}

bool DroppedDatabases::contains(DatabaseId database) const {
  if (size_ == 0) return false;
  const std::shared_lock lock(mutex_);
  return databases_.contains(database);
}

bool DroppedDatabases::contains_key(std::string_view stored) const {
  return size_ != 0 && contains(database_of_feed_key(stored));
}

std::optional<DatabaseId> DroppedDatabases::any() const {
  const std::shared_lock lock(mutex_);
  return databases_.empty() ? std::nullopt : std::optional(*databases_.begin());
}

}  // namespace headgate
