// SPDX-License-Identifier: Apache-2.0
#include "changes/changes_feed.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/buggify.hpp"
#include "changes/changes_filter.hpp"
#include "changes/changes_position.hpp"
#include "changes/channel_plan.hpp"
#include "changes/newest_changes.hpp"
#include "changes/page_merge.hpp"
#include "changes/row_writer.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstLook{1};
constexpr milliseconds kFirstRetry{10};
constexpr milliseconds kLongestRetry{1'000};
// Failed passes in a row after which a normal feed gives up.
constexpr int kAttempts = 6;
// A feed whose channels change at each of so many looks begins again later.
constexpr int kRegistrations = 8;
// How long `request_plus` waits for stable.
constexpr std::chrono::seconds kRequestPlusMax{30};
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
  // What a pass chose of the pages it read.
  struct Selection {
    std::vector<PickedChange> picked;
    ChangesPlace end;        // everything up to here was looked at
    bool is_cut = false;     // there is more to read now
    bool is_full = false;    // max_early: what is left waits for stable (R17b)
    std::uint64_t left = 0;  // further changes among those read
    Sequence stable;         // of the pass
    bool is_complete = false;
    bool has_more() const { return is_cut || (!is_complete && !is_full); }
    std::optional<std::uint64_t> pending() const {
      return is_complete && !is_full ? std::optional(left) : std::nullopt;
    }
  };
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

  Task<Result<PassStart>> begin_pass();
  void follow_epochs(const PassStart& start);
  Task<Result<void>> load_reader(PassStart pass);
  FeedHub::Interest interest() const;
  std::vector<FeedChannel> lost() const;
  Task<Result<std::vector<ChannelPage>>> read_pages(PassStart start, const ChannelPlan& plan);
  Task<Result<Selection>> choose();
  Task<Result<Outcome>> pass();
  void add_user_entry(ChannelPlan& plan, MergedPages& merged, Sequence stable) const;
  Selection select(const ChannelPlan& plan, const MergedPages& merged, Sequence stable) const;
  ReadMode mode_of_reading(const PassStart& start) const;
  bool was_sent(const Change& change) const;
  PickedChange pick(const Change& change, const ChannelPlan& plan) const;
  bool is_wanted(const Change& change, const ChannelPlan& plan) const;
  std::vector<SequenceId> commit(const Selection& selection);
  void trim();

  Task<Result<void>> await_written();
  Task<Result<void>> gather_newest();
  Task<Result<ChangesBatch>> next_newest();
  std::optional<ChangesBatch> batch_of(Outcome outcome);
  std::optional<ChangesBatch> due();
  Deadline next_due() const;
  void expect(const ChannelPlan& plan, const MergedPages& merged);
  bool is_up_to_date();
  Task<void> wait_after_failure();
  bool is_gone(Errc code) const;
  bool has_given_up(Errc code);
  ChangesBatch end();
  std::size_t batch_rows() const;

  ChangesSource& source_;
  FeedHub& hub_;
  std::uint64_t generation_;  // of the hub when the feed began
  ChangesOptions options_;
  ReadMode mode_;
  std::shared_ptr<const Principal> reader_;
  std::vector<FeedChannel> channels_;
  std::vector<FeedChannel> lost_;  // of a feed with revocations
  ChangesPosition position_;
  std::unordered_map<std::string, Sequence> sent_;  // R17b: above stable, by document id
  std::optional<std::uint64_t> remaining_;

  // Of the last pass.
  Epoch epoch_;
  Sequence stable_;
  std::uint64_t seen_ = 0;
  bool is_registered_ = false;  // for what the reader sees now
  bool has_begun_ = false;
  bool has_more_ = true;  // or it failed
  bool waits_for_stable_ = false;
  milliseconds look_again_{0};       // R15b: grows while an entry is awaited
  TimePoint look_at_ = kNoDeadline;  // the next look for it
  int failures_ = 0;

  bool has_sent_ = false;
  bool was_caught_up_ = false;
  bool is_interrupted_ = false;
  TimePoint last_row_;    // or the beginning
  TimePoint last_batch_;  // of rows, or a heartbeat
  RowWriter rows_;
  ChangesFilter filter_;
  std::optional<NewestChanges> newest_;  // of a descending feed, once all was read
  FeedWaiter waiter_;
};

ChangesFeed::State::State(ChangesSource& source, FeedHub& hub,
                          std::shared_ptr<const Principal> reader, ChangesOptions options)
    : source_(source),
      hub_(hub),
      generation_(hub.generation()),
      options_(std::move(options)),
      mode_(options_.mode.value_or(source.default_mode())),
      reader_(std::move(reader)),
      channels_(feed_channels(reader_->access, options_.channels)),
      lost_(lost()),
      position_(options_.since),
      remaining_(options_.is_descending ? std::nullopt : options_.limit),
      last_row_(source.environment().now()),
      last_batch_(last_row_),
      rows_(source, hub.rows(), options_),
      filter_(source, options_),
      waiter_(hub) {}

// --- The beginning of a pass ---------------------------------------------------------------------

FeedHub::Interest ChangesFeed::State::interest() const {
  FeedHub::Interest interest{{}, reader_->hidden_channels, mode_};
  for (const FeedChannel& channel : channels_) interest.channels.push_back(channel.channel);
  return interest;
}

std::vector<FeedChannel> ChangesFeed::State::lost() const {
  if (!options_.revocations || options_.active_only) return {};
  return lost_channels(*reader_, options_.channels);
}

// Users are loaded anew for every pass, after stable was read (R15, couchbase/sync_gateway#2068).
Task<Result<void>> ChangesFeed::State::load_reader(PassStart pass) {
  if (reader_->is_admin()) co_return Result<void>();
  HG_CO_TRY(auto loaded, co_await source_.load_principal(reader_->name, std::move(pass)));
  if (loaded == reader_) co_return Result<void>();
  reader_ = std::move(loaded);
  channels_ = feed_channels(reader_->access, options_.channels);
  lost_ = lost();
  is_registered_ = is_registered_ && waiter_.interest() == interest();
  co_return Result<void>();
}

// A waiting feed is registered for what its reader sees before the pass begins: what is written
// from then on wakes it.
Task<Result<PassStart>> ChangesFeed::State::begin_pass() {
  for (int i = 0; i < kRegistrations; ++i) {
    if (waits() && !is_registered_) {
      HG_CO_CHECK(waiter_.watch(interest()));
      is_registered_ = true;
    }
    seen_ = waiter_.signal().count();
    HG_CO_TRY(PassStart start, co_await source_.cache_reader().start_pass());
    HG_CO_CHECK(co_await load_reader(start));
    if (!waits() || is_registered_) co_return start;
  }
  co_return Errc::unavailable;
}

// R17: a place of an older epoch, also one that this feed has come to itself, is continued from the
// floors of those that began since.
void ChangesFeed::State::follow_epochs(const PassStart& start) {
  if (start.record->epoch == epoch_ || !HG_RULE("R17")) return;
  epoch_ = start.record->epoch;
  const Epochs& epochs = start.record->epochs;
  const SequenceId from = epochs.resume(position_.id());
  if (from != position_.id()) {
    HG_PROBE("B2 token continues from the floor");
    position_ = ChangesPosition(from);
  }
  position_.set_epochs(std::shared_ptr<const Epochs>(start.record, &epochs));
}

// --- One pass ------------------------------------------------------------------------------------

// A lost channel is read as it was just before the loss: an entry that came later stands for a
// revision that the reader must not hear of, and hides the one that it has.
Task<Result<std::vector<ChannelPage>>> ChangesFeed::State::read_pages(PassStart start,
                                                                      const ChannelPlan& plan) {
  CacheReader& reader = source_.cache_reader();
  const std::size_t limit = position_.read_limit(source_.settings().max_early);
  HG_CO_TRY(auto pages,
            co_await reader.read(start, mode_of_reading(start), plan.queries(), limit));
  for (const ChannelPlan::Read& read : plan.reads) {
    if (!read.is_revocation) continue;
    start.stable = read.backfill.previous();
    std::vector<ChannelQuery> query{{read.channel, read.since}};
    HG_CO_TRY(auto lost, co_await reader.read(start, ReadMode::stable, std::move(query), limit));
    pages.push_back(std::move(lost.front()));
  }
  co_return pages;
}

Task<Result<ChangesFeed::State::Selection>> ChangesFeed::State::choose() {
  HG_CO_TRY(PassStart start, co_await begin_pass());
  if (!has_begun_ && options_.is_since_now)
    position_ = ChangesPosition(SequenceId{Sequence(), Sequence(), start.stable});
  has_begun_ = true;
  follow_epochs(start);
  position_.begin_pass(start.stable);
  ChannelPlan plan = plan_channels(channels_, position_, start.stable);
  plan_revocations(plan, lost_, position_, start.stable);
  HG_CO_TRY(const auto pages, co_await read_pages(start, plan));
  // R15, B1: stable was read before anything else of the pass.
  if (!HG_RULE("B1")) {
    HG_CO_TRY(start, co_await source_.cache_reader().start_pass());
  }
  MergedPages merged = merge_pages(plan, pages);
  const Sequence up_to = mode_ == ReadMode::stable ? start.stable : kNoSequence;
  HG_CO_CHECK(co_await filter_.apply(reader_, plan, position_.safe(), up_to, batch_rows(), merged));
  add_user_entry(plan, merged, start.stable);
  Selection selection = select(plan, merged, start.stable);
  selection.stable = stable_ = start.stable;
  selection.is_cut = selection.is_cut || merged.is_cut;
  selection.is_complete = !merged.is_cut && merged.bound >= ChangesPlace::ordinary(start.stable);
  expect(plan, merged);
  co_return selection;
}

Task<Result<ChangesFeed::State::Outcome>> ChangesFeed::State::pass() {
  HG_CO_TRY(Selection selection, co_await choose());
  Outcome outcome;
  HG_CO_TRY(const auto rows, co_await rows_.write(reader_, selection.picked));
  if (rows.size() < selection.picked.size()) {  // their documents are too large for one batch
    selection.left += selection.picked.size() - rows.size();
    selection.picked.resize(rows.size());
    selection.end = selection.picked.back().change.place;
    selection.is_cut = true;
  }
  const std::vector<SequenceId> ids = commit(selection);
  for (std::size_t i = 0; i < rows.size(); ++i) outcome.rows.push_back({ids[i], rows[i]});
  outcome.has_more = selection.has_more();
  outcome.pending = selection.pending();
  co_return outcome;
}

// sync_gateway#2258: at the sequence of the user's record, so that every node shows it alike.
void ChangesFeed::State::add_user_entry(ChannelPlan& plan, MergedPages& merged,
                                        Sequence stable) const {
  const Sequence at = reader_->sequence;
  if (!options_.user_entry || at == Sequence() || at <= position_.safe()) return;
  if (at > stable) {
    plan.is_deferred = true;
    return;
  }
  auto document = std::make_shared<SequenceDocument>();
  document->entry.sequence = at;
  document->entry.doc_id = DocId("_user/" + reader_->name);
  document->entry.flags = CacheEntry::kPrincipal;
  const Change change{ChangesPlace::ordinary(at), std::move(document)};
  const auto after = std::ranges::upper_bound(merged.changes, change.place, {}, &Change::place);
  merged.changes.insert(after, change);
}

// A client that comes from mode available has seen entries above stable: what one of them
// supersedes must not be sent any more. Nor must what a failover lost at a number of an older epoch
// and announced again above stable.
ReadMode ChangesFeed::State::mode_of_reading(const PassStart& start) const {
  const Epochs& epochs = start.record->epochs;
  const bool is_of_older_epoch =
      !epochs.is_single() && epochs.of(position_.safe().next()) != start.record->epoch;
  return is_of_older_epoch || position_.high() > start.stable ? ReadMode::available : mode_;
}

bool ChangesFeed::State::was_sent(const Change& change) const {
  if (change.is_revocation()) return false;
  const auto sent = sent_.find(change.entry().doc_id.text());
  return sent != sent_.end() && sent->second >= change.sequence() && HG_RULE("R17b");
}

PickedChange ChangesFeed::State::pick(const Change& change, const ChannelPlan& plan) const {
  if (change.is_revocation()) return {change, {}, true};
  PickedChange picked{change, channels_left(change.entry(), plan), false};
  picked.is_removed = !picked.left.empty() && !is_seen(change.entry(), plan);
  return picked;
}

bool ChangesFeed::State::is_wanted(const Change& change, const ChannelPlan& plan) const {
  if (was_sent(change)) return false;
  return !options_.active_only || !(change.entry().is_deleted() || pick(change, plan).is_removed);
}

ChangesFeed::State::Selection ChangesFeed::State::select(const ChannelPlan& plan,
                                                         const MergedPages& merged,
                                                         Sequence stable) const {
  Selection selection;
  const std::size_t early_max = source_.settings().max_early;
  std::size_t early = sent_.size();
  for (const Change& change : merged.changes) {
    if (change.place > merged.bound) break;
    if (mode_ == ReadMode::stable && change.sequence() > stable) break;
    if (selection.is_cut) {
      selection.left += is_wanted(change, plan) ? 1 : 0;
      continue;
    }
    if (is_wanted(change, plan)) {
      if (selection.picked.size() == batch_rows()) {
        selection.is_cut = true;
        selection.left = 1;
        continue;
      }
      if (change.sequence() > stable && ++early > early_max) {
        HG_PROBE("R17b early entries held back");
        selection.is_full = true;
        selection.end = std::max(selection.end, ChangesPlace::ordinary(stable));
        return selection;
      }
      selection.picked.push_back(pick(change, plan));
    }
    selection.end = change.place;
  }
  if (!selection.is_cut) selection.end = merged.bound;
  return selection;
}

// Only after the pass is the low raised and the memory trimmed (R17b).
// Returns the rows' sequence ids.
std::vector<SequenceId> ChangesFeed::State::commit(const Selection& selection) {
  const Sequence stable = selection.stable;
  std::vector<SequenceId> ids;
  for (const PickedChange& picked : selection.picked) {
    const Change& change = picked.change;
    position_.send(change.sequence());
    if (change.sequence() > stable && !change.is_revocation())
      sent_[change.entry().doc_id.text()] = change.sequence();
    ids.push_back(position_.id_of(change.place, stable));
  }
  position_.advance(selection.end, stable);
  trim();
  return ids;
}

void ChangesFeed::State::trim() {
  if (sent_.empty()) return;
  std::erase_if(sent_, [&](const auto& sent) { return sent.second <= position_.safe(); });
  if (sent_.empty()) sent_ = {};
}

// --- Before the first pass -----------------------------------------------------------------------

// Whoever asks reads what was written before; a number that turns out unused keeps nobody
// (sync_gateway PR 6326): stable passes it as soon as it is known.
Task<Result<void>> ChangesFeed::State::await_written() {
  HG_CO_TRY(const Sequence written, co_await source_.read_highest());
  HG_CO_CHECK(waiter_.watch(interest()));
  waiter_.watch_any_stable(true);
  const Environment& environment = source_.environment();
  const Deadline give_up_at = environment.now() + kRequestPlusMax;
  while (!is_over()) {
    const auto seen = waiter_.signal().count();
    const auto start = co_await source_.cache_reader().start_pass();
    if (start && start->stable >= written) co_return Result<void>();
    if (environment.now() >= give_up_at)
      co_return Error{Errc::unavailable, "what was written before is not stable yet"};
    const Deadline next_look = environment.now() + source_.settings().poll;
    co_await waiter_.signal().wait_past(seen, std::min(next_look, give_up_at));
  }
  co_return Result<void>();
}

// --- The newest first ----------------------------------------------------------------------------

Task<Result<void>> ChangesFeed::State::gather_newest() {
  const std::size_t most =
      std::min<std::uint64_t>(options_.limit.value_or(kDescendingMax), kDescendingMax);
  NewestChanges newest(most);
  position_ = {};
  for (bool has_more = true; has_more && !is_over();) {
    auto selection = co_await choose();
    if (!selection) {
      if (has_given_up(selection.error().code)) co_return std::move(selection).error();
      co_await wait_after_failure();
      continue;
    }
    failures_ = 0;
    const std::vector<SequenceId> ids = commit(*selection);
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
  batch.last_seq = position_.id();
  const std::vector<NewestChanges::Item> items = newest_->take(batch_rows());
  if (!items.empty()) {
    std::vector<PickedChange> picked;
    for (const auto& item : items) picked.push_back(item.picked);
    HG_CO_TRY(const auto rows, co_await rows_.write(reader_, picked));
    for (std::size_t i = 0; i < rows.size(); ++i) batch.rows.push_back({items[i].seq, rows[i]});
    for (std::size_t i = items.size(); i > rows.size(); --i) newest_->give_back(items[i - 1]);
    batch.last_seq = batch.rows.back().seq;
  }
  batch.is_end = newest_->empty() || is_over();
  if (batch.is_end) batch.pending = 0;
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
  batch.last_seq = position_.id();
  return batch;
}

// What goes to the client after a pass, if anything does.
std::optional<ChangesBatch> ChangesFeed::State::batch_of(Outcome outcome) {
  ChangesBatch batch;
  batch.rows = std::move(outcome.rows);
  // The last_seq of a cut page is that of its last row.
  const bool is_cut = outcome.has_more && !batch.rows.empty();
  batch.last_seq = is_cut ? batch.rows.back().seq : position_.id();
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
  batch.last_seq = position_.id();
  return batch;
}

// What the feed waits for when it has sent all there is.
void ChangesFeed::State::expect(const ChannelPlan& plan, const MergedPages& merged) {
  waits_for_stable_ = position_.has_low_part() || merged.has_awaited || plan.is_deferred;
  waiter_.watch_stable(waits_for_stable_);
  waiter_.watch_any_stable(plan.is_deferred);
  const auto poll = std::chrono::duration_cast<milliseconds>(source_.settings().poll);
  look_again_ = merged.has_awaited
                    ? std::clamp(look_again_ * 2, kFirstLook, std::max(kFirstLook, poll))
                    : milliseconds(0);
  look_at_ = merged.has_awaited ? source_.environment().now() + look_again_ : kNoDeadline;
}

// Nothing has happened since the last pass: another one would find nothing.
bool ChangesFeed::State::is_up_to_date() {
  if (has_more_ || waiter_.signal().count() != seen_) return false;
  if (source_.environment().now() >= look_at_) return false;
  // Stable may have risen before the hub was told that this feed wants to know.
  return !waits_for_stable_ || hub_.stable() <= stable_;
}

Task<void> ChangesFeed::State::wait_after_failure() {
  const milliseconds pause = std::min(kFirstRetry * (1 << std::min(failures_, 10)), kLongestRetry);
  const Deadline deadline = std::min(next_due(), source_.environment().now() + pause);
  co_await waiter_.signal().wait_past(waiter_.signal().count(), deadline);
}

// A user that was there when the feed began.
bool ChangesFeed::State::is_gone(Errc code) const {
  return has_begun_ && (code == Errc::not_found || code == Errc::unauthorized);
}

bool ChangesFeed::State::has_given_up(Errc code) {
  if (!is_passing(code)) return true;
  ++failures_;
  return !waits() && failures_ == kAttempts;
}

Task<Result<ChangesBatch>> ChangesFeed::State::next() {
  if (waits() && !waiter_.is_watching()) HG_CO_CHECK(waiter_.watch(interest()));
  if (options_.request_plus && !has_begun_ && options_.feed != FeedKind::continuous)
    HG_CO_CHECK(co_await await_written());
  if (options_.is_descending) co_return co_await next_newest();
  while (!is_over()) {
    if (is_up_to_date()) {
      if (auto batch = due()) co_return *std::move(batch);
      co_await waiter_.signal().wait_past(seen_, std::min(next_due(), look_at_));
      continue;
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
