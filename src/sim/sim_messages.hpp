// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "sim/sim_environment.hpp"
#include "sim/sim_faults.hpp"
#include "sim/sim_partition.hpp"

namespace headgate {

/// Carries requests from nodes to the masters of partitions, and their answers back, as the faults
/// of the moment allow: what a SimBucket and its feeds send.
class SimMessages {
 public:
  /// To be called at the master, at most once: `deliver` then runs at the node, if ever.
  using Answer = std::function<void(std::function<void()> deliver)>;
  struct Request {
    std::string_view label;
    std::uint64_t digest = 0;  ///< of what it carries
    PartitionNumber partition;
    std::shared_ptr<const SimLife> from;
    /// Runs at the master, perhaps twice.
    std::function<void(SimMaster&, const Answer&)> execute;
    /// Runs at the node instead of a delivery: nothing was carried out.
    std::function<void(Errc)> fail;
  };

  SimMessages(SimWorld& world, const SimJournal& journal, const SimFaults& faults,
              std::deque<SimPartition>& partitions)
      : world_(world), journal_(journal), faults_(faults), partitions_(partitions) {}

  void send(Request request);
  /// No request that is underway arrives any more.
  void drop_underway() { ++era_; }

  void cut(NodeNumber node, PartitionNumber partition) { cut_.insert({node, partition}); }
  void connect(NodeNumber node, PartitionNumber partition) { cut_.erase({node, partition}); }
  void connect_all() { cut_.clear(); }
  bool is_cut(NodeNumber node, PartitionNumber partition) const {
    return cut_.contains({node, partition});
  }

 private:
  struct Exchange;
  using Shared = std::shared_ptr<Exchange>;

  bool happens(std::string_view fault, double chance, const Exchange& exchange);
  std::chrono::nanoseconds draw_delay(const Exchange& exchange);
  void after(const Shared& exchange, std::string_view label, std::chrono::nanoseconds delay,
             std::function<void()> action);
  bool is_held_by_cut(const Shared& exchange, std::string_view label, std::function<void()> again);
  void refuse(const Shared& exchange);
  void arrive(const Shared& exchange);
  void fail(const Shared& exchange, Errc code);
  void lose(const Shared& exchange);
  void answer(const Shared& exchange, std::function<void()> deliver);
  void deliver(const Shared& exchange, const std::function<void()>& action);

  SimWorld& world_;
  const SimJournal& journal_;
  const SimFaults& faults_;
  std::deque<SimPartition>& partitions_;
  std::set<std::pair<NodeNumber, PartitionNumber>> cut_;
  std::uint64_t era_ = 0;
};

}  // namespace headgate
