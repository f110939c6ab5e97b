// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "changes/changes_feed.hpp"
#include "sim/cluster/oracle.hpp"
#include "sim/cluster/sim_call.hpp"

namespace headgate {

/// One `_changes` request of a simulated client, from both ends.
struct SimFeedStream {
  SimFeedStream(SimEnvironment& client, NodeNumber node)
      : arrived(client), connection(client, node) {}

  /// What has arrived and was not taken yet.
  std::vector<SeenBatch> batches;
  bool is_over = false;    ///< nothing comes after the batches
  bool is_closed = false;  ///< the client went away
  Signal arrived;
  SimConnection connection;
  ChangesFeed* feed = nullptr;  // while the node serves it
};

/// Begins a request at `node`; an empty `user` is an admin.
std::shared_ptr<SimFeedStream> open_feed(SimEnvironment& client, SimNode& node, std::string user,
                                         ChangesOptions options);
/// The client goes away: the node learns of it later.
void close_feed(const std::shared_ptr<SimFeedStream>& stream);

}  // namespace headgate
