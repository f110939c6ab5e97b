// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "sim/sim_caller.hpp"
#include "sim/sim_store.hpp"

namespace headgate {

/// One node's access to a simulated store. To call it, or its feeds, when the node has crashed is a
/// bug: HG_ASSERT.
class SimBucket final : public Bucket {
 public:
  SimBucket(SimEnvironment& environment, SimStore& store);

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override;
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override;
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override;
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override;
  PartitionNumber partition_of(const Key& key) const override;
  std::size_t partition_count() const override { return histories_.size(); }
  std::vector<HistoryId> histories() const override { return histories_; }

 private:
  Task<std::vector<Reply>> run_pipeline(std::vector<Operation> operations, Deadline deadline);
  Task<Result<ScanPage>> run_scan(Scan scan, Deadline deadline);
  Task<Result<std::vector<HistoryId>>> run_barrier(Deadline deadline);
  Task<Result<void>> run_drop(DatabaseId database, Deadline deadline);
  SimPending<std::vector<Reply>> send_batch(PartitionNumber partition,
                                            std::shared_ptr<SimBatch> batch);
  void saw(PartitionNumber partition, HistoryId history);

  SimCaller caller_;
  std::vector<HistoryId> histories_;
};

}  // namespace headgate
