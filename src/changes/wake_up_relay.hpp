// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/signal.hpp"
#include "base/task_scope.hpp"
#include "cache/cache_space.hpp"
#include "changes/feed_hub.hpp"

namespace headgate {

/// Brings messages to the other nodes of a cluster: soon, mostly, perhaps twice. Confined to the
/// executor of whoever uses it.
class WakeUpTransport {
 public:
  virtual ~WakeUpTransport() = default;
  /// False: nobody would hear.
  virtual bool has_peers() const = 0;
  /// Errors are no harm: the others poll.
  virtual Task<Result<void>> send(DatabaseId database, std::string message) = 0;
};

/// What one node knows of changes in one database, for its own waiting feeds at once and for those
/// of the other nodes. A first change goes out at once; what comes while a message is on its way,
/// or within kPause of the last one, goes out together. Confined to the hub's executor; hub and
/// transport must outlive it. docs/wake-up.md says why it is done so.
class WakeUpRelay final : public ChangeListener {
 public:
  static constexpr std::chrono::milliseconds kPause{2};
  /// Channels that one message names; beyond, it says "anything".
  static constexpr std::size_t kChannelsMax = 4'096;

  struct Statistics {
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
    std::uint64_t received = 0;
  };

  WakeUpRelay(Environment& environment, DatabaseId database, FeedHub& hub,
              WakeUpTransport& transport);

  void channels_changed(const std::vector<ChannelId>& channels) override;
  void stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) override;
  /// A message that another node's relay of the same database sent.
  /// Errors: corrupted, unsupported; then nothing is done.
  Result<void> receive(std::string_view message);
  /// Sends what is left. Nothing may be announced after.
  Task<void> stop();

  const Statistics& statistics() const { return statistics_; }

 private:
  /// What the others do not know yet.
  struct News {
    std::map<ChannelId, std::uint64_t> changed;  ///< how often
    bool is_anything = false;
    Sequence stable;                   ///< 0: did not rise
    std::set<ChannelId> below_stable;  ///< with entries that it passed; empty: any
    bool is_any_below = false;         ///< whatever is added to it

    bool is_empty() const { return changed.empty() && !is_anything && stable == Sequence(); }
    std::string encode() const;
    static Result<News> decode(std::string_view message);
  };

  void stir();
  Task<void> send_news();

  Environment& environment_;
  const DatabaseId database_;
  FeedHub& hub_;
  WakeUpTransport& transport_;
  News news_;
  Statistics statistics_;
  bool is_sending_ = false;
  TaskScope tasks_;
};

}  // namespace headgate
