// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/task_scope.hpp"
#include "cli/bench/cases/cases.hpp"
#include "cli/bench/deliveries.hpp"
#include "cli/bench/feed_follower.hpp"
#include "cli/bench/feed_rows.hpp"
#include "cli/bench/figures.hpp"
#include "cli/bench/sample_documents.hpp"
#include "cli/bench/steady_load.hpp"

namespace headgate::bench {

namespace {

constexpr std::size_t kUsersOfChannel = 40;
constexpr std::size_t kDocumentBytes = 1024;
constexpr std::chrono::seconds kPatience{20};

/// What a replicator does for its user: half of the users push documents into their channel, the
/// others follow theirs and fetch what comes. The load that Sync Gateway's gateload makes.
class MixedCase final : public BenchCase {
 public:
  Task<Result<void>> prepare(BenchRun& run) override;
  Task<Result<Figures>> measure(BenchRun& run) override;

 private:
  std::vector<Reader> pullers_;
  std::vector<Reader> pushers_;
};

/// A user who follows a continuous feed and fetches each document that it tells of.
class Puller {
 public:
  Puller(BenchRun& run, const Reader& reader, std::size_t number, Deliveries& rows,
         Deliveries& documents);

  Task<void> follow(std::string since) { return follower_.follow(std::move(since)); }
  Task<void> fetch();
  void stop();

 private:
  void seen(std::string_view id, TimePoint when);

  BenchRun& run_;
  Reader reader_;
  std::size_t number_;
  Deliveries& rows_;
  Deliveries& documents_;
  FeedFollower follower_;
  LoadConnection connection_;
  Signal changed_;
  std::vector<std::string> wanted_;
  bool is_stopped_ = false;
};

Puller::Puller(BenchRun& run, const Reader& reader, std::size_t number, Deliveries& rows,
               Deliveries& documents)
    : run_(run),
      reader_(reader),
      number_(number),
      rows_(rows),
      documents_(documents),
      follower_(run, reader, FeedKind::continuous,
                [this](std::string_view id, TimePoint when) { seen(id, when); }),
      connection_(run.loop(), reader.address()),
      changed_(run.loop()) {}

void Puller::seen(std::string_view id, TimePoint when) {
  if (id.starts_with('_')) return;
  rows_.arrived(number_, id, when);
  wanted_.emplace_back(id);
  changed_.raise();
}

Task<void> Puller::fetch() {
  while (!is_stopped_) {
    if (wanted_.empty()) {
      co_await changed_.wait_past(changed_.count());
      continue;
    }
    std::string list;
    for (const std::string& id : std::exchange(wanted_, {}))
      list += fmt::format("{}{{\"id\":\"{}\"}}", list.empty() ? "" : ",", id);
    const std::string request =
        reader_post(run_, reader_, "/_bulk_get?revs=true", fmt::format("{{\"docs\":[{}]}}", list));
    if (!co_await run_.ask(connection_, request, 200)) continue;
    FeedRows().take(connection_.body(), [this](std::string_view id) {
      documents_.arrived(number_, id, connection_.received_at());
    });
  }
}

void Puller::stop() {
  is_stopped_ = true;
  follower_.stop();
  changed_.raise();
}

/// The users of one round at work.
class MixedRound {
 public:
  MixedRound(BenchRun& run, const std::vector<Reader>& pullers, const std::vector<Reader>& pushers);

  Task<bool> open();
  Task<void> push_steadily();
  Task<void> close();
  std::size_t pushed() const { return rows_.acknowledged(); }
  Figures figures();

 private:
  Task<void> push(LoadConnection& connection, std::size_t number);

  BenchRun& run_;
  const std::vector<Reader>& pushers_;
  std::map<std::string, std::size_t> pullers_of_;  ///< of each channel, how many
  Deliveries rows_;
  Deliveries documents_;
  Latencies pushes_;
  std::vector<std::unique_ptr<Puller>> pullers_;
  TaskScope tasks_;
};

MixedRound::MixedRound(BenchRun& run, const std::vector<Reader>& pullers,
                       const std::vector<Reader>& pushers)
    : run_(run),
      pushers_(pushers),
      rows_(run, pullers.size()),
      documents_(run, pullers.size()),
      tasks_(run.loop()) {
  for (std::size_t i = 0; i < pullers.size(); ++i) {
    ++pullers_of_[pullers[i].channels.front()];
    pullers_.push_back(std::make_unique<Puller>(run, pullers[i], i, rows_, documents_));
  }
}

Task<bool> MixedRound::open() {
  const std::string since = co_await current_position(run_, reader_of_all(run_));
  if (since.empty()) co_return false;
  for (const auto& puller : pullers_) {
    tasks_.spawn(puller->follow(since));
    tasks_.spawn(puller->fetch());
  }
  co_return true;
}

Task<void> MixedRound::push(LoadConnection& connection, std::size_t number) {
  const std::string id = new_row_id(run_);
  rows_.add(id);
  documents_.add(id);
  const Reader& pusher = pushers_[number];
  const std::string& channel = pusher.channels.front();
  const std::string digest = document_id(number) + document_id(number + 1);
  const std::string diff = fmt::format(R"({{"{}":["1-{}"]}})", id, digest);
  const std::string bulk = fmt::format(
      R"({{"new_edits":false,"docs":[{}]}})",
      document_text(kDocumentBytes, fmt::format(R"("_id":"{}","_rev":"1-{}","channels":["{}"])", id,
                                                digest, channel)));
  const TimePoint began = run_.loop().now();
  if (!co_await run_.ask(connection, reader_post(run_, pusher, "/_revs_diff", diff), 200))
    co_return;
  rows_.sent(id);
  documents_.sent(id);
  if (!co_await run_.ask(connection, reader_post(run_, pusher, "/_bulk_docs", bulk), 201))
    co_return;
  pushes_.add(connection.received_at() - began);
  rows_.answered(id, pullers_of_[channel]);
  documents_.answered(id, pullers_of_[channel]);
}

Task<void> MixedRound::push_steadily() {
  const SteadyLoad load{.per_second = run_.sizes().writes_per_second,
                        .connections = pushers_.size(),
                        .time = run_.sizes().round_time,
                        .address = pushers_.front().address()};
  co_await run_steady_load(run_, load, [this](LoadConnection& connection, std::size_t number) {
    return push(connection, number);
  });
  co_await rows_.wait_for_all(kPatience);
  co_await documents_.wait_for_all(kPatience);
}

Task<void> MixedRound::close() {
  for (const auto& puller : pullers_) puller->stop();
  co_await tasks_.join();
}

Figures MixedRound::figures() {
  Figures figures;
  add_percentiles(figures, pushes_, "push_");
  rows_.add_figures(figures);
  documents_.add_figures(figures, "fetched_");
  return figures;
}

Task<Result<void>> MixedCase::prepare(BenchRun& run) {
  const std::size_t users = std::max<std::size_t>(run.sizes().users, 2);
  const std::size_t channels = (users + kUsersOfChannel - 1) / kUsersOfChannel;
  HG_CO_TRY(pullers_, co_await make_readers(run, users, [channels](std::size_t user) {
              return std::vector<std::string>{channel_name(user % channels)};
            }));
  const auto middle = pullers_.begin() + static_cast<std::ptrdiff_t>(users / 2);
  pushers_.assign(middle, pullers_.end());
  pullers_.erase(middle, pullers_.end());
  co_return Result<void>();
}

Task<Result<Figures>> MixedCase::measure(BenchRun& run) {
  MixedRound round(run, pullers_, pushers_);
  if (!co_await round.open())
    co_return Error{Errc::unavailable, "the feeds do not work: " + run.counts().first_error};
  run.begin_measuring();
  co_await round.push_steadily();
  run.end_measuring(round.pushed());
  co_await round.close();
  co_return round.figures();
}

}  // namespace

std::unique_ptr<BenchCase> make_mixed_case() {
  return std::make_unique<MixedCase>();
}

}  // namespace headgate::bench
