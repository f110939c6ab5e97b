// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/key_states.hpp"

namespace headgate {

const KeyState* KeyStates::find(std::string_view stored_key) {
  const auto at = entries_.find(stored_key);
  if (at == entries_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, at->second);
  return &at->second->second;
}

void KeyStates::put(std::string_view stored_key, const KeyState& state) {
  if (const auto at = entries_.find(stored_key); at != entries_.end()) {
    at->second->second = state;
    by_use_.splice(by_use_.begin(), by_use_, at->second);
    return;
  }
  by_use_.emplace_front(std::string(stored_key), state);
  entries_.emplace(by_use_.front().first, by_use_.begin());
  if (entries_.size() <= capacity_) return;
  entries_.erase(by_use_.back().first);
  by_use_.pop_back();
}

}  // namespace headgate
