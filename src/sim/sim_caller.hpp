// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/signal.hpp"
#include "sim/sim_store.hpp"

namespace headgate {

/// What one request brings back to its node.
template <class T>
struct SimArrival {
  explicit SimArrival(Environment& environment) : arrived(environment) {}
  void finish(Result<T> result) {
    value = std::move(result);
    is_done = true;
    arrived.raise();
  }

  Signal arrived;
  Result<T> value = Errc::timeout_unknown_outcome;
  bool is_done = false;
};
/// Shared by whoever awaits it and by the messages underway, which outlive a crashed node.
template <class T>
using SimPending = std::shared_ptr<SimArrival<T>>;

/// Sends one node's requests to the partitions of a store and awaits the replies: what SimBucket
/// and SimFeed have in common. Both references must outlive it.
class SimCaller {
 public:
  SimCaller(SimEnvironment& environment, SimStore& store)
      : environment_(environment), store_(store) {}

  /// `execute` runs at the master and gets what to call, once, with the reply. It must own what it
  /// uses but for the store: the node may be gone by then.
  template <class T, class Execute>
  SimPending<T> send(std::string_view label, PartitionNumber partition, std::uint64_t digest,
                     Execute execute);
  template <class T>
  Task<Result<T>> wait(SimPending<T> pending, Deadline end);
  /// One request to each partition; the replies in their order, or the first error.
  template <class T, class Execute>
  Task<Result<std::vector<T>>> ask_all(std::string_view label, Deadline deadline, Execute execute);

  /// When a call that begins now gives up.
  Deadline end_of(Deadline deadline) const {
    return std::min(deadline, environment_.now() + store_.faults().network.connection_timeout);
  }
  bool is_past(Deadline deadline) const { return environment_.now() >= deadline; }
  void check_alive() const { HG_ASSERT(!environment_.is_crashed()); }
  SimEnvironment& environment() const { return environment_; }
  SimStore& store() const { return store_; }

 private:
  SimEnvironment& environment_;
  SimStore& store_;
};

template <class T, class Execute>
SimPending<T> SimCaller::send(std::string_view label, PartitionNumber partition,
                              std::uint64_t digest, Execute execute) {
  auto pending = std::make_shared<SimArrival<T>>(environment_);
  store_.messages_.send(
      {.label = label,
       .digest = digest,
       .partition = partition,
       .from = environment_.life(),
       .execute =
           [pending, execute](SimMaster& master, const SimMessages::Answer& answer) {
             execute(master, [pending, answer](Result<T> reply) {
               answer([pending, reply = std::move(reply)] { pending->finish(reply); });
             });
           },
       .fail = [pending](Errc code) { pending->finish(code); }});
  return pending;
}

template <class T>
Task<Result<T>> SimCaller::wait(SimPending<T> pending, Deadline end) {
  if (!pending->is_done) co_await pending->arrived.wait_past(0, end);
  co_return std::move(pending->value);
}

template <class T, class Execute>
Task<Result<std::vector<T>>> SimCaller::ask_all(std::string_view label, Deadline deadline,
                                                Execute execute) {
  co_await environment_.yield();
  if (is_past(deadline)) co_return Errc::timeout_unknown_outcome;
  const Deadline end = end_of(deadline);
  std::vector<SimPending<T>> pending;
  for (std::uint32_t p = 0; p < store_.partition_count(); ++p) {
    pending.push_back(
        send<T>(label, PartitionNumber(p), 0,
                [execute, p](SimMaster& master, std::function<void(Result<T>)> answer) {
                  execute(PartitionNumber(p), master, std::move(answer));
                }));
  }
  std::vector<T> replies;
  for (const SimPending<T>& one : pending) {
    HG_CO_TRY(T reply, co_await wait(one, end));
    replies.push_back(std::move(reply));
  }
  co_return replies;
}

}  // namespace headgate
