// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "base/environment.hpp"
#include "bucket/bucket.hpp"
#include "sequence/epochs.hpp"
#include "sequence/horizon.hpp"

namespace headgate {

/// Histories of a bucket's partitions, by number.
using Histories = std::shared_ptr<const std::vector<HistoryId>>;

/// The horizon of a database on which several nodes draw sequences (R6), as one node knows it:
/// its record and the counter in the cache bucket, the epoch record in the base bucket. What
/// horizon() says survives a failover: it was read or written before a barrier that both buckets
/// answered under the same histories.
/// Confined to its executor; calls may overlap. Environment and buckets must outlive it.
///
/// Every step is a compare-and-swap and may be repeated: whoever loses one, or does not learn its
/// outcome, reads again what stands there (I8).
class SharedHorizon {
 public:
  struct Options {
    std::uint64_t chunk = 10'000;
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);
  };

  SharedHorizon(Environment& environment, Bucket& base, Bucket& cache, DatabaseId database,
                Options options)
      : environment_(environment),
        base_(base),
        cache_(cache),
        database_(database),
        options_(options) {}

  /// Learns what other nodes did. Makes the records of a new database; begins a new epoch if the
  /// counter's history is another one, a new generation if the cache bucket was emptied (C6).
  /// Errors: unavailable, overloaded, no_space, timeout_unknown_outcome, corrupted, unsupported:
  /// nothing is known that was not before; try again.
  Task<Result<void>> follow();
  /// What follow() learned last is what the present masters know: no old one has answered (F11).
  /// Errors: unavailable, also where it is not, or has changed meanwhile; as follow().
  Task<Result<void>> confirm();
  /// Makes the numbers up to `needed` usable. Errors: as follow().
  Task<Result<void>> raise(Sequence needed);
  /// Makes sure that an epoch later than the one followed last has begun (R11), and that whoever
  /// comes from an earlier one continues from `floor` at the latest (R17). Errors: as follow().
  Task<Result<void>> begin_epoch(Sequence floor);
  /// The cache bucket was found empty by somebody else's record: as follow(), with a generation
  /// later than `present`.
  Task<Result<void>> begin_generation(std::uint32_t present);

  /// Epoch 0 before the first call succeeded.
  const Horizon& horizon() const { return horizon_; }
  const Epochs& epochs() const { return epochs_; }
  std::uint32_t generation() const { return generation_; }

 private:
  struct Wish {
    Sequence needed = {};
    Epoch after = {};  // the epoch must be later
    Sequence floor = Epochs::kNoFloor;
    std::optional<std::uint32_t> generation_after = {};
  };
  // What stands in both buckets, as one attempt read and wrote it.
  struct Records {
    EpochRecord epochs;
    Cas epochs_cas;
    HistoryId epochs_history;
    std::optional<Horizon> horizon;
    Cas horizon_cas;
    HistoryId horizon_history;
  };
  // Done, or somebody else was faster, or a history has changed: to be tried again.
  enum class Step : std::uint8_t { done, again };

  Task<Result<void>> fulfil(Wish wish);
  Task<Result<Step>> attempt(Wish wish);
  Task<Result<Step>> begin_generation(Records records);
  Task<Result<Records>> load();
  Task<Result<Step>> store_epochs(Records& records, EpochRecord wanted);
  Task<Result<Step>> store_horizon(Records& records, Horizon wanted);
  Task<Result<Step>> lift_counter(const Records& records);
  Task<Result<Step>> pass_barrier(const Records& records);
  Horizon next_epoch(const Records& records) const;
  std::uint64_t chunk() const;
  Horizon wanted(const Records& records, const Wish& wish) const;
  void adopt(const Records& records);
  Deadline deadline() const { return environment_.now() + options_.timeout; }

  Environment& environment_;
  Bucket& base_;
  Bucket& cache_;
  DatabaseId database_;
  Options options_;
  Horizon horizon_;
  Epochs epochs_;
  std::uint32_t generation_ = 0;
};

}  // namespace headgate
