// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/signal.hpp"
#include "sim/cluster/sim_node.hpp"

namespace headgate {

/// One connection from a client to a node: what the node sends arrives in its order.
class SimConnection {
 public:
  SimConnection(SimEnvironment& client, NodeNumber node)
      : client_(client), scope_(node.value()), lane_(client.random() | 1) {}

  SimWorld& world() const { return client_.world(); }
  /// Does `action` after the message's way.
  void pass(std::string_view label, std::function<void()> action) {
    const auto delay = world().choices().duration("client's network", kDelay, scope_);
    last_ = std::max(last_, world().now() + delay);
    world().at(last_, {.label = label, .node = client_.node(), .lane = lane_}, std::move(action));
  }

 private:
  static constexpr DelayRange kDelay{std::chrono::microseconds(20), std::chrono::microseconds(400)};

  SimEnvironment& client_;
  ChoiceScope scope_;
  std::uint64_t lane_;
  TimePoint last_{};
};

/// What a client waits for.
template <class T>
struct SimCall {
  SimCall(SimEnvironment& client, NodeNumber node) : answered(client), connection(client, node) {}

  Signal answered;
  std::optional<T> answer;
  SimConnection connection;
};

/// The node's end of a call: a process that ends without an answer breaks the connection.
template <class T>
class SimAnswer {
 public:
  explicit SimAnswer(std::shared_ptr<SimCall<T>> call) : call_(std::move(call)) {}
  SimAnswer(const SimAnswer&) = delete;
  SimAnswer& operator=(const SimAnswer&) = delete;
  ~SimAnswer() { send(std::nullopt); }

  void send(std::optional<T> value) {
    if (!call_) return;
    auto call = std::exchange(call_, nullptr);
    SimConnection& connection = call->connection;
    connection.pass("answer", [call, value = std::move(value)] {
      call->answer = value;
      call->answered.raise();
    });
  }

 private:
  std::shared_ptr<SimCall<T>> call_;
};

template <class T>
using SimHandler = std::function<Task<T>(SimProcess&)>;

namespace detail {

template <class T>
Task<void> serve(SimProcess& process, SimHandler<T> handler, std::shared_ptr<SimCall<T>> call) {
  SimAnswer<T> answer(std::move(call));
  answer.send(co_await handler(process));
}

}  // namespace detail

/// Asks a node to do something, from outside. Absent: the node was not there, crashed, or did not
/// answer within `patience`; perhaps it was done all the same. `handler` must own what it uses.
/// `node` must outlive the world's steps.
template <class T>
Task<std::optional<T>> ask(SimEnvironment& client, SimNode& node, SimHandler<T> handler,
                           std::chrono::nanoseconds patience) {
  auto call = std::make_shared<SimCall<T>>(client, node.number());
  call->connection.pass("request", [&node, handler = std::move(handler), call] {
    if (node.is_serving())
      node.process()->tasks.spawn(detail::serve(*node.process(), handler, call));
    else
      SimAnswer<T>(call).send(std::nullopt);
  });
  co_await call->answered.wait_past(0, client.now() + patience);
  co_return std::move(call->answer);
}

}  // namespace headgate
