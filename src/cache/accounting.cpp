// SPDX-License-Identifier: Apache-2.0
#include "cache/accounting.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace headgate {

void Accounting::account(Sequence first, Sequence last) {
  HG_ASSERT(first <= last);
  if (last <= stable_) return;
  first = std::max(first, stable_.next());
  // All ranges that touch the new one are joined with it.
  auto it = above_.upper_bound(first);
  if (it != above_.begin() && std::prev(it)->second.next() >= first) --it;
  while (it != above_.end() && it->first <= last.next()) {
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    it = above_.erase(it);
  }
  if (first == stable_.next())
    stable_ = last;
  else
    above_.emplace(first, last);
}

bool Accounting::is_accounted(Sequence sequence) const {
  if (sequence <= stable_) return true;
  const auto after = above_.upper_bound(sequence);
  return after != above_.begin() && std::prev(after)->second >= sequence;
}

std::vector<DeadRanges::Range> Accounting::gaps(Sequence upto) const {
  std::vector<DeadRanges::Range> found;
  Sequence from = stable_.next();
  for (const auto& [first, last] : above_) {
    if (from > upto) return found;
    found.push_back({from, std::min(upto, first.previous())});
    from = last.next();
  }
  if (from <= upto) found.push_back({from, upto});
  return found;
}

std::size_t Accounting::count_gaps(Sequence upto) const {
  if (above_.empty()) return has_gap(upto) ? 1 : 0;
  const Sequence last = above_.rbegin()->second;
  if (upto < last) return gaps(upto).size();
  return above_.size() + (upto > last ? 1 : 0);  // one before each range, and what follows them
}

}  // namespace headgate
