// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/task_scope.hpp"
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/deliveries.hpp"
#include "cli/bench/feed_follower.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"
#include "cli/bench/steady_load.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kConnections = 16;
constexpr std::chrono::seconds kPatience{10};

/// Writes at a steady rate, and feeds that must tell of each.
class PushCase final : public BenchCase {
 public:
  PushCase(FeedKind kind, bool has_many_feeds) : kind_(kind), has_many_feeds_(has_many_feeds) {}

  Task<Result<void>> prepare(BenchRun& run) override;
  Task<Result<Figures>> measure(BenchRun& run) override;

 private:
  FeedKind kind_;
  bool has_many_feeds_;
};

/// The feeds and writes of one round.
class PushRound {
 public:
  PushRound(BenchRun& run, FeedKind kind, std::size_t feeds);

  /// All feeds are open, and have told of a write: none is only about to listen.
  Task<bool> open();
  Task<void> write_steadily();
  Task<void> close();
  Deliveries& deliveries() { return deliveries_; }
  Latencies& writes() { return writes_; }

 private:
  Task<void> write(LoadConnection& connection);

  BenchRun& run_;
  std::string body_;
  Deliveries deliveries_;
  Deliveries first_;  ///< the write that tells that all feeds listen
  std::vector<std::unique_ptr<FeedFollower>> followers_;
  Latencies writes_;
  bool is_first_ = true;
  TaskScope feeds_;
};

PushRound::PushRound(BenchRun& run, FeedKind kind, std::size_t feeds)
    : run_(run),
      body_(document_text(run.sizes().document_bytes, R"("channels":["all"])")),
      deliveries_(run, feeds),
      first_(run, feeds),
      feeds_(run.loop()) {
  for (std::size_t i = 0; i < feeds; ++i)
    followers_.push_back(std::make_unique<FeedFollower>(
        run, reader_of_all(run), kind, [this, i](std::string_view id, TimePoint when) {
          (is_first_ ? first_ : deliveries_).arrived(i, id, when);
        }));
}

Task<bool> PushRound::open() {
  const std::string since = co_await current_position(run_, reader_of_all(run_));
  if (since.empty()) co_return false;
  for (const auto& follower : followers_) feeds_.spawn(follower->follow(since));
  LoadConnection connection(run_.loop(), run_.address());
  co_await write(connection);
  const bool is_listening = co_await first_.wait_for_all(kPatience);
  is_first_ = false;
  co_return is_listening;
}

Task<void> PushRound::write_steadily() {
  const SteadyLoad load{.per_second = run_.sizes().writes_per_second,
                        .connections = kConnections,
                        .time = run_.sizes().round_time,
                        .address = run_.address()};
  co_await run_steady_load(
      run_, load, [this](LoadConnection& connection, std::size_t) { return write(connection); });
  co_await deliveries_.wait_for_all(kPatience);
}

Task<void> PushRound::write(LoadConnection& connection) {
  Deliveries& deliveries = is_first_ ? first_ : deliveries_;
  const std::string id = new_row_id(run_);
  deliveries.add(id);
  const std::string request = run_.request(HttpMethod::put, "/" + id, body_);
  deliveries.sent(id);
  const TimePoint began = run_.loop().now();
  if (!co_await run_.ask(connection, request, 201)) co_return;
  writes_.add(connection.received_at() - began);
  deliveries.answered(id, followers_.size());
}

Task<void> PushRound::close() {
  for (const auto& follower : followers_) follower->stop();
  co_await feeds_.join();
}

Task<Result<void>> PushCase::prepare(BenchRun& run) {
  if (kind_ == FeedKind::websocket && !run.server().has_channels())
    co_return Error{Errc::unsupported, "the server has no such feeds"};
  co_return Result<void>();
}

Task<Result<Figures>> PushCase::measure(BenchRun& run) {
  PushRound round(run, kind_, has_many_feeds_ ? run.sizes().feeds : 1);
  if (!co_await round.open())
    co_return Error{Errc::unavailable, "the feeds do not work: " + run.counts().first_error};
  run.begin_measuring();
  co_await round.write_steadily();
  run.end_measuring(round.deliveries().acknowledged());
  co_await round.close();
  Figures figures;
  round.deliveries().add_figures(figures);
  add_percentiles(figures, round.writes(), "put_");
  co_return figures;
}

}  // namespace

std::unique_ptr<BenchCase> make_push_continuous_case() {
  return std::make_unique<PushCase>(FeedKind::continuous, false);
}

std::unique_ptr<BenchCase> make_push_longpoll_case() {
  return std::make_unique<PushCase>(FeedKind::longpoll, false);
}

std::unique_ptr<BenchCase> make_push_websocket_case() {
  return std::make_unique<PushCase>(FeedKind::websocket, false);
}

std::unique_ptr<BenchCase> make_push_many_case() {
  return std::make_unique<PushCase>(FeedKind::continuous, true);
}

}  // namespace headgate::bench
