// SPDX-License-Identifier: Apache-2.0
#include "changes/row_cache.hpp"

#include <utility>

namespace headgate {
namespace {

// What a row costs beside its text: key, pointer, hash node.
constexpr std::size_t kBytesPerRow = 160;

}  // namespace

std::size_t RowCache::Hash::operator()(const Key& key) const noexcept {
  const std::size_t hash = std::hash<Sequence>()(key.sequence) * 64 + key.variant;
  return key.removed.empty() ? hash : hash ^ std::hash<std::string>()(key.removed);
}

RowCache::Row RowCache::find(const Key& key) {
  if (const auto it = young_.find(key); it != young_.end()) {
    ++hits_;
    return it->second;
  }
  const auto it = old_.find(key);
  if (it == old_.end()) return nullptr;
  ++hits_;
  Row row = it->second;
  keep(key, row);
  return row;
}

void RowCache::add(const Key& key, Row row) {
  ++made_;
  keep(key, std::move(row));
}

void RowCache::keep(const Key& key, Row row) {
  const std::size_t bytes = row->size() + key.removed.size() + kBytesPerRow;
  if (young_bytes_ + bytes > bytes_max_ / 2) {
    old_ = std::exchange(young_, {});
    old_bytes_ = std::exchange(young_bytes_, 0);
  }
  if (bytes > bytes_max_ / 2) return;
  if (young_.emplace(key, std::move(row)).second) young_bytes_ += bytes;
}

bool RowCache::claim(const Key& key) {
  return claims_.insert(key).second;
}

void RowCache::release(const Key& key) {
  if (claims_.erase(key) > 0) filled_.raise();
}

}  // namespace headgate
