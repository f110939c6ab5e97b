// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/result.hpp"
#include "sim/choices.hpp"

namespace headgate {

/// How the messages between nodes and a store's partitions travel. A call sends one request to each
/// partition it touches. All zero: at once, in order, reliably.
struct SimNetwork {
  DelayRange delay{};  ///< one way; messages of different calls overtake each other
  /// Chance that a request or reply takes `late_delay` besides: a request is then perhaps carried
  /// out when its caller gave up long ago.
  double late = 0;
  DelayRange late_delay{};
  double lost_request = 0;
  double lost_reply = 0;
  /// Chance that the sender of a lost request, or of one whose reply is lost, learns at once that
  /// its connection broke, and not only at its deadline that nothing came. Such a request may be
  /// carried out all the same, late.
  double broken_connection = 0;
  /// Chance that a partition answers `unavailable` instead of carrying a request out.
  double refused_request = 0;
  /// Chance that a request is carried out twice (F3): a second time after one more delay. The first
  /// execution answers.
  double duplicated_request = 0;
  /// Chance, at each operation of a request but the first, that others' requests are carried out
  /// before it. If a failover comes in between, the rest of the request is never carried out.
  double interleaved = 0;
  /// A call without an answer for so long ends with timeout_unknown_outcome whatever its deadline:
  /// the connection is given up.
  std::chrono::nanoseconds connection_timeout = std::chrono::seconds(30);
};

/// How mutation feeds misbehave (F9). The chances are per fetch from one partition.
struct SimFeedFaults {
  double disconnect = 0;  ///< next() and heads() answer `unavailable`
  double stall = 0;       ///< the feed shows nothing more of this partition for `stall_delay`
  DelayRange stall_delay{};
  double repeat = 0;  ///< entries that the reader had already come again before the new ones
  double skip_superseded = 0;  ///< per entry: a superseded one is not shown
  double short_batch = 0;      ///< fewer entries than there are
};

/// Everything that is wrong with one store at the moment. The driver changes it as the run goes on;
/// the default is a quiet store on a quiet network.
struct SimFaults {
  SimNetwork network{};
  SimFeedFaults feed{};
  /// How long a replica needs to have a write of its master; without, it has it at once.
  DelayRange replication_lag{};
  /// Answers every request instead of carrying it out: unavailable, overloaded; no_space refuses
  /// writes and barriers alone (full disk).
  std::optional<Errc> refusal{};
};

}  // namespace headgate
