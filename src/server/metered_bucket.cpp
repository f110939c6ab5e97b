// SPDX-License-Identifier: Apache-2.0
#include "server/metered_bucket.hpp"

#include <algorithm>
#include <optional>

namespace headgate {

namespace {

/// The stage that a pipeline belongs to, by its first write; none: reads and other writes.
std::optional<WriteStage> stage_of(const std::vector<Operation>& operations) {
  const auto write = std::ranges::find_if(operations, is_write);
  if (write == operations.end()) return std::nullopt;
  switch (key_of(*write).kind) {
    case KeyKind::document:
      return WriteStage::document;
    case KeyKind::block:
    case KeyKind::channel_counter:
      return WriteStage::cache_blocks;
    case KeyKind::sequence_document:
      return WriteStage::sequence_document;
    default:
      return std::nullopt;
  }
}

ReadKind read_kind_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::document:
    case KeyKind::revision_body:
    case KeyKind::attachment:
      return ReadKind::document;
    case KeyKind::principal:
      return ReadKind::principal;
    default:
      return kind >= KeyKind::block ? ReadKind::cache : ReadKind::other;
  }
}

}  // namespace

Task<std::vector<Reply>> MeteredBucket::pipeline(std::vector<Operation> operations,
                                                 Deadline deadline) {
  for (const Operation& operation : operations)
    if (!is_write(operation)) count_read(key_of(operation).kind);
  const auto stage = stage_of(operations);
  if (!stage) return inner_.pipeline(std::move(operations), deadline);
  return timed(std::move(operations), deadline, *stage);
}

void MeteredBucket::count_read(KeyKind kind) {
  ++reads_[static_cast<std::size_t>(read_kind_of(kind))];
}

Task<std::vector<Reply>> MeteredBucket::timed(std::vector<Operation> operations, Deadline deadline,
                                              WriteStage stage) {
  const TimePoint begin = environment_.now();
  auto replies = co_await inner_.pipeline(std::move(operations), deadline);
  histograms_[static_cast<std::size_t>(stage)].add(environment_.now() - begin);
  co_return replies;
}

}  // namespace headgate
