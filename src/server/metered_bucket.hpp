// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/duration_histogram.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// The steps of a document's write at the bucket, in their order.
enum class WriteStage : std::uint8_t { document, cache_blocks, sequence_document };
inline constexpr std::size_t kWriteStages = 3;

/// What reads at the bucket are for, by the kind of their key.
enum class ReadKind : std::uint8_t { document, principal, cache, other };
inline constexpr std::size_t kReadKinds = 4;

/// Times the write stages, and counts the reads, that pass through to another bucket. Confined to
/// its executor; `inner` and the environment must outlive it.
class MeteredBucket final : public Bucket {
 public:
  MeteredBucket(Environment& environment, Bucket& inner)
      : environment_(environment), inner_(inner) {}

  const DurationHistogram& histogram(WriteStage stage) const {
    return histograms_[static_cast<std::size_t>(stage)];
  }
  /// Keys asked for, and pages of scans.
  std::uint64_t reads(ReadKind kind) const { return reads_[static_cast<std::size_t>(kind)]; }

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override {
    count_read(scan.kind);
    return inner_.scan(std::move(scan), deadline);
  }
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override {
    return inner_.barrier(deadline);
  }
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
  Task<std::vector<Reply>> timed(std::vector<Operation> operations, Deadline deadline,
                                 WriteStage stage);
  void count_read(KeyKind kind);

  Environment& environment_;
  Bucket& inner_;
  std::array<DurationHistogram, kWriteStages> histograms_;
  std::array<std::uint64_t, kReadKinds> reads_{};
};

}  // namespace headgate
