// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cache/stable_record.hpp"
#include "database/catalog.hpp"
#include "database/range_copy.hpp"

namespace headgate {

/// Moves all databases of an embedded store to the buckets of a cluster. Nobody else may use either
/// side meanwhile. What the base bucket holds is copied under the same keys, then compared; the
/// channel cache is not: the first node that serves builds it, as it does for an emptied cache
/// bucket (C6), with all documents at their numbers, so that every token and checkpoint stays good.
/// May end anywhere and be run again, also after the source has served in between: the result is
/// the same. Until it is complete no node serves from the target.
/// Confined to its executor. What is passed in must outlive it.
class StoreCopy {
 public:
  struct Dependencies {
    Environment& environment;
    Bucket& source;  ///< base and cache in one
    Bucket& base;    ///< of the target
    Bucket& cache;   ///< may be the same
  };
  enum class Step : std::uint8_t { preparing, copying, comparing, finishing, done };
  struct Progress {
    Step step = Step::preparing;
    std::string database;       ///< at work on
    std::size_t databases = 0;  ///< in all
    std::size_t finished = 0;   ///< of them, in this step
    unsigned percent = 0;       ///< of this database, in this step
    CopyCounts counts;          ///< of all steps
  };

  /// `durabilities`: what the target can promise. A database that promises `disk` where only
  /// `replicated` is there gets that, and the reverse.
  StoreCopy(Dependencies dependencies, std::set<Durability> durabilities)
      : with_(dependencies), durabilities_(std::move(durabilities)) {}

  /// Errors, with a context for people. Nothing was written to the target: invalid_argument (a
  /// database's durability cannot be promised there), exists (the target has databases, or nodes
  /// that serve), unsupported (the source's channel cache is elsewhere, or it was
  /// restored from a backup: tokens of before are void). Else run it again:
  /// conflict (a difference was found), rolled_back (the target has lost its history), cancelled,
  /// and as Bucket::pipeline.
  Task<Result<void>> run();
  /// Ends run() soon: `cancelled`.
  void stop() { is_stopping_ = true; }
  const Progress& progress() const { return progress_; }

 private:
  // A database at rest: all its numbers are settled.
  struct Resting {
    DatabaseEntry entry;
    StableRecord record;
  };

  Task<Result<std::vector<Resting>>> prepare();
  Result<Durability> settled(const DatabaseEntry& entry) const;
  Task<Result<Resting>> rest(DatabaseEntry entry);
  Task<Result<std::optional<StableRecord>>> record_at_rest(const DatabaseEntry& entry);
  Task<Result<void>> walk(const std::vector<Resting>& all, CopyMode mode);
  Task<Result<void>> walk_one(const DatabaseEntry& entry, CopyMode mode);
  Task<Result<void>> finish(const std::vector<Resting>& all, std::vector<HistoryId> histories);
  Task<Result<void>> write_records(const Resting& database, std::vector<HistoryId> histories);
  Task<Result<std::uint32_t>> unused_generation(DatabaseId database);
  Deadline deadline() const { return with_.environment.now() + std::chrono::seconds(30); }

  Dependencies with_;
  std::set<Durability> durabilities_;
  Progress progress_;
  bool is_stopping_ = false;
};

}  // namespace headgate
