// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/sim_follower.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kPatience{3};
constexpr milliseconds kHeartbeat{400};
constexpr DelayRange kPause{milliseconds(5), milliseconds(60)};
constexpr std::size_t kRemembered = 24;
constexpr std::size_t kStory = 60;
constexpr int kPagesMost = 400;
// Users up to this number keep their rights; whoever is told of backfills does not change the mode:
// `G:n` does not say what was seen above stable.
constexpr std::uint32_t kFixedUsers = 2;

Reader reader_of(const ScriptStep& step) {
  Reader reader;
  if (step.subject != 0) reader.user = user_name(step.subject);
  reader.channels = step.channels;
  reader.name =
      fmt::format("follower {} ({})", step.number, step.subject == 0 ? "admin" : reader.user);
  return reader;
}

}  // namespace

SimFollower::SimFollower(SimClientSite& site, ScriptStep step)
    : site_(site), step_(std::move(step)), reader_(reader_of(step_)) {
  remembered_.push_back({at_, replica_});
}

bool SimFollower::chance(std::string_view label, double probability) {
  return site_.world().choices().chance(label, probability, ChoiceScope(step_.number));
}

ChangesOptions SimFollower::options() {
  ChangesOptions options;
  options.feed = step_.feed;
  options.since = SequenceId::parse(at_).value();
  options.mode = step_.mode;
  if (step_.subject <= kFixedUsers && chance("other mode", 0.3)) options.mode = ReadMode::stable;
  if (!step_.channels.empty())
    options.channels = std::vector(step_.channels.begin(), step_.channels.end());
  if (step_.amount != 0) options.limit = step_.amount;
  if (step_.feed == FeedKind::longpoll) options.timeout = milliseconds(300);
  if (step_.feed == FeedKind::continuous) options.heartbeat = kHeartbeat;
  return options;
}

void SimFollower::remember(const std::string& id) {
  remembered_.push_back({id, replica_, site_.oracle.readable(reader_, replica_)});
  if (remembered_.size() > kRemembered) remembered_.erase(remembered_.begin() + 1);
}

void SimFollower::take(const SeenBatch& batch) {
  for (const SeenChange& row : batch.rows) {
    ++rows_;
    last_rows_.push_back(fmt::format(
        "{:>9} us {}@{} {}{}{}",
        (site_.world().now().time_since_epoch().count() / 1'000) - 1'000'000'000, row.id, row.seq,
        row.rev, row.is_deleted ? " deleted" : "", row.removed.empty() ? "" : " removed"));
    if (last_rows_.size() > kStory) last_rows_.pop_front();
    site_.oracle.deliver(reader_, replica_, row, batch.pass_began);
    check_repeats(row);
    at_ = row.seq;
    if (chance("row's id kept", 0.2)) remember(at_);
  }
  // The id of the last row, or what the page says in its end.
  if (batch.is_end && (batch.rows.empty() || chance("last_seq", 0.5))) at_ = batch.last_seq;
  if (batch.is_end && !batch.rows.empty()) remember(at_);
}

// R17b: whoever stays connected is sent nothing twice. With an epoch a feed begins again at its
// floor; channels that are granted are sent whole.
void SimFollower::check_repeats(const SeenChange& row) {
  if (!row.removed.empty() || row.id.starts_with('_')) return;
  const std::size_t times = ++rows_of_stream_[{row.id, row.rev}];
  const std::size_t epochs =
      std::max(site_.oracle.epochs_published(), epochs_before_) - epochs_before_ + 1;
  if (times <= site_.oracle.times_written(row.id, row.rev) * epochs) return;
  if (site_.oracle.has_fixed_rights(reader_))
    site_.oracle.fail("R17b", fmt::format("{} is sent {}@{} {} {} times on one connection",
                                          reader_.name, row.id, row.seq, row.rev, times));
}

Task<void> SimFollower::follow(SimNode& node) {
  const auto stream = open_feed(site_.environment, node, reader_.user, options());
  stream_ = stream;
  rows_of_stream_.clear();
  epochs_before_ = site_.oracle.epochs_published();
  while (!stream->is_closed) {
    const auto seen = stream->arrived.count();
    for (const SeenBatch& batch : std::exchange(stream->batches, {})) take(batch);
    if (stream->is_over || site_.is_over) break;
    const bool may_drop = step_.feed == FeedKind::continuous && !site_.is_calm;
    if (may_drop && chance("connection dropped", 0.01)) break;
    if (!co_await stream->arrived.wait_past(seen, site_.environment.now() + kPatience)) break;
  }
  close_feed(stream);
}

Task<void> SimFollower::run() {
  while (!site_.is_over) {
    if (node_ == nullptr || !node_->is_serving() || chance("another node", 0.3))
      node_ = &site_.draw_node(step_.number);
    co_await follow(*node_);
    const auto pause = site_.world().choices().duration("pause", kPause, ChoiceScope(step_.number));
    co_await site_.environment.sleep_for(pause);
  }
}

void SimFollower::go_back(std::uint32_t how_far) {
  if (stream_) close_feed(stream_);
  const Remembered& old = remembered(how_far);
  last_rows_.push_back("goes back to " + old.id);
  at_ = old.id;
  replica_ = old.replica;
}

void SimFollower::begin_again() {
  if (stream_) close_feed(stream_);
  last_rows_.push_back("begins again");
  at_ = "0";
  replica_ = {};
  remembered_.assign(1, {at_, replica_});
}

Task<void> SimFollower::prove_old_id(SimNode& node, std::optional<std::uint32_t> how_far,
                                     ReadMode mode, std::uint64_t limit) {
  Replica replica;
  std::string at = "0";
  if (how_far) {
    const Remembered& old = remembered(*how_far);
    at = old.id;
    replica = old.replica;
  }
  const std::string begun_at = at;
  std::string story;
  for (int page = 0;; ++page) {
    if (page == kPagesMost)
      co_return site_.oracle.fail(
          "I1", fmt::format("{} from {}: pages without end{}", reader_.name, begun_at, story));
    ChangesOptions options;
    options.since = SequenceId::parse(at).value();
    options.mode = mode;
    if (limit != 0) options.limit = limit;
    if (!step_.channels.empty())
      options.channels = std::vector(step_.channels.begin(), step_.channels.end());
    const auto stream = open_feed(site_.environment, node, reader_.user, options);
    while (!stream->is_over) co_await stream->arrived.wait_past(stream->arrived.count());
    if (stream->batches.empty() || !stream->batches.back().is_end) {
      co_await site_.environment.sleep_for(milliseconds(20));
      continue;
    }
    bool is_empty = true;
    for (const SeenBatch& batch : stream->batches) {
      for (const SeenChange& row : batch.rows) {
        story += fmt::format("\n  {}@{} {}", row.id, row.seq, row.rev);
        site_.oracle.deliver(reader_, replica, row, batch.pass_began);
      }
      is_empty = is_empty && batch.rows.empty();
      at = batch.last_seq;
    }
    if (is_empty) break;
  }
  if (const auto wrong = site_.oracle.missing(reader_, replica))
    site_.oracle.fail("I1",
                      fmt::format("from {} in pages of {}: {}{}", begun_at, limit, *wrong, story));
}

std::string SimFollower::story() const {
  std::string text = reader_.name + "\n";
  for (const std::string& row : last_rows_) text += "  " + row + "\n";
  return text;
}

}  // namespace headgate
