// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "bucket/bucket.hpp"

namespace headgate {

/// Counts what passes through to another bucket: for tests that state how many bucket steps
/// something takes. Confined to its executor; `inner` must outlive it.
class CountingBucket final : public Bucket {
 public:
  explicit CountingBucket(Bucket& inner) : inner_(inner) {}

  std::size_t pipelines() const { return pipelines_; }
  /// Pipelines that were waited for one after the other: one that begins while another is under way
  /// belongs to its step.
  std::size_t steps() const { return steps_; }
  std::size_t scans() const { return scans_; }
  std::size_t barriers() const { return barriers_; }
  std::size_t operations() const;
  /// Operations of one type, as count<operation::Append>(), and perhaps of one kind of key.
  template <class Op>
  std::size_t count() const {
    std::size_t sum = 0;
    for (const auto& [what, n] : by_kind_) {
      if (what.first == Operation(Op{}).index()) sum += n;
    }
    return sum;
  }
  template <class Op>
  std::size_t count(KeyKind kind) const {
    const auto at = by_kind_.find({Operation(Op{}).index(), kind});
    return at == by_kind_.end() ? 0 : at->second;
  }
  void reset();

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override;
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override;
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override {
    return inner_.open_feed(database, std::move(positions));
  }
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override {
    return inner_.drop_database(database, deadline);
  }
  PartitionNumber partition_of(const Key& key) const override { return inner_.partition_of(key); }
  std::size_t partition_count() const override { return inner_.partition_count(); }
  std::vector<HistoryId> histories() const override { return inner_.histories(); }

 private:
  Bucket& inner_;
  std::size_t pipelines_ = 0;
  std::size_t steps_ = 0;
  std::size_t under_way_ = 0;
  std::size_t scans_ = 0;
  std::size_t barriers_ = 0;
  std::map<std::pair<std::size_t, KeyKind>, std::size_t> by_kind_;
};

}  // namespace headgate
