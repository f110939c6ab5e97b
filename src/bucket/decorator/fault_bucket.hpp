// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "bucket/bucket.hpp"

namespace headgate {

/// A bucket whose operations fail, wait or end the process where a test says so (F1-F3). A pipeline
/// is split at every operation that a fault strikes, so that what stands before it is carried out
/// before. Confined to its executor; `inner` must outlive it.
///
///   bucket.inject({.matches = of_kind(KeyKind::block), .code = Errc::unavailable});
class FaultBucket final : public Bucket {
 public:
  using Matches = std::function<bool(const Operation&)>;
  enum class Moment : std::uint8_t { before, after };
  enum class Effect : std::uint8_t {
    fail,          ///< `code` instead of the reply
    hold,          ///< waits for release(); past its deadline the caller has no answer, and the
                   ///< operation is carried out at the release (F3)
    exit_process,  ///< _exit(kExitStatus)
  };
  struct Fault {
    Matches matches = [](const Operation&) { return true; };
    Moment moment = Moment::before;
    Effect effect = Effect::fail;
    Errc code = Errc::unavailable;
    std::size_t skip = 0;   ///< lets so many matching operations pass first
    std::size_t times = 1;  ///< then strikes so many
  };
  static constexpr int kExitStatus = 86;

  FaultBucket(Environment& environment, Bucket& inner);

  /// Faults are tried in the order of their injection; the first that strikes is the one.
  void inject(Fault fault);
  /// Fails whole calls of pipeline, scan, barrier, drop_database, heads and, with `unavailable`,
  /// next alike, before or after they are carried out: the next `times` after `skip` of them.
  void fail_calls(Errc code, std::size_t skip = 0, std::size_t times = 1,
                  Moment moment = Moment::before);
  /// Feeds show nothing until release().
  void hold_feeds() { are_feeds_held_ = true; }
  /// Lets go of whatever is held and forgets the faults that hold.
  void release();
  /// Forgets every fault; what is held stays held.
  void clear();

  /// Operations that wait for release().
  std::size_t held() const { return held_; }
  /// Faults that struck.
  std::size_t struck() const { return struck_; }
  /// Raised at every change of held() or struck().
  Signal& changed() { return changed_; }

  Task<std::vector<Reply>> pipeline(std::vector<Operation> operations, Deadline deadline) override;
  Task<Result<ScanPage>> scan(Scan scan, Deadline deadline) override;
  Task<Result<std::vector<HistoryId>>> barrier(Deadline deadline) override;
  Result<std::unique_ptr<MutationFeed>> open_feed(DatabaseId database,
                                                  FeedPositions positions) override;
  Task<Result<void>> drop_database(DatabaseId database, Deadline deadline) override;
  PartitionNumber partition_of(const Key& key) const override { return inner_.partition_of(key); }
  std::size_t partition_count() const override { return inner_.partition_count(); }
  std::vector<HistoryId> histories() const override { return inner_.histories(); }

 private:
  friend class FaultFeed;
  struct Strike {
    Moment moment;
    Effect effect;
    Errc code;
  };

  std::optional<Strike> strike(const Operation& operation);
  std::optional<Strike> failed_call();
  bool does_fail_feeds() const {
    return call_fault_ && call_fault_->code == Errc::unavailable &&
           call_fault_->moment == Moment::before;
  }
  Task<Reply> carry_out(Operation operation, Strike how, Deadline deadline);
  Task<Reply> held_before(Operation operation, Deadline deadline);
  Task<bool> wait_for_release(Deadline deadline);
  Task<void> carry_out_late(Operation operation);

  Environment& environment_;
  Bucket& inner_;
  std::list<Fault> faults_;
  std::optional<Fault> call_fault_;
  bool are_feeds_held_ = false;
  std::size_t held_ = 0;
  std::size_t struck_ = 0;
  Signal changed_;
  Signal released_;
  TaskScope late_;
};

/// Matches operations on keys of one kind.
FaultBucket::Matches of_kind(KeyKind kind);
/// Matches writes to keys of one kind.
FaultBucket::Matches writes_of_kind(KeyKind kind);

}  // namespace headgate
