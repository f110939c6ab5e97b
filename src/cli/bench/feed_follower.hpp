// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/bench/load_connection.hpp"
#include "cli/bench/readers.hpp"

namespace headgate::bench {

enum class FeedKind : std::uint8_t { continuous, longpoll, websocket };

/// A changes feed that stays open and tells of every row. Must outlive its follow().
class FeedFollower {
 public:
  using Seen = std::function<void(std::string_view id, TimePoint when)>;

  /// Calls `seen` with each row as it comes.
  FeedFollower(BenchRun& run, Reader reader, FeedKind kind, Seen seen);

  /// Follows the feed from `since` on, until stop(). That it ends before counts as an error.
  Task<void> follow(std::string since);
  /// Lets follow() end.
  void stop();

 private:
  Task<void> follow_lines(std::string since);
  Task<void> follow_polls(std::string since);
  Task<void> follow_messages(std::string since);
  void opened(int status, int expected);
  void ended();

  BenchRun& run_;
  Reader reader_;
  FeedKind kind_;
  Seen seen_;
  LoadConnection connection_;
  bool is_stopped_ = false;
};

/// The position after all that was written so far; empty if the server does not tell, which is
/// counted.
Task<std::string> current_position(BenchRun& run, const Reader& reader);

}  // namespace headgate::bench
