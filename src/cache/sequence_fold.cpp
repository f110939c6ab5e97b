// SPDX-License-Identifier: Apache-2.0
#include "cache/sequence_fold.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {

operation::Insert insert_unless_folded(const CacheSpace& space, const SequenceDocument& document,
                                       WriteOptions options) {
  const Sequence sequence = document.entry.sequence;
  std::vector<Condition> conditions;
  if (HG_RULE("R19 closed")) conditions.push_back({space.fold_key(sequence), {}});
  return {space.sequence_key(sequence), document.encode(), std::move(options),
          std::move(conditions)};
}

Task<Result<std::vector<Sequence>>> find_folded(const CacheSpace& space,
                                                std::vector<Sequence> missing,
                                                std::vector<HistoryId> cache_histories) {
  if (missing.empty()) co_return missing;
  std::sort(missing.begin(), missing.end());
  std::vector<Key> folds;
  Sequence last;  // of the tag that was asked for last
  for (const Sequence s : missing) {
    if (!folds.empty() && s <= last) continue;
    folds.push_back(space.fold_key(s));
    last = space.last_of_tag(s);
  }
  const auto replies = co_await space.bucket.get_many(folds, space.deadline());
  std::vector<Sequence> folded;
  auto next = missing.begin();
  for (std::size_t i = 0; i < folds.size(); ++i) {
    const Reply& fold = replies[i];
    if (!fold.ok() && fold.status != Errc::not_found) co_return fold.status;
    if (fold.history != cache_histories.at(space.bucket.partition_of(folds[i]).value()))
      co_return Errc::rolled_back;
    const Sequence end = space.last_of_tag(*next);
    for (; next != missing.end() && *next <= end; ++next)
      if (fold.ok()) folded.push_back(*next);
  }
  co_return folded;
}

}  // namespace headgate
