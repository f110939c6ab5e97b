// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/duration_histogram.hpp"
#include "base/result.hpp"
#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "cache/cache_reader.hpp"
#include "cache/cache_space.hpp"
#include "changes/row_cache.hpp"

namespace headgate {

class ChangesSource;
class FeedWaiter;

/// The waiting feeds of one database on one node: who waits for which channels, and the rows that
/// they share. One for each database; the Database's ChangeListener, so it must outlive it, and
/// outlive all feeds. Confined to the database's executor.
///
///   FeedHub hub(environment, {});
///   Database database({environment, base, cache, hub}, entry);   // then database.start()
///   DatabaseChangesSource source(database);
///   hub.start(source);
///   ... ChangesFeed feed(source, hub, principal, options); ...
///   co_await hub.stop();                                          // then database.stop()
class FeedHub final : public ChangeListener {
 public:
  struct Settings {
    std::size_t waiting_feeds_max = 50'000;
    std::size_t row_cache_bytes = 32u << 20;
    /// In a cluster others change channels, too, and an announcement may be lost.
    Deployment deployment = Deployment::single_process;
  };

  /// Why a waiting feed is woken.
  struct Interest {
    std::vector<ChannelId> channels;         ///< of documents
    std::vector<ChannelId> hidden_channels;  ///< of the principal and its roles
    ReadMode mode = ReadMode::available;

    friend bool operator==(const Interest&, const Interest&) = default;
  };

  struct Statistics {
    std::uint64_t feeds = 0;  ///< registered now
    std::uint64_t wake_ups = 0;
    std::uint64_t polls = 0;
    std::uint64_t failed_polls = 0;
    std::uint64_t found_by_poll = 0;  ///< channels whose change nobody announced
    DurationHistogram delays;         ///< from a wake-up to the rows that it brought
  };

  FeedHub(Environment& environment, Settings settings);
  ~FeedHub() override;

  /// Begins to look every `poll` whether channels changed without a wake-up (C4): a safety net. One
  /// poll looks at a bounded number of channels, in turn.
  void start(ChangesSource& source);
  /// Ends all feeds (their next() returns the end) and the polling. Idempotent.
  Task<void> stop();
  bool is_stopped() const { return is_stopped_; }
  /// Ends the feeds of now, as stop() does; later ones run.
  void end_feeds();
  /// How often end_feeds() was called.
  std::uint64_t generation() const { return generation_; }

  void channels_changed(const std::vector<ChannelId>& channels) override;
  void stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) override;
  /// Another node announces that it changed a channel so often.
  void channel_changed_elsewhere(const ChannelId& channel, std::uint64_t times);
  /// Another node changed channels that it does not name.
  void anything_changed_elsewhere() { wake_all(); }

  /// The highest stable sequence announced so far.
  Sequence stable() const { return stable_; }
  RowCache& rows() { return rows_; }
  Statistics statistics() const;
  /// Feeds that wait for a channel of documents.
  std::size_t feeds_of(const ChannelId& channel) const;

 private:
  friend class FeedWaiter;
  struct Link;
  struct Channel {
    const ChannelId* id = nullptr;
    Link* first = nullptr;
    std::size_t feeds = 0;
    std::optional<std::uint64_t> counter;  // at the last poll
    std::uint64_t announced = 0;           // changes since, each of which raised it once
    bool is_doubtful = false;  // the last poll took its rise for what had been announced
    /// Of a hidden channel: the access counter of the poll that last woke its feeds.
    std::optional<std::uint64_t> woken_under;
  };
  // One waiter in the list of one channel.
  struct Link {
    FeedWaiter* waiter = nullptr;
    Channel* channel = nullptr;
    Link* previous = nullptr;
    Link* next = nullptr;
    bool is_hidden = false;
  };

  void enter(Link& link, const ChannelId& id);
  void remove(Link& link);
  void wake(FeedWaiter& waiter);
  void wake_early(const ChannelId& id, std::uint64_t times = 1);
  void wake_stable(const ChannelId& id);
  void wake_all();
  Task<void> poll(ChangesSource& source);
  Task<Result<void>> poll_once(ChangesSource& source);
  std::vector<ChannelId> next_polled();
  void compare(const ChannelId& id, std::uint64_t counter, std::uint64_t access_counter);
  void wake_all_of(const Channel& channel);

  Environment& environment_;
  Settings settings_;
  RowCache rows_;
  std::unordered_map<ChannelId, Channel> channels_;
  std::vector<FeedWaiter*> waiters_;
  std::size_t any_stable_ = 0;  // waiters that want to know of every advance
  Sequence stable_;
  Sequence polled_stable_;  // at the last poll
  bool has_star_channel_ = true;
  std::vector<HistoryId> polled_histories_;
  Epoch polled_epoch_;
  std::size_t polled_bucket_ = 0;
  Statistics statistics_;
  bool is_stopped_ = false;
  std::uint64_t generation_ = 0;
  Signal stirred_;  // the first feed came, or the hub stops
  TaskScope tasks_;
};

/// One waiting feed's place in the hub; leaves when destroyed. Watch before a pass begins, so that
/// no wake-up is lost. Confined to the hub's executor. The hub must outlive it.
class FeedWaiter {
 public:
  explicit FeedWaiter(FeedHub& hub);
  FeedWaiter(const FeedWaiter&) = delete;
  FeedWaiter& operator=(const FeedWaiter&) = delete;
  ~FeedWaiter();

  /// Registers, or changes what it is registered for; nothing happens if that is the same.
  /// Errors: overloaded (waiting_feeds_max).
  Result<void> watch(FeedHub::Interest interest);
  bool is_watching() const { return index_ != SIZE_MAX; }
  const FeedHub::Interest& interest() const { return interest_; }
  /// Mode available: also to be woken when stable rises past entries of its channels, because it
  /// waits with a low part (R15c). Mode stable: always is.
  void watch_stable(bool wanted) { wants_stable_ = wanted; }
  /// Also to be woken whenever stable rises (a deferred backfill).
  void watch_any_stable(bool wanted);
  /// Raised by every wake-up, and when the hub stops.
  Signal& signal() { return signal_; }
  /// The feed hands rows on: notes how long ago it was woken.
  void rows_are_ready();
  /// The feed has looked and found nothing: the next wake-up counts.
  void nothing_was_found() { woken_at_.reset(); }

 private:
  friend class FeedHub;
  void leave();

  FeedHub& hub_;
  Signal signal_;
  std::optional<TimePoint> woken_at_;  // the first time since the feed last had rows or found none
  FeedHub::Interest interest_;
  std::vector<FeedHub::Link> links_;
  std::size_t index_ = SIZE_MAX;  // in the hub's list; SIZE_MAX: not registered
  bool wants_stable_ = false;
  bool wants_any_stable_ = false;
};

}  // namespace headgate
