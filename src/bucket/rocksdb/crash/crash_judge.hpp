// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bucket/history.hpp"
#include "bucket/rocksdb/crash/crash_model.hpp"
#include "bucket/rocksdb/crash/crash_record.hpp"

namespace headgate {

/// What was found when the store was opened after the end of a process.
struct FoundStore {
  StoreContents contents;
  bool is_clean = false;
  HistoryId history;
  std::vector<HistoryStart> histories;
  /// By database: what its feed shows from the reader's stored checkpoint on.
  std::map<std::uint16_t, std::map<StoreContents::Slot, StoreContents::Entry>> feed_after;
  std::string complaint;  ///< of the reading itself
};

enum class End : std::uint8_t {
  killed,      ///< the process was killed: its writes to the disk are all there
  power_lost,  ///< what was not synced may be gone
};

/// Says whether what was found is what the operations allow, and remembers it as the beginning of
/// the next process. All checks of the crash loop that are not about one process alone are here.
class CrashJudge {
 public:
  /// The first thing that is wrong; empty: nothing.
  std::string judge(const CrashRecord& record, End end, const FoundStore& found);

  const StoreContents& contents() const { return model_.contents; }
  std::size_t operations() const { return operations_; }
  std::size_t lost() const { return lost_; }

 private:
  using Feed = std::map<StoreContents::Slot, StoreContents::Entry>;
  /// A way in which what was found can have come about: so many operations survived.
  struct Match {
    std::size_t survivors = 0;
    CrashModel model;
  };

  std::string check_answers(const CrashRecord& record) const;
  std::string check_shown(const CrashRecord& record) const;
  std::string check_histories(const CrashRecord& record, const FoundStore& found) const;
  std::string check_end(const CrashRecord& record, const FoundStore& found,
                        const Match& match) const;
  std::string check_feeds(const CrashRecord& record, const FoundStore& found, const Match& match);
  std::string find_match(const CrashRecord& record, End end, const FoundStore& found,
                         bool with_unknown, Match& into) const;
  static std::string apply(const CrashOperation& operation, std::size_t i, CrashModel& model);
  std::string begin_versions(const CrashRecord& record, const FoundStore& found,
                             CrashModel& model) const;
  std::size_t must_survive(const CrashRecord& record, End end) const;

  CrashModel model_;
  std::uint64_t given_ = 0;              ///< no higher version was ever given
  std::map<std::uint16_t, Feed> shown_;  // to each reader up to its stored checkpoint
  HistoryId history_;
  bool ended_cleanly_ = false;
  std::size_t operations_ = 0;
  std::size_t lost_ = 0;
};

}  // namespace headgate
