// SPDX-License-Identifier: Apache-2.0
#include "bucket/rocksdb/crash/crash_judge.hpp"

#include <algorithm>
#include <set>

namespace headgate {
namespace {

using Kind = CrashOperation::Kind;
using Phase = CrashRecord::Phase;

/// Answered so that it certainly is not done.
bool is_not_done(const CrashOperation& operation) {
  return operation.is_answered &&
         (operation.status == Errc::unavailable || operation.status == Errc::no_space ||
          operation.status == Errc::overloaded);
}

bool is_unknown(const CrashOperation& operation) {
  return operation.is_answered && operation.status == Errc::timeout_unknown_outcome;
}

/// After such a failure the store goes on.
bool is_for_space(const DiskFault& fault) {
  using Fault = DiskFault::Kind;
  return fault.kind == Fault::log_no_space || fault.kind == Fault::log_sync_no_space ||
         fault.kind == Fault::table_no_space;
}

bool is_known(const CrashOperation& operation) {
  return operation.is_answered && !is_not_done(operation) && !is_unknown(operation);
}

std::string at(const char* what, std::size_t i) {
  return std::string(what) + " (operation " + std::to_string(i) + ")";
}

std::string compare(const CrashOperation& operation, const Reply& expected, std::size_t i) {
  if (operation.status != expected.status)
    return at("answered ", i) + std::string(to_string(operation.status)) + ", expected " +
           std::string(to_string(expected.status));
  if (!operation.is_of_pipeline()) return {};
  if (operation.new_cas != expected.cas.value())
    return at("another version", i) + std::to_string(operation.new_cas) + ", expected " +
           std::to_string(expected.cas.value());
  if (operation.new_number != expected.number) return at("another number", i);
  return {};
}

}  // namespace

std::string CrashJudge::judge(const CrashRecord& record, End end, const FoundStore& found) {
  if (!found.complaint.empty()) return found.complaint;
  for (const auto check : {&CrashJudge::check_answers, &CrashJudge::check_shown})
    if (auto wrong = (this->*check)(record); !wrong.empty()) return wrong;
  Match match;
  auto wrong = find_match(record, end, found, true, match);
  if (!wrong.empty()) {
    Match without;
    const bool is_other = find_match(record, end, found, false, without).empty();
    if (!is_other) return wrong;
    match = std::move(without);
  }
  if (wrong = check_histories(record, found); !wrong.empty()) return wrong;
  if (wrong = check_end(record, found, match); !wrong.empty()) return wrong;
  if (wrong = check_feeds(record, found, match); !wrong.empty()) return wrong;
  for (std::size_t i = 0; i < record.operation_count; ++i)
    given_ = std::max(given_, record.operations[i].new_cas);
  // Those that were never answered may have been given versions, too.
  given_ = std::max(given_, match.model.version) + record.operation_count;
  if (found.is_clean) given_ = match.model.version;
  operations_ += record.operation_count;
  lost_ += record.operation_count - match.survivors;
  model_ = std::move(match.model);
  // A process that did not come to write leaves a clean store as it was, or begun anew.
  const bool was_clean = ended_cleanly_ || record.phase != Phase::starting;
  ended_cleanly_ = found.is_clean && was_clean;
  history_ = found.history;
  return {};
}

/// After a write whose outcome is unknown none succeeds, unless the disk was only full.
std::string CrashJudge::check_answers(const CrashRecord& record) const {
  bool has_failed = false;
  for (std::size_t i = 0; i < record.operation_count; ++i) {
    const CrashOperation& operation = record.operations[i];
    if (!operation.is_answered) continue;
    if (is_known(operation) && has_failed && !is_for_space(record.fault))
      return at("a write succeeded after a failed one", i);
    const bool has_fault = record.fault.kind != DiskFault::Kind::none;
    if (!is_known(operation) && !has_fault) return at("a write failed on a sound disk", i);
    has_failed = has_failed || !is_known(operation);
    if (operation.is_of_pipeline() && operation.history != record.history)
      return at("an answer of another history", i);
  }
  return {};
}

/// Entries come in order, and are those of the operations.
std::string CrashJudge::check_shown(const CrashRecord& record) const {
  std::map<std::uint16_t, std::uint64_t> last;
  for (std::size_t i = 0; i < record.shown_count; ++i) {
    const ShownEntry& shown = record.shown[i];
    if (shown.position <= last[shown.database]) return at("the feed's order", i);
    last[shown.database] = shown.position;
    if (shown.entry < record.first_id) continue;  // of an earlier process
    if (shown.entry >= record.first_id + record.operation_count) return at("an unknown entry", i);
    const CrashOperation& operation = record.operations[shown.entry - record.first_id];
    const bool is_it = operation.database == shown.database && operation.has_entry &&
                       operation.key_kind == shown.key_kind && operation.name == shown.name &&
                       (operation.kind == Kind::remove) == shown.is_removal;
    if (!is_it) return at("an entry that nobody wrote", i);
  }
  return {};
}

/// So many of the first operations have to be there.
std::size_t CrashJudge::must_survive(const CrashRecord& record, End end) const {
  std::size_t survivors = 0;
  for (std::size_t i = 0; i < record.operation_count; ++i) {
    const CrashOperation& operation = record.operations[i];
    if (!operation.is_answered || operation.status != Errc::ok) continue;
    if (end == End::killed || operation.is_durable) survivors = i + 1;
  }
  for (std::size_t i = 0; i < record.shown_count; ++i) {
    if (record.shown[i].entry < record.first_id) continue;
    survivors = std::max(survivors, record.shown[i].entry - record.first_id + 1);
  }
  return survivors;
}

/// The versions of one process begin where its first write says, and above all given before.
std::string CrashJudge::begin_versions(const CrashRecord& record, const FoundStore& found,
                                       CrashModel& model) const {
  if (record.operation_count == 0) return {};
  const CrashOperation& first = record.operations[0];
  std::uint64_t version = 0;
  if (is_known(first) && first.status == Errc::ok) {
    version = first.new_cas;
  } else if (const auto value =
                 found.contents.values.find({first.database, first.key_kind, first.name});
             value != found.contents.values.end() && value->second.bytes == first.value()) {
    version = value->second.cas;
  } else {
    return {};
  }
  if (version <= given_) return "a version that was given before: " + std::to_string(version);
  model.version = version - 1;
  return {};
}

std::string CrashJudge::find_match(const CrashRecord& record, End end, const FoundStore& found,
                                   bool with_unknown, Match& into) const {
  const std::size_t least = must_survive(record, end);
  const std::uint64_t last = found.contents.last_version();
  CrashModel model = model_;
  if (auto wrong = begin_versions(record, found, model); !wrong.empty()) return wrong;
  bool is_found = false;
  std::string difference;
  for (std::size_t i = 0; i <= record.operation_count; ++i) {
    if (i >= least && model.contents == found.contents) {
      into = Match{i, model};  // the last such: what follows may have had no effect
      is_found = true;
    } else if (i >= least && model.version >= last && difference.empty()) {
      difference = at("as it was then", i) + ": " + model.contents.differences(found.contents);
    }
    if (i == record.operation_count) break;
    const CrashOperation& operation = record.operations[i];
    if (is_not_done(operation) || (is_unknown(operation) && !with_unknown)) continue;
    if (auto wrong = apply(operation, i, model); !wrong.empty()) return wrong;
  }
  if (is_found) return {};
  return "no prefix of the operations: of " + std::to_string(record.operation_count) +
         " at least " + std::to_string(least) + " had to survive; " + difference;
}

/// Carries one out, and compares the answer that it was given.
std::string CrashJudge::apply(const CrashOperation& operation, std::size_t i, CrashModel& model) {
  // Writes that were not done were given versions all the same.
  if (is_known(operation) && operation.new_cas > model.version)
    model.version = operation.new_cas - 1;
  const Reply expected = model.apply(operation);
  return is_known(operation) ? compare(operation, expected, i) : std::string();
}

std::string CrashJudge::check_histories(const CrashRecord& record, const FoundStore& found) const {
  std::set<HistoryId> ids;
  PartitionPosition start;
  bool has_of_process = record.history == 0;
  for (const HistoryStart& one : found.histories) {
    if (!ids.insert(one.history).second) return "a history twice";
    if (one.start < start) return "a history that starts before the one before";
    start = one.start;
    has_of_process = has_of_process || one.history == HistoryId(record.history);
  }
  if (!has_of_process) return "the process's history is forgotten";
  if (ended_cleanly_ && record.history != 0 && HistoryId(record.history) != history_)
    return "a new history after an orderly end";
  if (!found.is_clean && found.history == HistoryId(record.history))
    return "no new history after an unclean end";
  if (!found.is_clean && found.histories.size() > 1 &&
      found.histories.back().start.value() != found.contents.last_position())
    return "the new history does not start at the last entry";
  return {};
}

/// The mark of an orderly end stands for everything.
std::string CrashJudge::check_end(const CrashRecord& record, const FoundStore& found,
                                  const Match& match) const {
  if (record.phase == Phase::starting) return {};
  const auto all = record.operations + record.operation_count;
  const bool has_failed = std::any_of(record.operations + 0, all, is_unknown);
  const bool must_be_clean =
      record.phase == Phase::closed && record.fault.kind == DiskFault::Kind::none;
  if (must_be_clean && !found.is_clean) return "an orderly end without its mark";
  if (!found.is_clean) return {};
  if (record.phase == Phase::writing) return "the mark of an orderly end after none";
  if (has_failed && !is_for_space(record.fault))
    return "the mark of an orderly end after a failed write";
  if (match.survivors < record.operation_count) return "the mark of an orderly end after a loss";
  return {};
}

/// A reader that goes on from its stored checkpoint has seen, or will, the last entry of each key.
std::string CrashJudge::check_feeds(const CrashRecord& record, const FoundStore& found,
                                    const Match& match) {
  for (std::size_t i = 0; i < match.survivors; ++i) {
    const CrashOperation& operation = record.operations[i];
    if (operation.name != kCheckpointName) continue;
    const auto stored = match.model.contents.values.find(
        {operation.database, KeyKind::stable_copy, kCheckpointName});
    if (stored == match.model.contents.values.end()) continue;
    if (Checkpoint::parse(stored->second.bytes).operation != operation.id) continue;
    for (std::size_t s = 0; s < operation.length; ++s) {
      const ShownEntry& shown = record.shown[s];
      if (shown.database != operation.database) continue;
      shown_[operation.database][{shown.database, shown.key_kind, shown.name}] = {
          shown.position, shown.entry, shown.is_removal};
    }
  }
  std::erase_if(shown_, [&](const auto& view) { return !found.feed_after.contains(view.first); });
  for (const auto& [database, after] : found.feed_after) {
    Feed seen = shown_[database];
    for (const auto& [slot, entry] : after) seen[slot] = entry;
    for (const auto& [slot, entry] : found.contents.feed)
      if (std::get<0>(slot) == database && seen[slot] != entry)
        return "a reader of database " + std::to_string(database) + " never sees the entry at " +
               std::to_string(entry.position) + ", stored: " + std::to_string(seen[slot].position);
  }
  return {};
}

}  // namespace headgate
