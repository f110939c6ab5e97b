// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_feed.hpp"

#include <algorithm>
#include <utility>

namespace headgate {

SimFeed::SimFeed(SimEnvironment& environment, SimStore& store, DatabaseId database,
                 FeedPositions positions)
    : caller_(environment, store),
      database_(database),
      positions_(std::move(positions)),
      stalled_until_(positions_.size()),
      changed_(environment),
      watch_(store.watch(changed_)) {}

SimFeed::~SimFeed() {
  caller_.store().unwatch(watch_);
}

ChoiceScope SimFeed::scope() const {
  return caller_.store().journal_.scope(1'000'000 + caller_.environment().node().value());
}

Task<Result<std::vector<FeedEntry>>> SimFeed::next(std::size_t limit, Deadline deadline) {
  caller_.check_alive();
  HG_ASSERT(limit > 0);
  return run_next(limit, deadline);
}

Task<Result<std::vector<FeedEntry>>> SimFeed::run_next(std::size_t limit, Deadline deadline) {
  SimEnvironment& environment = caller_.environment();
  co_await environment.yield();
  if (is_disconnected()) co_return Errc::unavailable;
  while (true) {
    const std::uint64_t seen = changed_.count();
    if (const auto partition = asked_ ? asked_->partition : choose()) {
      if (!asked_) asked_ = ask(*partition, limit);
      const auto pending = asked_->pending;
      auto fetched = co_await caller_.wait(pending, std::min(deadline, asked_->give_up));
      if (pending->is_done || environment.now() >= asked_->give_up) asked_.reset();
      if (!fetched && environment.now() >= deadline) co_return std::vector<FeedEntry>();
      if (!fetched) co_return Errc::unavailable;
      auto taken = take(*partition, std::move(*fetched));
      if (!taken || !taken->empty()) co_return taken;
      continue;
    }
    const Deadline until = std::min(deadline, next_release());
    if (!co_await changed_.wait_past(seen, until) && environment.now() >= deadline)
      co_return std::vector<FeedEntry>();
  }
}

// F9. Whoever is cut off from a partition sometimes notices.
bool SimFeed::is_disconnected() {
  double chance = caller_.store().faults().feed.disconnect;
  for (std::uint32_t p = 0; p < positions_.size(); ++p) {
    if (caller_.store().messages_.is_cut(caller_.environment().node(), PartitionNumber(p)) ||
        caller_.store().at(PartitionNumber(p)).is_down)
      chance = std::max(chance, 0.25);
  }
  if (!caller_.store().world().choices().chance("feed disconnect", chance, scope())) return false;
  caller_.store().world().count_fault("feed disconnect");
  return true;
}

std::optional<PartitionNumber> SimFeed::choose() {
  const NodeNumber node = caller_.environment().node();
  std::vector<PartitionNumber> candidates;
  if (caller_.store().is_feed_held(node)) return std::nullopt;
  for (std::uint32_t p = 0; p < positions_.size(); ++p) {
    const PartitionNumber partition(p);
    if (caller_.store().messages_.is_cut(node, partition) || caller_.store().at(partition).is_down)
      continue;
    if (stalled_until_[p] > caller_.environment().now()) continue;
    if (has_news(partition)) candidates.push_back(partition);
  }
  if (candidates.empty()) return std::nullopt;
  return candidates[caller_.store().world().choices().below("feed partition", candidates.size(),
                                                            scope())];
}

bool SimFeed::has_news(PartitionNumber partition) {
  const SimMaster& master = caller_.store().at(partition).master_for(caller_.environment().node());
  const FeedPosition& at = positions_[partition.value()];
  return at.history != master.history() || at.position < master.head(database_);
}

SimFeed::Question SimFeed::ask(PartitionNumber partition, std::size_t limit) {
  const auto execute = [store = &caller_.store(), partition, database = database_,
                        at = positions_[partition.value()], limit,
                        scope = scope()](SimMaster& master, auto answer) {
    answer(store->fetch(master, partition, database, at, limit, scope));
  };
  return {partition, caller_.send<SimFetched>("feed", partition, limit, execute),
          caller_.end_of(kNoDeadline)};
}

Result<std::vector<FeedEntry>> SimFeed::take(PartitionNumber partition, SimFetched fetched) {
  positions_[partition.value()] = fetched.at;
  if (fetched.is_rolled_back) return Errc::rolled_back;
  if (fetched.is_stalled) {
    stalled_until_[partition.value()] =
        caller_.environment().now() +
        caller_.store().world().choices().duration(
            "stall delay", caller_.store().faults().feed.stall_delay, scope());
  }
  return std::move(fetched.entries);
}

TimePoint SimFeed::next_release() const {
  TimePoint next = kNoDeadline;
  for (const TimePoint until : stalled_until_)
    if (until > caller_.environment().now()) next = std::min(next, until);
  return next;
}

Task<Result<FeedPositions>> SimFeed::heads(Deadline deadline) {
  caller_.check_alive();
  return run_heads(deadline);
}

Task<Result<FeedPositions>> SimFeed::run_heads(Deadline deadline) {
  const auto execute = [database = database_](PartitionNumber, SimMaster& master,
                                              std::function<void(Result<FeedPosition>)> answer) {
    answer(FeedPosition{master.history(), master.head(database)});
  };
  co_await caller_.environment().yield();
  if (is_disconnected()) co_return Errc::unavailable;
  co_return co_await caller_.ask_all<FeedPosition>("heads", deadline, execute);
}

}  // namespace headgate
