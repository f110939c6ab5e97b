// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "base/task_scope.hpp"
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/deliveries.hpp"
#include "cli/bench/feed_follower.hpp"
#include "cli/bench/sample_documents.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kWrites = 3;
constexpr std::chrono::seconds kPatience{60};
/// Feeds that are opened at once, so that none is refused.
constexpr std::size_t kOpenedAtOnce = 100;
/// For the feeds to ask again, after which they wait.
constexpr std::chrono::milliseconds kRest{1'000};

/// Longpoll feeds that wait: what each costs while nothing happens, and how long one write takes to
/// reach them all.
class WaitingCase final : public BenchCase {
 public:
  Task<Result<Figures>> measure(BenchRun& run) override;

 private:
  /// Before the first feed: what feeds of earlier rounds have given back is used again by later
  /// ones, and would not be seen.
  std::optional<ProcessUsage> before_;
};

std::optional<ProcessUsage> server_usage(const BenchRun& run) {
  const int process = run.server().options().process;
  return process == 0 ? std::nullopt : usage_of(process);
}

class WaitingRound {
 public:
  explicit WaitingRound(BenchRun& run);

  Task<bool> open();
  /// One write, until all feeds have told of it.
  Task<void> wake_all();
  Task<void> close();
  /// `before`: of the server, without feeds.
  Figures figures(const std::optional<ProcessUsage>& before);

 private:
  Task<bool> write(std::chrono::nanoseconds& from_sending, std::chrono::nanoseconds& from_answer);

  BenchRun& run_;
  std::unique_ptr<Deliveries> deliveries_;
  std::vector<std::unique_ptr<FeedFollower>> followers_;
  std::optional<ProcessUsage> waiting_;
  TimePoint last_arrival_;
  Latencies from_sending_;
  Latencies from_answer_;
  TaskScope feeds_;
};

WaitingRound::WaitingRound(BenchRun& run) : run_(run), feeds_(run.loop()) {
  for (std::size_t i = 0; i < run.sizes().waiting; ++i)
    followers_.push_back(
        std::make_unique<FeedFollower>(run, reader_of_all(run), FeedKind::longpoll,
                                       [this, i](std::string_view id, TimePoint when) {
                                         last_arrival_ = when;
                                         deliveries_->arrived(i, id, when);
                                       }));
}

Task<bool> WaitingRound::open() {
  const std::string since = co_await current_position(run_, reader_of_all(run_));
  if (since.empty()) co_return false;
  LoadConnection connection(run_.loop(), run_.address());
  const std::string ping = run_.request(HttpMethod::get, "");
  for (std::size_t i = 0; i < followers_.size(); ++i) {
    feeds_.spawn(followers_[i]->follow(since));
    // An answer after them: the server has accepted those before.
    if (i % kOpenedAtOnce == kOpenedAtOnce - 1 && !co_await run_.ask(connection, ping, 200))
      co_return false;
  }
  // A first write that all tell of shows that all were listening; then they wait again.
  std::chrono::nanoseconds ignored{};
  if (!co_await write(ignored, ignored)) co_return false;
  co_await run_.loop().sleep_for(kRest);
  waiting_ = server_usage(run_);
  co_return true;
}

Task<bool> WaitingRound::write(std::chrono::nanoseconds& from_sending,
                               std::chrono::nanoseconds& from_answer) {
  deliveries_ = std::make_unique<Deliveries>(run_, followers_.size());
  const std::string id = new_row_id(run_);
  deliveries_->add(id);
  LoadConnection connection(run_.loop(), run_.address());
  const std::string put =
      run_.request(HttpMethod::put, "/" + id,
                   document_text(run_.sizes().document_bytes, R"("channels":["all"])"));
  const TimePoint sent = run_.loop().now();
  deliveries_->sent(id);
  if (!co_await run_.ask(connection, put, 201)) co_return false;
  const TimePoint answered = connection.received_at();
  deliveries_->answered(id, followers_.size());
  if (!co_await deliveries_->wait_for_all(kPatience)) co_return false;
  from_sending = last_arrival_ - sent;
  from_answer = std::max(last_arrival_ - answered, std::chrono::nanoseconds(0));
  co_return true;
}

Task<void> WaitingRound::wake_all() {
  std::chrono::nanoseconds from_sending{};
  std::chrono::nanoseconds from_answer{};
  if (!co_await write(from_sending, from_answer)) co_return;
  from_sending_.add(from_sending);
  from_answer_.add(from_answer);
  co_await run_.loop().sleep_for(kRest);
}

Task<void> WaitingRound::close() {
  for (const auto& follower : followers_) follower->stop();
  co_await feeds_.join();
}

Figures WaitingRound::figures(const std::optional<ProcessUsage>& before) {
  Figures figures{{"all_from_answer", "ms", from_answer_.percentile_ms(0.5), false},
                  {"all_from_sending", "ms", from_sending_.percentile_ms(0.5), false}};
  if (before && waiting_) {
    const double grown =
        static_cast<double>(waiting_->resident_bytes) - static_cast<double>(before->resident_bytes);
    figures.push_back(
        {"memory_each", "KiB", grown / 1024 / static_cast<double>(followers_.size()), false});
  }
  return figures;
}

Task<Result<Figures>> WaitingCase::measure(BenchRun& run) {
  if (!before_) before_ = server_usage(run);
  WaitingRound round(run);
  if (!co_await round.open())
    co_return Error{Errc::unavailable, "the feeds do not work: " + run.counts().first_error};
  run.begin_measuring();
  for (std::size_t i = 0; i < kWrites; ++i) co_await round.wake_all();
  run.end_measuring(kWrites * run.sizes().waiting);
  co_await round.close();
  co_return round.figures(before_);
}

}  // namespace

std::unique_ptr<BenchCase> make_waiting_case() {
  return std::make_unique<WaitingCase>();
}

}  // namespace headgate::bench
