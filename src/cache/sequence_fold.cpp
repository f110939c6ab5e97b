// SPDX-License-Identifier: Apache-2.0
#include "cache/sequence_fold.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {
namespace {

constexpr char kFormat = 1;

/// Of the tags of `numbers`, which ascend: each once.
std::vector<Key> fold_keys(const CacheSpace& space, const std::vector<Sequence>& numbers) {
  std::vector<Key> keys;
  Sequence last;  // of the last key's tag
  for (const Sequence s : numbers) {
    if (!keys.empty() && s <= last) continue;
    keys.push_back(space.fold_key(s));
    last = space.last_of_tag(s);
  }
  return keys;
}

}  // namespace

operation::Insert insert_unless_folded(const CacheSpace& space, const SequenceDocument& document,
                                       WriteOptions options) {
  const Sequence sequence = document.entry.sequence;
  std::vector<Condition> conditions;
  if (HG_RULE("R19 closed")) conditions.push_back({space.fold_key(sequence), {}});
  return {space.sequence_key(sequence), document.encode(), std::move(options),
          std::move(conditions)};
}

Task<Result<void>> write_folds(const CacheSpace& space, std::vector<Sequence> numbers,
                               std::vector<HistoryId> cache_histories) {
  std::vector<Operation> inserts;
  for (Key& key : fold_keys(space, numbers)) {
    WriteOptions options;
    options.if_history = cache_histories.at(space.bucket.partition_of(key).value());
    inserts.push_back(
        operation::Insert{std::move(key), std::string(1, kFormat), std::move(options), {}});
  }
  if (inserts.empty()) co_return Result<void>();
  const auto replies = co_await space.bucket.pipeline(std::move(inserts), space.deadline());
  for (const Reply& reply : replies)
    if (!reply.ok() && reply.status != Errc::exists)
      co_return Error{reply.status, "folding sequence documents"};
  HG_PROBE("R19 folded");
  co_return Result<void>();
}

Task<Result<std::vector<Sequence>>> find_folded(const CacheSpace& space,
                                                std::vector<Sequence> missing,
                                                std::vector<HistoryId> cache_histories) {
  if (missing.empty()) co_return missing;
  std::sort(missing.begin(), missing.end());
  const std::vector<Key> keys = fold_keys(space, missing);
  const auto replies = co_await space.bucket.get_many(keys, space.deadline());
  std::vector<Sequence> folded;
  auto next = missing.begin();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Reply& fold = replies[i];
    if (!fold.ok() && fold.status != Errc::not_found) co_return fold.status;
    if (fold.history != cache_histories.at(space.bucket.partition_of(keys[i]).value()))
      co_return Errc::rolled_back;
    const Sequence end = space.last_of_tag(*next);
    for (; next != missing.end() && *next <= end; ++next)
      if (fold.ok()) folded.push_back(*next);
  }
  co_return folded;
}

}  // namespace headgate
