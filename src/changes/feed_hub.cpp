// SPDX-License-Identifier: Apache-2.0
#include "changes/feed_hub.hpp"

#include <algorithm>
#include <utility>

#include "base/buggify.hpp"
#include "changes/changes_source.hpp"

namespace headgate {
namespace {

// Counters that one poll reads.
constexpr std::size_t kPolledMax = 1'000;

}  // namespace

// --- One waiting feed ----------------------------------------------------------------------------

FeedWaiter::FeedWaiter(FeedHub& hub) : hub_(hub), signal_(hub.environment_) {}

FeedWaiter::~FeedWaiter() {
  watch_any_stable(false);
  leave();
}

Result<void> FeedWaiter::watch(FeedHub::Interest interest) {
  if (is_watching() && interest == interest_) return {};
  if (!is_watching() && hub_.waiters_.size() >= hub_.settings_.waiting_feeds_max)
    return Error{Errc::overloaded, "too many waiting feeds"};
  leave();
  index_ = hub_.waiters_.size();
  hub_.waiters_.push_back(this);
  if (index_ == 0) hub_.stirred_.raise();
  interest_ = std::move(interest);
  links_.resize(interest_.channels.size() + interest_.hidden_channels.size());
  auto link = links_.begin();
  for (const ChannelId& id : interest_.channels) hub_.enter(*link++, id);
  for (const ChannelId& id : interest_.hidden_channels) {
    link->is_hidden = true;
    hub_.enter(*link++, id);
  }
  for (FeedHub::Link& entered : links_) entered.waiter = this;
  return {};
}

void FeedWaiter::rows_are_ready() {
  if (!woken_at_) return;
  hub_.statistics_.delays.add(hub_.environment_.now() - *woken_at_);
  woken_at_.reset();
}

void FeedWaiter::watch_any_stable(bool wanted) {
  if (wanted == wants_any_stable_) return;
  wants_any_stable_ = wanted;
  hub_.any_stable_ += wanted ? 1 : std::size_t(-1);
}

void FeedWaiter::leave() {
  if (!is_watching()) return;
  for (FeedHub::Link& link : links_) hub_.remove(link);
  links_.clear();
  hub_.waiters_.back()->index_ = index_;
  hub_.waiters_[index_] = hub_.waiters_.back();
  hub_.waiters_.pop_back();
  index_ = SIZE_MAX;
}

// --- The registry --------------------------------------------------------------------------------

FeedHub::FeedHub(Environment& environment, Settings settings)
    : environment_(environment),
      settings_(settings),
      rows_(environment, settings.row_cache_bytes),
      stirred_(environment),
      tasks_(environment) {}

FeedHub::~FeedHub() = default;

void FeedHub::enter(Link& link, const ChannelId& id) {
  const auto it = channels_.try_emplace(id).first;
  Channel& channel = it->second;
  channel.id = &it->first;
  link.channel = &channel;
  link.next = channel.first;
  if (channel.first != nullptr) channel.first->previous = &link;
  channel.first = &link;
  ++channel.feeds;
}

void FeedHub::remove(Link& link) {
  if (link.next != nullptr) link.next->previous = link.previous;
  (link.previous != nullptr ? link.previous->next : link.channel->first) = link.next;
  --link.channel->feeds;
  if (link.channel->first == nullptr) channels_.erase(channels_.find(*link.channel->id));
}

void FeedHub::wake(FeedWaiter& waiter) {
  ++statistics_.wake_ups;
  if (!waiter.woken_at_) waiter.woken_at_ = environment_.now();
  waiter.signal_.raise();
}

void FeedHub::wake_early(const ChannelId& id, std::uint64_t times) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  found->second.announced += times;
  for (Link* link = found->second.first; link != nullptr; link = link->next)
    if (link->is_hidden || link->waiter->interest_.mode == ReadMode::available) wake(*link->waiter);
}

void FeedHub::wake_stable(const ChannelId& id) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  for (Link* link = found->second.first; link != nullptr; link = link->next)
    if (HG_RULE("R15c") &&
        (link->waiter->wants_stable_ || link->waiter->interest_.mode == ReadMode::stable))
      wake(*link->waiter);
}

void FeedHub::wake_all() {
  for (FeedWaiter* waiter : waiters_) wake(*waiter);
}

void FeedHub::end_feeds() {
  ++generation_;
  wake_all();
}

void FeedHub::channels_changed(const std::vector<ChannelId>& channels) {
  for (const ChannelId& id : channels) wake_early(id);
  // Where "*" is no channel with a counter of its own, any document may concern it
  // (couchbase/sync_gateway#743, #718).
  if (!has_star_channel_) wake_early(ChannelId::star());
}

void FeedHub::channel_changed_elsewhere(const ChannelId& channel, std::uint64_t times) {
  wake_early(channel, times);
  if (!has_star_channel_) wake_early(ChannelId::star());
}

void FeedHub::stable_advanced(Sequence stable, const std::vector<ChannelId>& channels) {
  stable_ = std::max(stable_, stable);
  for (const ChannelId& id : channels) wake_stable(id);
  if (!has_star_channel_) wake_stable(ChannelId::star());
  if (!channels.empty() && any_stable_ == 0) return;
  for (FeedWaiter* waiter : waiters_) {
    const bool is_meant =
        channels.empty() && (waiter->wants_stable_ || waiter->interest_.mode == ReadMode::stable);
    if (is_meant || waiter->wants_any_stable_) wake(*waiter);
  }
}

// --- The safety net ------------------------------------------------------------------------------

void FeedHub::start(ChangesSource& source) {
  has_star_channel_ = source.settings().has_star_channel;
  tasks_.spawn(poll(source));
}

Task<void> FeedHub::stop() {
  is_stopped_ = true;
  stirred_.raise();
  wake_all();
  co_await tasks_.join();
}

Task<void> FeedHub::poll(ChangesSource& source) {
  while (!is_stopped_) {
    const auto seen = stirred_.count();
    if (waiters_.empty()) {
      co_await stirred_.wait_past(seen);
      continue;
    }
    co_await stirred_.wait_past(seen, environment_.now() + source.settings().poll);
    if (is_stopped_) break;
    ++statistics_.polls;
    // What fails now is looked at again by the next poll.
    const auto polled = co_await poll_once(source);
    if (!polled) ++statistics_.failed_polls;
  }
}

Task<Result<void>> FeedHub::poll_once(ChangesSource& source) {
  HG_CO_TRY(const PassStart pass, co_await source.cache_reader().start_pass());
  if (pass.record->cache_histories != polled_histories_ || pass.record->epoch != polled_epoch_) {
    polled_histories_ = pass.record->cache_histories;
    polled_epoch_ = pass.record->epoch;
    wake_all();
  }
  if (pass.stable > stable_) stable_advanced(pass.stable, {});
  if (pass.stable > polled_stable_) {
    polled_stable_ = pass.stable;
    // No counter tells whoever follows "*" here of what other nodes wrote. That stable was
    // announced tells only those that wait for it.
    if (!has_star_channel_) wake_early(ChannelId::star());
  }
  std::vector<ChannelId> ids = next_polled();
  HG_CO_TRY(const auto counters, co_await source.cache_reader().counters(pass, ids));
  for (std::size_t i = 0; i < ids.size(); ++i) compare(ids[i], counters[i], pass.access_counter);
  co_return Result<void>();
}

std::vector<ChannelId> FeedHub::next_polled() {
  std::vector<ChannelId> ids;
  const std::size_t buckets = channels_.bucket_count();
  for (std::size_t i = 0; i < buckets && ids.size() < kPolledMax; ++i) {
    polled_bucket_ = (polled_bucket_ + 1) % buckets;
    for (auto it = channels_.begin(polled_bucket_); it != channels_.end(polled_bucket_); ++it)
      ids.push_back(it->first);
  }
  return ids;
}

// C4: inequality, not "greater": a counter may have been set back.
//
// R5b: the access counter rises after the hidden channel's. Who was woken between the two has found
// the rights that are remembered for the one of before.
void FeedHub::compare(const ChannelId& id, std::uint64_t counter, std::uint64_t access_counter) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  Channel& channel = found->second;
  if (channel.woken_under && *channel.woken_under != access_counter) {
    channel.woken_under.reset();
    wake_all_of(channel);
  }
  const bool is_known = channel.counter.has_value();
  if (is_known && counter < *channel.counter) HG_PROBE("C4 channel counter fell back");
  const bool is_expected = is_known && *channel.counter + channel.announced == counter;
  // What was announced may have been counted at the look before, and the rise is another node's:
  // whoever was not woken since then is woken.
  const bool is_told = !channel.is_doubtful || channel.announced != 0;
  channel.is_doubtful =
      settings_.deployment == Deployment::cluster && is_expected && channel.announced != 0;
  channel.counter = counter;
  channel.announced = 0;
  if (is_expected && is_told) return;
  // At the first look nobody knows what came since its feeds began to wait.
  if (is_known && !is_expected) ++statistics_.found_by_poll;
  if (id.is_of_principal()) channel.woken_under = access_counter;
  wake_all_of(channel);
}

void FeedHub::wake_all_of(const Channel& channel) {
  for (Link* link = channel.first; link != nullptr; link = link->next) wake(*link->waiter);
}

std::size_t FeedHub::feeds_of(const ChannelId& channel) const {
  const auto found = channels_.find(channel);
  return found == channels_.end() ? 0 : found->second.feeds;
}

FeedHub::Statistics FeedHub::statistics() const {
  Statistics all = statistics_;
  all.feeds = waiters_.size();
  return all;
}

}  // namespace headgate
