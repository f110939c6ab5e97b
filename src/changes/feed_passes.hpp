// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "changes/changes_filter.hpp"
#include "changes/changes_options.hpp"
#include "changes/changes_position.hpp"
#include "changes/changes_source.hpp"
#include "changes/channel_plan.hpp"
#include "changes/feed_hub.hpp"
#include "changes/page_merge.hpp"
#include "changes/row_writer.hpp"
#include "database/principal.hpp"

namespace headgate {

/// The passes of one feed over its channels: what each finds to send, and what is remembered from
/// one to the next. It neither writes rows nor waits. Confined to its executor. Source, waiter and
/// options must outlive it.
class FeedPasses {
 public:
  /// What a pass chose of the pages it read.
  struct Selection {
    std::vector<PickedChange> picked;
    ChangesPlace end;        ///< everything up to here was looked at
    bool is_cut = false;     ///< there is more to read now
    bool is_full = false;    ///< max_early: what is left waits for stable (R17b)
    std::uint64_t left = 0;  ///< further changes among those read
    Sequence settled;        ///< the position may rise so far: to stable, unless it is held
    bool is_complete = false;

    bool has_more() const { return is_cut || (!is_complete && !is_full); }
    /// Rows that are left for later passes, where that is known.
    std::optional<std::uint64_t> pending() const {
      return is_complete && !is_full ? std::optional(left) : std::nullopt;
    }
  };

  FeedPasses(ChangesSource& source, FeedWaiter& waiter, std::shared_ptr<const Principal> reader,
             const ChangesOptions& options);

  /// One pass: at most `rows_max` changes. A waiting feed is registered before it begins.
  /// Errors: not_found, unauthorized (the user); unavailable, timeout_unknown_outcome, corrupted,
  /// rolled_back, overloaded.
  Task<Result<Selection>> choose(std::size_t rows_max);
  /// Counts the selection as sent: the next pass goes on after it, and the waiter is told what
  /// the feed waits for if that was all. Returns the rows' sequence ids.
  std::vector<SequenceId> commit(const Selection& selection);
  /// The next pass begins at the beginning.
  void rewind() { position_ = {}; }

  /// What its reader sees now.
  FeedHub::Interest interest() const;
  const std::shared_ptr<const Principal>& reader() const { return reader_; }
  /// How far the feed is.
  SequenceId position() const { return position_.id(); }
  bool has_begun() const { return has_begun_; }

  // Of the last pass.
  Sequence stable() const { return stable_; }
  /// The waiter's wake-ups before it: another one may have found more.
  std::uint64_t wakes_seen() const { return wakes_seen_; }
  /// Something lies above stable that only its rise brings.
  bool waits_for_stable() const { return waits_for_stable_; }
  /// An entry's sequence document was not there yet (R15b).
  bool has_awaited() const { return has_awaited_; }
  /// Rights lie above stable: rows wait until it has come here. 0: none do.
  Sequence deferred_to() const { return deferred_to_; }
  bool is_deferred() const { return deferred_to_ != Sequence(); }

 private:
  bool waits() const { return options_.feed != FeedKind::normal; }
  std::vector<FeedChannel> lost() const;
  Task<Result<PassStart>> begin();
  void follow_epochs(const PassStart& start);
  Task<Result<void>> load_reader(PassStart pass);
  Task<Result<std::vector<ChannelPage>>> read_pages(PassStart start, const ChannelPlan& plan);
  ReadMode mode_of_reading(const PassStart& start) const;
  bool is_set_back(const PassStart& start) const;  ///< stands at a number of an older epoch
  void add_user_entry(ChannelPlan& plan, MergedPages& merged, Sequence stable) const;
  Selection select(const ChannelPlan& plan, const MergedPages& merged, Sequence settled,
                   Sequence up_to, std::size_t rows_max) const;
  bool was_sent(const Change& change, const ChannelPlan& plan) const;
  PickedChange pick(const Change& change, const ChannelPlan& plan) const;
  bool is_wanted(const Change& change, const ChannelPlan& plan) const;
  void expect();
  void trim();

  ChangesSource& source_;
  FeedWaiter& waiter_;
  const ChangesOptions& options_;
  ReadMode mode_;
  std::shared_ptr<const Principal> reader_;
  std::vector<FeedChannel> channels_;
  std::vector<FeedChannel> lost_;  // of a feed with revocations
  ChangesPosition position_;
  struct Sent {
    Sequence sequence;
    bool is_removed;  ///< as the reader's channels were then: they may show it now, or not any more
  };
  std::unordered_map<std::string, Sent> sent_;  // R17b: above the position, by document id
  ChangesFilter filter_;

  Epoch epoch_;
  Sequence stable_;
  std::uint64_t wakes_seen_ = 0;
  bool is_registered_ = false;  // for what the reader sees now
  bool has_begun_ = false;
  bool waits_for_stable_ = false;
  bool has_awaited_ = false;
  Sequence deferred_to_;
  bool is_held_back_ = false;
};

}  // namespace headgate
