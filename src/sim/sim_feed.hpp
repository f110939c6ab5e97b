// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "sim/sim_caller.hpp"

namespace headgate {

/// The feed that SimBucket::open_feed returns: one fetch after the other, each from one partition
/// that has something new. A fetch outlives the call that began it: a later one takes its reply.
class SimFeed final : public MutationFeed {
 public:
  SimFeed(SimEnvironment& environment, SimStore& store, DatabaseId database,
          FeedPositions positions);
  ~SimFeed() override;

  Task<Result<std::vector<FeedEntry>>> next(std::size_t limit, Deadline deadline) override;
  FeedPositions positions() const override { return positions_; }
  Task<Result<FeedPositions>> heads(Deadline deadline) override;

 private:
  struct Question {
    PartitionNumber partition;
    SimPending<SimFetched> pending;
    TimePoint give_up;
  };

  Task<Result<std::vector<FeedEntry>>> run_next(std::size_t limit, Deadline deadline);
  Task<Result<FeedPositions>> run_heads(Deadline deadline);
  bool is_disconnected();
  /// A partition that has something new for this reader, by chance one of several.
  std::optional<PartitionNumber> choose();
  bool has_news(PartitionNumber partition);
  Question ask(PartitionNumber partition, std::size_t limit);
  /// What `fetched` means for this reader: entries, nothing yet, or rolled_back.
  Result<std::vector<FeedEntry>> take(PartitionNumber partition, SimFetched fetched);
  /// When a stall or a hold ends; kNoDeadline if there is none.
  TimePoint next_release() const;
  ChoiceScope scope() const;

  SimCaller caller_;
  const DatabaseId database_;
  FeedPositions positions_;
  std::optional<Question> asked_;
  std::vector<TimePoint> stalled_until_;
  Signal changed_;
  std::uint64_t watch_;
};

}  // namespace headgate
