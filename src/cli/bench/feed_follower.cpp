// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/feed_follower.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/bench/feed_rows.hpp"
#include "cli/bench/websocket_messages.hpp"

namespace headgate::bench {

namespace {

constexpr int kHeartbeatMs = 30'000;

}  // namespace

FeedFollower::FeedFollower(BenchRun& run, Reader reader, FeedKind kind, Seen seen)
    : run_(run),
      reader_(std::move(reader)),
      kind_(kind),
      seen_(std::move(seen)),
      connection_(run.loop(), reader_.address()) {}

Task<void> FeedFollower::follow(std::string since) {
  if (kind_ == FeedKind::longpoll) return follow_polls(std::move(since));
  if (kind_ == FeedKind::websocket) return follow_messages(std::move(since));
  return follow_lines(std::move(since));
}

void FeedFollower::stop() {
  is_stopped_ = true;
  connection_.cancel();
}

Task<void> FeedFollower::follow_lines(std::string since) {
  run_.sent();
  const int status = co_await connection_.open(changes_request(
      run_, reader_, fmt::format("feed=continuous&since={}&heartbeat={}", since, kHeartbeatMs)));
  opened(status, 200);
  FeedRows rows;
  while (connection_.is_open()) {
    co_await connection_.read();
    const std::string bytes = std::exchange(connection_.body(), {});
    rows.take(bytes, [this](std::string_view id) { seen_(id, connection_.received_at()); });
  }
  ended();
}

Task<void> FeedFollower::follow_polls(std::string since) {
  while (!is_stopped_) {
    run_.sent();
    const int status = co_await connection_.exchange(changes_request(
        run_, reader_, fmt::format("feed=longpoll&since={}&heartbeat={}", since, kHeartbeatMs)));
    opened(status, 200);
    if (status != 200) co_return;
    since = last_sequence(connection_.body());
    if (since.empty()) co_return run_.failed("a longpoll feed without last_seq");
    FeedRows().take(connection_.body(),
                    [this](std::string_view id) { seen_(id, connection_.received_at()); });
  }
}

Task<void> FeedFollower::follow_messages(std::string since) {
  run_.sent();
  const int status = co_await connection_.open(
      changes_request(run_, reader_, "feed=websocket", websocket_fields()));
  opened(status, 101);
  // The position is JSON here: what needs an escape in an address is a string.
  connection_.send(websocket_message(fmt::format(
      R"({{"since":"{}","heartbeat":{}}})", percent_decode(since).value_or(since), kHeartbeatMs)));
  WebSocketMessages messages;
  while (connection_.is_open()) {
    co_await connection_.read();
    const std::string bytes = std::exchange(connection_.body(), {});
    messages.take(bytes, [this](std::string_view message) {
      FeedRows().take(message,
                      [this](std::string_view id) { seen_(id, connection_.received_at()); });
    });
  }
  ended();
}

void FeedFollower::opened(int status, int expected) {
  // What was cut off by stop() was wanted.
  run_.answered(is_stopped_ ? expected : status, expected, connection_.body());
}

void FeedFollower::ended() {
  if (!is_stopped_) run_.failed("a feed that should stay open has ended");
}

Task<std::string> current_position(BenchRun& run, const Reader& reader) {
  LoadConnection connection(run.loop(), reader.address());
  const std::string request = changes_request(run, reader, "since=now&limit=1");
  if (!co_await run.ask(connection, request, 200)) co_return std::string();
  std::string position = last_sequence(connection.body());
  if (position.empty()) run.failed("a feed without last_seq");
  co_return position;
}

}  // namespace headgate::bench
