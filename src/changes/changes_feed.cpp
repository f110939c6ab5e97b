// SPDX-License-Identifier: Apache-2.0
#include "changes/changes_feed.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/buggify.hpp"
#include "changes/feed_passes.hpp"
#include "changes/newest_changes.hpp"
#include "changes/row_writer.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstLook{1};
constexpr milliseconds kFirstRetry{10};
constexpr milliseconds kLongestRetry{1'000};
// Failed passes in a row after which a normal feed gives up.
constexpr int kAttempts = 6;
// How long `request_plus` waits for stable.
constexpr std::chrono::seconds kRequestPlusMax{30};
// How long a normal feed waits for stable to reach what was granted just now.
constexpr std::chrono::seconds kGrantsMax{1};
constexpr std::uint64_t kNoLimit = UINT64_MAX;

// What another pass may cure.
bool is_passing(Errc code) {
  return code == Errc::unavailable || code == Errc::rolled_back || code == Errc::overloaded ||
         code == Errc::timeout_unknown_outcome;
}

}  // namespace

class ChangesFeed::State {
 public:
  State(ChangesSource& source, FeedHub& hub, std::shared_ptr<const Principal> reader,
        ChangesOptions options);

  Task<Result<ChangesBatch>> next();
  void interrupt() {
    is_interrupted_ = true;
    waiter_.signal().raise();
  }

 private:
  // What a pass came to.
  struct Outcome {
    std::vector<ChangesRow> rows;
    bool has_more = false;
    std::optional<std::uint64_t> pending;
  };

  bool waits() const { return options_.feed != FeedKind::normal; }
  bool is_over() const {
    return is_interrupted_ || hub_.is_stopped() || hub_.generation() != generation_;
  }

  // Not inlined is what is not under way while the feed waits: its frame would be part of next()'s,
  // which thousands of feeds keep.
  Task<Result<FeedPasses::Selection>> choose();
  [[gnu::noinline]] Task<Result<Outcome>> pass();
  [[gnu::noinline]] Task<Result<void>> await_written();
  [[gnu::noinline]] Task<Result<bool>> await_stable(Sequence at, Deadline give_up_at);
  bool waits_for_grants(const Outcome& outcome);
  Task<Result<void>> gather_newest();
  [[gnu::noinline]] Task<Result<ChangesBatch>> next_newest();
  std::optional<ChangesBatch> batch_of(Outcome outcome);
  std::optional<ChangesBatch> due();
  Deadline next_due() const;
  bool is_up_to_date();
  [[gnu::noinline]] Task<void> wait_after_failure();
  bool is_gone(Errc code) const;
  bool has_given_up(Errc code);
  ChangesBatch end();
  std::size_t batch_rows() const;

  ChangesSource& source_;
  FeedHub& hub_;
  std::uint64_t generation_;  // of the hub when the feed began
  ChangesOptions options_;
  std::optional<std::uint64_t> remaining_;

  // Of the last pass.
  bool has_more_ = true;             // or it failed
  milliseconds look_again_{0};       // R15b: grows while an entry is awaited
  TimePoint look_at_ = kNoDeadline;  // the next look for it
  int failures_ = 0;

  bool has_awaited_grants_ = false;
  std::optional<Sequence> grants_due_;  // to be stable before the next pass
  bool has_sent_ = false;
  bool was_caught_up_ = false;
  bool is_interrupted_ = false;
  TimePoint last_row_;    // or the beginning
  TimePoint last_batch_;  // of rows, or a heartbeat
  RowWriter rows_;
  std::optional<NewestChanges> newest_;  // of a descending feed, once all was read
  FeedWaiter waiter_;
  FeedPasses passes_;
};

ChangesFeed::State::State(ChangesSource& source, FeedHub& hub,
                          std::shared_ptr<const Principal> reader, ChangesOptions options)
    : source_(source),
      hub_(hub),
      generation_(hub.generation()),
      options_(std::move(options)),
      remaining_(options_.is_descending ? std::nullopt : options_.limit),
      last_row_(source.environment().now()),
      last_batch_(last_row_),
      rows_(source, hub.rows(), options_),
      waiter_(hub),
      passes_(source, waiter_, std::move(reader), options_) {}

// --- One pass ------------------------------------------------------------------------------------

Task<Result<FeedPasses::Selection>> ChangesFeed::State::choose() {
  auto selection = co_await passes_.choose(batch_rows());
  if (!selection) co_return selection;
  const auto poll = std::chrono::duration_cast<milliseconds>(source_.settings().poll);
  const bool has_awaited = passes_.has_awaited();
  look_again_ = has_awaited ? std::clamp(look_again_ * 2, kFirstLook, std::max(kFirstLook, poll))
                            : milliseconds(0);
  look_at_ = has_awaited ? source_.environment().now() + look_again_ : kNoDeadline;
  co_return selection;
}

Task<Result<ChangesFeed::State::Outcome>> ChangesFeed::State::pass() {
  HG_CO_TRY(FeedPasses::Selection selection, co_await choose());
  Outcome outcome;
  HG_CO_TRY(const auto rows, co_await rows_.write(passes_.reader(), selection.picked));
  if (rows.size() < selection.picked.size()) {  // their documents are too large for one batch
    selection.left += selection.picked.size() - rows.size();
    selection.picked.resize(rows.size());
    selection.end = selection.picked.back().change.place;
    selection.is_cut = true;
  }
  const std::vector<SequenceId> ids = passes_.commit(selection);
  for (std::size_t i = 0; i < rows.size(); ++i) outcome.rows.push_back({ids[i], rows[i]});
  outcome.has_more = selection.has_more();
  outcome.pending = selection.pending();
  co_return outcome;
}

// --- Before the first pass -----------------------------------------------------------------------

// Whoever asks reads what was written before; a number that turns out unused keeps nobody
// (sync_gateway PR 6326): stable passes it as soon as it is known.
Task<Result<void>> ChangesFeed::State::await_written() {
  HG_CO_TRY(const Sequence written, co_await source_.read_highest());
  const Deadline give_up_at = source_.environment().now() + kRequestPlusMax;
  HG_CO_TRY(const bool is_stable, co_await await_stable(written, give_up_at));
  if (!is_stable && !is_over())
    co_return Error{Errc::unavailable, "what was written before is not stable yet"};
  co_return Result<void>();
}

// False: it did not come there in time.
Task<Result<bool>> ChangesFeed::State::await_stable(Sequence at, Deadline give_up_at) {
  HG_CO_CHECK(waiter_.watch(passes_.interest()));
  waiter_.watch_any_stable(true);
  const Environment& environment = source_.environment();
  while (!is_over()) {
    const auto seen = waiter_.signal().count();
    const auto start = co_await source_.cache_reader().start_pass();
    if (start && start->stable >= at) co_return true;
    if (environment.now() >= give_up_at) break;
    const Deadline next_look = environment.now() + source_.settings().poll;
    co_await waiter_.signal().wait_past(seen, std::min(next_look, give_up_at));
  }
  co_return false;
}

// A user's first request comes right after what made the user: it is to find the channels. Once: if
// stable stands still the rest is for another request.
bool ChangesFeed::State::waits_for_grants(const Outcome& outcome) {
  if (waits() || outcome.has_more || !passes_.is_deferred()) return false;
  return !std::exchange(has_awaited_grants_, true);
}

// --- The newest first ----------------------------------------------------------------------------

Task<Result<void>> ChangesFeed::State::gather_newest() {
  const std::size_t most =
      std::min<std::uint64_t>(options_.limit.value_or(kDescendingMax), kDescendingMax);
  NewestChanges newest(most);
  passes_.rewind();
  for (bool has_more = true; has_more && !is_over();) {
    auto selection = co_await choose();
    if (!selection) {
      if (has_given_up(selection.error().code)) co_return std::move(selection).error();
      co_await wait_after_failure();
      continue;
    }
    failures_ = 0;
    const std::vector<SequenceId> ids = passes_.commit(*selection);
    for (std::size_t i = 0; i < ids.size(); ++i)
      newest.add(std::move(selection->picked[i]), ids[i]);
    has_more = selection->has_more();
    if (newest.has_dropped() && options_.limit.value_or(kNoLimit) > kDescendingMax)
      co_return Error{Errc::invalid_argument, "descending: name a limit, there are too many"};
  }
  newest_ = std::move(newest);
  co_return Result<void>();
}

Task<Result<ChangesBatch>> ChangesFeed::State::next_newest() {
  if (!newest_) HG_CO_CHECK(co_await gather_newest());
  ChangesBatch batch;
  batch.last_seq = passes_.position();
  const std::vector<NewestChanges::Item> items = newest_->take(batch_rows());
  if (!items.empty()) {
    std::vector<PickedChange> picked;
    for (const auto& item : items) picked.push_back(item.picked);
    HG_CO_TRY(const auto rows, co_await rows_.write(passes_.reader(), picked));
    for (std::size_t i = 0; i < rows.size(); ++i) batch.rows.push_back({items[i].seq, rows[i]});
    for (std::size_t i = items.size(); i > rows.size(); --i) newest_->give_back(items[i - 1]);
    batch.last_seq = batch.rows.back().seq;
  }
  batch.is_end = newest_->empty() || is_over();
  // How many are older than the limit's last is not counted.
  if (batch.is_end && !newest_->has_dropped()) batch.pending = 0;
  co_return batch;
}

// --- Batches -------------------------------------------------------------------------------------

std::size_t ChangesFeed::State::batch_rows() const {
  std::size_t most = options_.include_docs ? kBatchDocuments : kBatchRows;
  if (HG_BUGGIFY("batch of one row")) most = 1;
  return remaining_ ? static_cast<std::size_t>(std::min<std::uint64_t>(most, *remaining_)) : most;
}

ChangesBatch ChangesFeed::State::end() {
  ChangesBatch batch;
  batch.is_end = true;
  batch.pending = 0;
  batch.last_seq = passes_.position();
  return batch;
}

// What goes to the client after a pass, if anything does.
std::optional<ChangesBatch> ChangesFeed::State::batch_of(Outcome outcome) {
  ChangesBatch batch;
  batch.rows = std::move(outcome.rows);
  // The last_seq of a cut page is that of its last row.
  const bool is_cut = outcome.has_more && !batch.rows.empty();
  batch.last_seq = is_cut ? batch.rows.back().seq : passes_.position();
  if (remaining_) {
    *remaining_ -= batch.rows.size();
    batch.is_end = *remaining_ == 0;
  }
  has_sent_ = has_sent_ || !batch.rows.empty();
  if (!outcome.has_more) {
    const bool ends_here =
        options_.feed == FeedKind::normal || (options_.feed == FeedKind::longpoll && has_sent_);
    batch.is_end = batch.is_end || ends_here;
    batch.is_caught_up =
        options_.feed == FeedKind::continuous && !std::exchange(was_caught_up_, true);
  }
  if (batch.is_end) batch.pending = outcome.pending;
  if (!batch.rows.empty()) last_row_ = last_batch_ = source_.environment().now();
  if (batch.rows.empty() && !batch.is_end && !batch.is_caught_up) return std::nullopt;
  return batch;
}

Deadline ChangesFeed::State::next_due() const {
  if (!waits()) return kNoDeadline;
  if (options_.heartbeat) return last_batch_ + *options_.heartbeat;
  return options_.timeout ? last_row_ + *options_.timeout : kNoDeadline;
}

std::optional<ChangesBatch> ChangesFeed::State::due() {
  if (source_.environment().now() < next_due()) return std::nullopt;
  if (!options_.heartbeat) return end();
  last_batch_ = source_.environment().now();
  ChangesBatch batch;
  batch.is_heartbeat = true;
  batch.last_seq = passes_.position();
  return batch;
}

// Nothing has happened since the last pass: another one would find nothing.
bool ChangesFeed::State::is_up_to_date() {
  if (has_more_ || waiter_.signal().count() != passes_.wakes_seen()) return false;
  if (source_.environment().now() >= look_at_) return false;
  // Stable may have risen before the hub was told that this feed wants to know.
  return !passes_.waits_for_stable() || hub_.stable() <= passes_.stable();
}

Task<void> ChangesFeed::State::wait_after_failure() {
  const milliseconds pause = std::min(kFirstRetry * (1 << std::min(failures_, 10)), kLongestRetry);
  const Deadline deadline = std::min(next_due(), source_.environment().now() + pause);
  co_await waiter_.signal().wait_past(waiter_.signal().count(), deadline);
}

// A user that was there when the feed began.
bool ChangesFeed::State::is_gone(Errc code) const {
  return passes_.has_begun() && (code == Errc::not_found || code == Errc::unauthorized);
}

bool ChangesFeed::State::has_given_up(Errc code) {
  if (!is_passing(code)) return true;
  ++failures_;
  return !waits() && failures_ == kAttempts;
}

Task<Result<ChangesBatch>> ChangesFeed::State::next() {
  if (waits() && !waiter_.is_watching()) HG_CO_CHECK(waiter_.watch(passes_.interest()));
  if (options_.request_plus && !passes_.has_begun() && options_.feed != FeedKind::continuous)
    HG_CO_CHECK(co_await await_written());
  if (options_.is_descending) co_return co_await next_newest();
  while (!is_over()) {
    if (is_up_to_date()) {
      if (auto batch = due()) co_return *std::move(batch);
      co_await waiter_.signal().wait_past(passes_.wakes_seen(), std::min(next_due(), look_at_));
      continue;
    }
    if (grants_due_) {
      const Deadline give_up_at = source_.environment().now() + kGrantsMax;
      (void)co_await await_stable(*std::exchange(grants_due_, std::nullopt), give_up_at);
    }
    auto outcome = co_await pass();
    has_more_ = !outcome || outcome->has_more;
    if (!outcome) {
      if (is_gone(outcome.error().code)) break;
      if (has_given_up(outcome.error().code)) co_return std::move(outcome).error();
      if (auto batch = due()) co_return *std::move(batch);
      co_await wait_after_failure();
      continue;
    }
    failures_ = 0;
    if (waits_for_grants(*outcome)) {
      grants_due_ = passes_.deferred_to();
      outcome->has_more = has_more_ = true;
    }
    if (outcome->rows.empty())
      waiter_.nothing_was_found();
    else
      waiter_.rows_are_ready();
    if (auto batch = batch_of(*std::move(outcome))) co_return *std::move(batch);
    if (auto batch = due()) co_return *std::move(batch);
  }
  co_return end();
}

// --- The public face -----------------------------------------------------------------------------

ChangesFeed::ChangesFeed(ChangesSource& source, FeedHub& hub,
                         std::shared_ptr<const Principal> reader, ChangesOptions options)
    : state_(std::make_unique<State>(source, hub, std::move(reader), std::move(options))) {}

ChangesFeed::~ChangesFeed() = default;

Task<Result<ChangesBatch>> ChangesFeed::next() {
  return state_->next();
}

void ChangesFeed::interrupt() {
  state_->interrupt();
}

}  // namespace headgate
