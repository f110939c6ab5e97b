// SPDX-License-Identifier: Apache-2.0
#include "changes/newest_changes.hpp"

#include <utility>

namespace headgate {

void NewestChanges::add(PickedChange picked, const SequenceId& seq) {
  const std::string id = picked.change.entry().doc_id.text();
  if (const auto known = by_id_.find(id); known != by_id_.end()) items_.erase(known->second);
  items_.push_back({std::move(picked), seq});
  by_id_[id] = std::prev(items_.end());
  if (items_.size() <= most_) return;
  by_id_.erase(items_.front().picked.change.entry().doc_id.text());
  items_.pop_front();
  has_dropped_ = true;
}

std::vector<NewestChanges::Item> NewestChanges::take(std::size_t count) {
  std::vector<Item> taken;
  for (; count > 0 && !items_.empty(); --count) {
    taken.push_back(std::move(items_.back()));
    items_.pop_back();
  }
  return taken;
}

}  // namespace headgate
