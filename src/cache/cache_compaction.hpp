// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "cache/cache_writer_context.hpp"
#include "cache/channel_compaction.hpp"
#include "cache/superseded_survey.hpp"

namespace headgate {

/// The cache writer's compaction (R19): now and then it reads all sequence documents up to the
/// floor, finds what newer writes have superseded, takes that out of the channels' closed blocks,
/// and removes its sequence documents, with the dead ones (sequence_fold.hpp). Runs beside the
/// cache writer's circle, in steps of at most 1,000 documents, and ends when the walk does under
/// which it was begun. Confined to its executor; runs do not overlap.
class CacheCompaction {
 public:
  explicit CacheCompaction(CacheWriterContext& context) : context_(context) {}

  /// Enough was written since the last time, or somebody asked: run() has something to do. Cheap.
  bool is_due() const;
  bool is_running() const { return is_running_; }
  /// From now on it counts as running. REQUIRES: is_due(), not running.
  Task<void> run();
  /// Next time, however little was written.
  void request() { is_requested_ = true; }
  /// What runs ends soon, and nothing is due until resume().
  void interrupt() { is_interrupted_ = true; }
  void resume() { is_interrupted_ = false; }

 private:
  // Of the last time: what is stored for the next cache writer. Without it more is read than
  // needed.
  struct Progress {
    Sequence to;
    std::uint64_t live = 0;  ///< sequence documents that were left
  };

  Task<void> finish(Task<Result<void>> pass);
  Task<Result<void>> pass();
  Task<Result<void>> load_progress();
  Task<Result<void>> store_progress(Progress progress);
  Key progress_key() const;
  Task<Result<Sequence>> survey(const ChannelCompaction::Site& site, std::size_t most,
                                SupersededSurvey& found);
  Task<Result<void>> compact_channels(const ChannelCompaction::Site& site,
                                      const SupersededSurvey& found);
  Task<Result<void>> drop_documents(const ChannelCompaction::Site& site,
                                    const SupersededSurvey& found);
  Task<Result<void>> drop_step(const ChannelCompaction::Site& site,
                               std::vector<SupersededSurvey::Document> documents);
  Sequence floor() const;
  bool is_in_doubt(const StableRecord& record, Sequence sequence) const;
  Result<void> check(const ChannelCompaction::Site& site) const;
  bool is_worth_it() const;

  CacheWriterContext& context_;
  Progress progress_;
  std::optional<std::uint32_t> loaded_for_;  // generation
  TimePoint not_before_{};
  int failures_ = 0;  // in a row
  bool is_running_ = false;
  bool is_requested_ = false;
  bool is_interrupted_ = false;
};

}  // namespace headgate
