// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "cache/cache_reader.hpp"
#include "cache/cache_space.hpp"
#include "changes/row_cache.hpp"

namespace headgate {

class ChangesSource;

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
  };

  class Waiter;

  /// Why a waiting feed is woken.
  struct Interest {
    std::vector<ChannelId> channels;         ///< of documents
    std::vector<ChannelId> hidden_channels;  ///< of the principal and its roles
    ReadMode mode = ReadMode::available;

    friend bool operator==(const Interest&, const Interest&) = default;
  };

  struct Channel;
  // One waiter in the list of one channel.
  struct Link {
    Waiter* waiter = nullptr;
    Channel* channel = nullptr;
    Link* previous = nullptr;
    Link* next = nullptr;
    bool is_hidden = false;
  };

  /// One waiting feed's place in the hub; leaves when destroyed. Register before the pass begins,
  /// so that no wake-up is lost. The hub must outlive it.
  class Waiter {
   public:
    explicit Waiter(FeedHub& hub);
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter();

    /// Registers, or changes what it is registered for; cheap if that is the same.
    /// Errors: overloaded (waiting_feeds_max).
    Result<void> watch(const Interest& interest);
    /// Also to be woken when stable rises past entries of its channels (mode available: it waits
    /// with a low part, R15c).
    void watch_stable(bool wanted) { wants_stable_ = wanted; }
    /// Also to be woken whenever stable rises (a deferred backfill).
    void watch_any_stable(bool wanted);
    /// Raised by every wake-up, and when the hub stops.
    Signal& signal() { return signal_; }

   private:
    friend class FeedHub;
    void leave();

    FeedHub& hub_;
    Signal signal_;
    Interest interest_;
    std::vector<Link> links_;
    ReadMode mode_ = ReadMode::available;
    bool is_registered_ = false;
    bool wants_stable_ = false;
    std::size_t any_stable_index_ = SIZE_MAX;
  };

  struct Statistics {
    std::uint64_t feeds = 0;  ///< registered now
    std::uint64_t wake_ups = 0;
    std::uint64_t polls = 0;
    std::uint64_t found_by_poll = 0;  ///< channels whose change nobody announced
  };

  FeedHub(Environment& environment, Settings settings);
  ~FeedHub() override;

  /// Begins to look every `poll` whether a channel changed without a wake-up (C4): a safety net.
  void start(ChangesSource& source);
  /// Ends all feeds (their next() returns the end) and the polling. Idempotent.
  Task<void> stop();
  bool is_stopped() const { return is_stopped_; }

  void channels_changed(const std::vector<ChannelId>& channels) override;
  void stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) override;

  RowCache& rows() { return rows_; }
  Statistics statistics() const;

 private:
  void wake(Waiter& waiter);
  void wake_channel(const ChannelId& id, bool by_stable);
  void wake_all();
  Task<void> poll(ChangesSource& source);
  Task<void> poll_once(ChangesSource& source);

  Environment& environment_;
  Settings settings_;
  RowCache rows_;
  std::unordered_map<ChannelId, Channel> channels_;
  std::vector<Waiter*> any_stable_;
  Statistics statistics_;
  bool is_stopped_ = false;
  Signal stopping_;
  TaskScope tasks_;
};

}  // namespace headgate
