// SPDX-License-Identifier: Apache-2.0
// Who looks at a feed the moment that a change of rights was acknowledged.
#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "sim/cluster/sim_clients.hpp"
#include "sim/cluster/sim_feed_stream.hpp"

namespace headgate {
namespace {

constexpr std::chrono::seconds kPatience{2};

}  // namespace

Task<void> witness_rights(SimClientSite& site, std::set<std::string> users, std::uint32_t write) {
  if (users.empty()) co_return;
  const std::uint32_t database = site.databases;
  const ChoiceScope scope(write);
  Choices& choices = site.world().choices();
  const auto who = choices.below("witness", users.size(), scope);
  const auto where = choices.below("witness's node", site.nodes.size(), scope);
  const std::string user = *std::next(users.begin(), static_cast<std::ptrdiff_t>(who));
  const Reader reader{.name = fmt::format("witness of write {} ({}) at node {}", write, user,
                                          site.nodes[where].number().value()),
                      .user = user,
                      .channels = {}};
  ChangesOptions options;
  options.mode = ReadMode::available;
  const auto stream =
      open_feed(site.environment, site.nodes[where], reader.user, std::move(options));
  Replica replica;
  const Deadline give_up_at = site.environment.now() + kPatience;
  bool is_waiting = true;
  while (is_waiting && !site.is_over) {
    const auto seen = stream->arrived.count();
    for (const SeenBatch& batch : std::exchange(stream->batches, {})) {
      if (database != site.databases) break;
      for (const SeenChange& row : batch.rows)
        site.oracle.deliver(reader, replica, row, batch.pass_began);
    }
    if (stream->is_over) break;
    is_waiting = co_await stream->arrived.wait_past(seen, give_up_at);
  }
  close_feed(stream);
}

}  // namespace headgate
