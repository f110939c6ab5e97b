// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_messages.hpp"

#include <optional>
#include <utility>

namespace headgate {
namespace {

using std::chrono::milliseconds;

// How long a sender waits before it sends again what a cut kept from arriving.
constexpr DelayRange kRepeatAfter{milliseconds(20), milliseconds(300)};

}  // namespace

struct SimMessages::Exchange {
  Request request;
  ChoiceScope scope;  // of the connection between the node and the partition
  TimePoint given_up_at;
  std::uint64_t era = 0;              // requests of an earlier one never arrive
  std::optional<bool> is_repeated{};  // while a cut lasts; drawn when a cut stops it
  bool is_carried_out = false;
  bool is_answered = false;
  bool has_failed = false;  // the node is told that nothing was done: keep it true
};

bool SimMessages::happens(std::string_view fault, double chance, const Exchange& exchange) {
  if (!world_.choices().chance(fault, chance, exchange.scope)) return false;
  world_.count_fault(fault);
  return true;
}

std::chrono::nanoseconds SimMessages::draw_delay(const Exchange& exchange) {
  const SimNetwork& network = faults_.network;
  auto delay = world_.choices().duration("message delay", network.delay, exchange.scope);
  if (happens("late message", network.late, exchange))
    delay += world_.choices().duration("late delay", network.late_delay, exchange.scope);
  return delay;
}

void SimMessages::after(const Shared& exchange, std::string_view label,
                        std::chrono::nanoseconds delay, std::function<void()> action) {
  // Without differing delays a connection keeps the order of its messages.
  const bool is_in_order = faults_.network.delay.max <= faults_.network.delay.min;
  world_.after(delay,
               {.label = label,
                .node = exchange->request.from->node,
                .lane = is_in_order ? exchange->scope.value() : 0},
               std::move(action));
}

void SimMessages::send(Request request) {
  const NodeNumber node = request.from->node;
  const PartitionNumber partition = request.partition;
  world_.record(request.label, node, request.digest);
  const ChoiceScope scope =
      journal_.scope(1'000 + node.value() * std::uint64_t{1'000} + partition.value());
  const auto exchange = std::make_shared<Exchange>(
      Exchange{std::move(request), scope, world_.now() + faults_.network.connection_timeout, era_});
  if (is_cut(node, partition) && happens("connection refused", 0.5, *exchange))
    return refuse(exchange);
  const auto delay = draw_delay(*exchange);
  if (happens("lost request", faults_.network.lost_request, *exchange)) return lose(exchange);
  after(exchange, "request", delay, [this, exchange] { arrive(exchange); });
  if (happens("duplicated request", faults_.network.duplicated_request, *exchange))
    after(exchange, "request", delay + draw_delay(*exchange),
          [this, exchange] { arrive(exchange); });
}

// Whoever keeps a connection open waits for its deadline; a broken one says so at once.
void SimMessages::lose(const Shared& exchange) {
  if (!happens("connection broken", faults_.network.broken_connection, *exchange)) return;
  exchange->is_answered = true;
  if (!exchange->is_carried_out && happens("request before the break", 0.5, *exchange))
    after(exchange, "request", draw_delay(*exchange) + draw_delay(*exchange),
          [this, exchange] { arrive(exchange); });
  after(exchange, "broken", draw_delay(*exchange), [exchange] {
    if (!exchange->request.from->is_over) exchange->request.fail(Errc::timeout_unknown_outcome);
  });
}

// The node's own doing: no message travels.
void SimMessages::refuse(const Shared& exchange) {
  after(exchange, "refused", draw_delay(*exchange), [exchange] {
    if (!exchange->request.from->is_over) exchange->request.fail(Errc::unavailable);
  });
}

// A message that a cut stops is lost, or sent again until it passes or the sender gives up.
bool SimMessages::is_held_by_cut(const Shared& exchange, std::string_view label,
                                 std::function<void()> again) {
  if (!is_cut(exchange->request.from->node, exchange->request.partition)) return false;
  world_.count_fault("cut message");
  if (!exchange->is_repeated)
    exchange->is_repeated = world_.choices().chance("cut message repeated", 0.5, exchange->scope);
  if (*exchange->is_repeated && world_.now() < exchange->given_up_at)
    after(exchange, label, world_.choices().duration("repeat delay", kRepeatAfter, exchange->scope),
          std::move(again));
  return true;
}

void SimMessages::arrive(const Shared& exchange) {
  if (exchange->has_failed || exchange->era != era_) return;
  const SimMessages::Request& request = exchange->request;
  if (request.from->is_over && happens("request of a dead node dropped", 0.5, *exchange)) return;
  if (is_held_by_cut(exchange, "request", [this, exchange] { arrive(exchange); })) return;
  SimPartition& partition = partitions_[request.partition.value()];
  if (partition.is_down) return fail(exchange, Errc::unavailable);
  if (faults_.refusal && *faults_.refusal != Errc::no_space) {
    world_.count_fault("request refused");
    return fail(exchange, *faults_.refusal);
  }
  if (happens("one request refused", faults_.network.refused_request, *exchange))
    return fail(exchange, Errc::unavailable);
  exchange->is_carried_out = true;
  request.execute(
      partition.master_for(request.from->node),
      [this, exchange](std::function<void()> deliver) { answer(exchange, std::move(deliver)); });
}

void SimMessages::fail(const Shared& exchange, Errc code) {
  // Another copy was carried out: that this one is not says nothing to its sender.
  if (exchange->is_answered || exchange->is_carried_out) return;
  exchange->has_failed = true;
  answer(exchange, [exchange, code] { exchange->request.fail(code); });
}

void SimMessages::answer(const Shared& exchange, std::function<void()> delivery) {
  if (std::exchange(exchange->is_answered, true)) return;
  const auto delay = draw_delay(*exchange);
  if (happens("lost reply", faults_.network.lost_reply, *exchange)) return lose(exchange);
  after(exchange, "reply", delay,
        [this, exchange, delivery = std::move(delivery)] { deliver(exchange, delivery); });
}

void SimMessages::deliver(const Shared& exchange, const std::function<void()>& action) {
  if (exchange->request.from->is_over) return;
  if (is_held_by_cut(exchange, "reply", [this, exchange, action] { deliver(exchange, action); }))
    return;
  action();
}

}  // namespace headgate
