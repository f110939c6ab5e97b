// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "cache/cache_writer_context.hpp"
#include "cache/entry_judgement.hpp"

namespace headgate {

/// The cache writer's look at every feed entry that is not settled: was its cache work done? If
/// not, does it, or has the document resequenced (R7, R9). Confined to its executor; calls do not
/// overlap.
class EntryRepair {
 public:
  explicit EntryRepair(CacheWriterContext& context) : context_(context) {}

  /// Looks at the entries that are due. One that fails keeps the others from nothing.
  /// `is_alone`: nobody else is at work on them.
  Task<Result<void>> look(bool is_alone);

 private:
  struct Looked {
    EntryPlace place;
    Judgement judgement;
  };

  Task<std::vector<Looked>> judge_all(std::vector<EntryPlace> places,
                                      const KnownDocuments& documents);
  Task<std::vector<Looked>> bury_absent(std::vector<Looked> looked);
  Task<void> settle(EntryPlace place);
  Task<Result<void>> purge(std::vector<EntryPlace> places);
  Task<Result<void>> kill_purged(const std::vector<EntryPlace>& places);
  Task<Result<void>> pass_base_barrier();
  Task<Result<void>> pass_cache_barrier();
  Task<Result<KnownDocuments>> load_documents(const std::vector<EntryPlace>& places);
  Task<Result<void>> read_documents(std::vector<Sequence> sequences, KnownDocuments& into);
  JudgementContext context_for(const PendingEntry& pending) const;
  Task<Result<void>> search_blocks(EntryPlace place, const KnownDocuments& documents,
                                   Judgement& judgement);
  Task<Result<void>> repair(std::vector<EntryPlace> places);
  Task<void> leave_numbers(std::vector<EntryPlace> places);
  Task<std::vector<Result<std::optional<CacheEntry>>>> entries_of(std::vector<EntryPlace> places);
  Task<void> resequence_all(std::vector<Looked> moved);
  Task<Result<void>> resequence(EntryPlace place, std::vector<Sequence> unlisted);
  void fail(EntryPlace place, const Error& why);
  std::chrono::nanoseconds repair_delay() const;

  CacheWriterContext& context_;
  bool is_alone_ = false;
};

/// Trying again would not help.
bool is_permanent(Errc code);

}  // namespace headgate
