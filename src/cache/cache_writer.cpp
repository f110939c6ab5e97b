// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/log.hpp"
#include "base/task_scope.hpp"
#include "cache/accounting.hpp"
#include "cache/burial.hpp"
#include "cache/channels_to_wake.hpp"
#include "cache/entry_judgement.hpp"
#include "cache/feed_walk.hpp"
#include "cache/pending_entries.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kFeedBatch = 512;
constexpr std::size_t kLookAtOnce = 1'000;
// Beyond, the feed is not read on until some of what it showed is settled.
constexpr std::size_t kPendingMost = 10'000;
// The bound of what may be missing is noted so many times in one gap timeout.
constexpr int kBoundsNoted = 64;
constexpr milliseconds kFirstLook{1};
constexpr milliseconds kRetry{100};
constexpr milliseconds kStopAtMost{2'000};

// Trying again would not help.
bool is_permanent(Errc code) {
  return code == Errc::corrupted || code == Errc::unsupported || code == Errc::invalid_argument ||
         code == Errc::too_large || code == Errc::internal;
}

}  // namespace

// Three steps in a circle, each a few screens down: read what the feed shows; look at every entry
// that is not settled (check, repair, resequence); close gaps and publish.
class CacheWriter::State {
 public:
  explicit State(Dependencies d)
      : d_(d),
        env_(d.space.environment),
        stable_(d.space, d.base),
        burial_(d.space, stable_),
        tasks_(d.space.environment) {}

  Task<Result<void>> start();
  Task<void> stop();
  Sequence stable() const { return stable_.record().stable; }
  Statistics statistics() const;

 private:
  using Place = EntryPlace;
  using Verdict = Judgement::Verdict;

  // Reading.
  Task<Result<void>> open();
  Task<Result<bool>> read_feed(Deadline deadline);
  void take(FeedEntry entry);
  void take_released(FeedEntry entry);
  void report_unreadable(const FeedEntry& entry, const Error& why);
  bool is_caught_up(const FeedPositions& heads) const;
  bool has_read(const FeedPositions& heads) const;
  Task<Result<bool>> is_drained();

  // Looking.
  Task<Result<void>> look();
  Task<Result<void>> look_at(Place place, const KnownDocuments& documents,
                             std::vector<Place>& repairs);
  Task<Result<KnownDocuments>> load_documents(const std::vector<Place>& places);
  JudgementContext context_for(const PendingEntry& pending) const;
  Task<Result<bool>> bury_each(std::vector<Sequence> sequences);
  Task<Result<void>> repair(std::vector<Place> places);
  Task<Result<void>> resequence(Place place, std::vector<Sequence> unlisted);
  void settle(Place place);
  void fail(Place place, const Error& why);
  std::chrono::nanoseconds repair_delay() const;

  // Closing and publishing.
  Task<Result<void>> bury_released();
  Task<Result<void>> close_gaps();
  Task<Result<void>> close_gap(DeadRanges::Range gap);
  Task<Result<void>> close_live(Burial::Live live);
  void note_bound();
  Sequence closable() const;
  Task<Result<void>> publish();

  Task<void> run();
  Task<Result<void>> turn(Deadline read_until);
  Deadline next_deadline() const;

  Dependencies d_;
  Environment& env_;
  StableSequence stable_;
  Burial burial_;
  std::unique_ptr<MutationFeed> feed_;
  std::shared_ptr<const std::vector<HistoryId>> cache_histories_;
  std::vector<HistoryId> base_histories_;

  Accounting accounting_;
  FeedWalk walk_;
  PendingEntries pending_;
  std::map<Place, ReleasedRange> released_;
  ChannelsToWake channels_;
  Sequence largest_seen_;
  // How large numbers were at which time: what was handed out gap_timeout ago should be here.
  std::deque<std::pair<TimePoint, Sequence>> bounds_;
  TimePoint last_published_{};
  bool must_open_ = false;  // a history has changed
  bool is_starting_ = false;
  bool is_stopping_ = false;
  Statistics statistics_;
  TaskScope tasks_;
};

// --- Start and stop ------------------------------------------------------------------------------

Task<Result<void>> CacheWriter::State::open() {
  HG_CO_TRY(auto cache_histories, co_await d_.space.bucket.barrier(d_.space.deadline()));
  HG_CO_TRY(base_histories_, co_await d_.base.barrier(d_.space.deadline()));
  cache_histories_ = std::make_shared<const std::vector<HistoryId>>(std::move(cache_histories));
  HG_CO_CHECK(co_await stable_.take_over());
  accounting_ = Accounting(stable_.record().stable);
  walk_.clear();
  pending_.clear();
  released_.clear();
  channels_.clear();
  bounds_.clear();
  FeedPositions from = stable_.record().checkpoint;
  if (from.size() != d_.base.partition_count()) from.clear();
  HG_CO_TRY(feed_, d_.base.open_feed(d_.space.database, from));
  must_open_ = false;
  co_return Result<void>();
}

// All entries up to `heads` are settled.
bool CacheWriter::State::is_caught_up(const FeedPositions& heads) const {
  const auto is_open_up_to_head = [&](const auto& entries, PartitionNumber partition) {
    const auto first = entries.lower_bound({partition, PartitionPosition()});
    return first != entries.end() && first->first.first == partition &&
           first->first.second <= heads[partition.value()].position;
  };
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const PartitionNumber partition(static_cast<std::uint32_t>(i));
    if (is_open_up_to_head(pending_.by_place(), partition) ||
        is_open_up_to_head(released_, partition))
      return false;
  }
  return true;
}

// Nobody else is at work on what an earlier process left: it is repaired at once, and the rest of
// that process's numbers is closed (fault-model, end of section 3). What cannot be repaired now
// holds stable back, but not the start; nor do writes that come meanwhile.
Task<Result<void>> CacheWriter::State::start() {
  is_starting_ = true;
  HG_CO_CHECK(co_await open());
  HG_CO_TRY(const FeedPositions heads, co_await feed_->heads(d_.space.deadline()));
  TimePoint read_at = env_.now();
  while (true) {
    const bool is_read = has_read(heads);
    if (!is_read) read_at = env_.now();
    if (is_read && is_caught_up(heads)) break;
    if (env_.now() >= read_at + d_.space.settings.operation_timeout) break;
    // The feed shows at once what it has; a stalled one is waited for (F9).
    HG_CO_CHECK(co_await turn(is_read ? env_.now() : env_.now() + kFirstLook));
    if (!pending_.empty()) co_await env_.sleep_for(kFirstLook);
  }
  HG_CO_CHECK(co_await close_gaps());
  HG_CO_CHECK(co_await publish());
  is_starting_ = false;
  is_stopping_ = false;
  tasks_.spawn(run());
  co_return Result<void>();
}

Task<void> CacheWriter::State::stop() {
  is_stopping_ = true;
  co_await tasks_.join();
  if (!feed_) co_return;
  // What is on its way to the feed is still taken in, so that the next start has nothing to do.
  const TimePoint give_up = env_.now() + kStopAtMost;
  while (accounting_.stable() < d_.allocator.highest() && env_.now() < give_up)
    if (!co_await turn(env_.now() + kFirstLook)) break;
  if (const auto published = co_await publish(); !published)
    log(LogLevel::warning, "cache_writer.stop", {{"why", published.error().context}});
  feed_.reset();
}

Task<void> CacheWriter::State::run() {
  while (!is_stopping_) {
    // A new history: what was known of the old one is void, walk again from the checkpoint.
    const auto done = must_open_ ? co_await open() : co_await turn(next_deadline());
    if (done) continue;
    const Errc code = done.error().code;
    log(LogLevel::warning, "cache_writer.turn_failed",
        {{"database", fmt::to_string(d_.space.database.value())},
         {"error", std::string(to_string(code))},
         {"what", done.error().context}});
    if (code == Errc::fenced) co_return;  // another one is in charge (R14)
    must_open_ = must_open_ || code == Errc::rolled_back;
    co_await env_.sleep_for(kRetry);
  }
}

// A step that fails does not keep the later ones from what can be done: what is accounted for is
// published all the same.
Task<Result<void>> CacheWriter::State::turn(Deadline read_until) {
  note_bound();
  HG_CO_CHECK(co_await read_feed(read_until));
  auto done = co_await look();
  if (auto buried = co_await bury_released(); !buried) done = std::move(buried);
  if (auto closed = co_await close_gaps(); !closed) done = std::move(closed);
  const bool is_due = env_.now() - last_published_ >= d_.space.settings.publish_interval;
  if (is_due && !is_starting_ && accounting_.stable() > stable_.record().stable)
    HG_CO_CHECK(co_await publish());
  co_return done;
}

Deadline CacheWriter::State::next_deadline() const {
  Deadline next = env_.now() + d_.space.settings.poll;
  next = std::min(next, pending_.next_look());
  if (accounting_.stable() > stable_.record().stable)
    next = std::min(next, last_published_ + d_.space.settings.publish_interval);
  return next;
}

// --- Reading the feed ----------------------------------------------------------------------------

Task<Result<bool>> CacheWriter::State::read_feed(Deadline deadline) {
  if (pending_.size() >= kPendingMost) {
    co_await env_.sleep_until(std::min(deadline, pending_.next_look()));
    co_return false;
  }
  HG_CO_TRY(auto entries, co_await feed_->next(kFeedBatch, deadline));
  const bool has_any = !entries.empty();
  for (FeedEntry& entry : entries) take(std::move(entry));
  co_return has_any;
}

void CacheWriter::State::take(FeedEntry entry) {
  ++statistics_.entries;
  const Place place{entry.partition, entry.position};
  if (entry.is_removal) return;
  if (entry.key.kind == KeyKind::released) return take_released(std::move(entry));
  auto record = FeedRecord::decode(entry.bytes);
  if (!record) report_unreadable(entry, record.error());
  PendingEntry pending;
  pending.is_unreadable = !record;
  if (record) pending.record = *std::move(record);
  const Sequence sequence = pending.record.entry.sequence;
  largest_seen_ = std::max(largest_seen_, sequence);
  walk_.meet(entry, sequence);
  pending.entry = std::move(entry);
  pending_.add(place, std::move(pending), env_.now());
}

void CacheWriter::State::take_released(FeedEntry entry) {
  const auto range = ReleasedRange::decode(entry.bytes);
  // What it would have told is told by the gap timeout.
  if (!range) return report_unreadable(entry, range.error());
  walk_.meet(entry, range->last);
  released_.insert_or_assign(Place{entry.partition, entry.position}, *range);
}

void CacheWriter::State::report_unreadable(const FeedEntry& entry, const Error& why) {
  ++statistics_.unreadable;
  log(LogLevel::error, "cache_writer.unreadable_feed_entry",
      {{"database", fmt::to_string(d_.space.database.value())},
       {"key", entry.key.name},
       {"why", why.context}});
}

bool CacheWriter::State::has_read(const FeedPositions& heads) const {
  const FeedPositions at = feed_->positions();
  for (std::size_t i = 0; i < heads.size(); ++i)
    if (at.at(i).position < heads[i].position) return false;
  return true;
}

Task<Result<bool>> CacheWriter::State::is_drained() {
  HG_CO_TRY(const FeedPositions heads, co_await feed_->heads(d_.space.deadline()));
  co_return has_read(heads);
}

// --- Looking at entries --------------------------------------------------------------------------

std::chrono::nanoseconds CacheWriter::State::repair_delay() const {
  if (is_starting_ || d_.space.settings.cache_writes == CacheWrites::feed)
    return std::chrono::nanoseconds(0);
  return d_.space.settings.repair_delay;
}

Task<Result<void>> CacheWriter::State::look() {
  const std::vector<Place> due = pending_.due(env_.now(), kLookAtOnce);
  if (due.empty()) co_return Result<void>();
  HG_CO_TRY(const KnownDocuments documents, co_await load_documents(due));
  std::vector<Place> repairs;
  for (const Place& place : due) {
    const auto done = co_await look_at(place, documents, repairs);
    if (!done) fail(place, done.error());
  }
  co_return co_await repair(std::move(repairs));
}

Task<Result<void>> CacheWriter::State::look_at(Place place, const KnownDocuments& documents,
                                               std::vector<Place>& repairs) {
  const PendingEntry& pending = pending_.at(place);
  Judgement judgement = judge(pending, documents, context_for(pending));
  bool can_go_on = judgement.verdict != Verdict::wait;
  if (can_go_on) {
    HG_CO_TRY(can_go_on, co_await bury_each(std::move(judgement.absent)));
  }
  if (!can_go_on) {
    pending_.look_later(place,
                        env_.now());  // or somebody inserted a document meanwhile: judge again
  } else if (judgement.verdict == Verdict::resequence) {
    HG_CO_CHECK(co_await resequence(place, std::move(judgement.unlisted)));
  } else if (judgement.verdict == Verdict::repair) {
    repairs.push_back(place);
  } else {
    settle(place);
  }
  co_return Result<void>();
}

// The documents that the entries' judgement needs: their own, and those of recent numbers that are
// above stable or record a removal or grant.
Task<Result<KnownDocuments>> CacheWriter::State::load_documents(const std::vector<Place>& places) {
  std::set<Sequence> wanted;
  for (const Place& place : places) {
    if (pending_.at(place).is_unreadable) continue;
    const FeedRecord& record = pending_.at(place).record;
    wanted.insert(record.entry.sequence);
    for (const RecentSequence& earlier : record.recent)
      if (earlier.sequence > accounting_.stable() || has_marks(earlier))
        wanted.insert(earlier.sequence);
  }
  KnownDocuments documents;
  std::vector<Sequence> missing;
  for (Sequence sequence : wanted) {
    if (auto known = d_.reader.known(sequence))
      documents[sequence] = std::move(known);
    else
      missing.push_back(sequence);
  }
  if (missing.empty()) co_return documents;
  std::vector<Key> keys;
  for (Sequence sequence : missing) keys.push_back(d_.space.sequence_key(sequence));
  const auto replies = co_await d_.space.bucket.get_many(std::move(keys), d_.space.deadline());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].status == Errc::not_found) continue;
    if (!replies[i].ok()) co_return Error{replies[i].status, "reading sequence documents"};
    auto document = SequenceDocument::decode(missing[i], replies[i].bytes);
    if (!document) {  // nobody will ever read it: it is buried
      ++statistics_.unreadable;
      HG_CO_CHECK(co_await burial_.bury(missing[i], missing[i], Burial::Holders::perhaps));
      document = SequenceDocument::dead(missing[i]);
    }
    documents[missing[i]] = std::make_shared<const SequenceDocument>(*std::move(document));
  }
  co_return documents;
}

JudgementContext CacheWriter::State::context_for(const PendingEntry& pending) const {
  return {accounting_.stable(), d_.allocator.epoch(), stable_.dead_ranges(),
          env_.now() < pending.met + repair_delay()};
}

// False if a document appeared at one of the numbers.
Task<Result<bool>> CacheWriter::State::bury_each(std::vector<Sequence> sequences) {
  for (Sequence sequence : sequences) {
    HG_CO_TRY(const auto outcome,
              co_await burial_.bury(sequence, sequence, Burial::Holders::perhaps));
    if (outcome.dead.empty()) co_return false;
  }
  co_return true;
}

Task<Result<void>> CacheWriter::State::repair(std::vector<Place> places) {
  if (places.empty()) co_return Result<void>();
  std::vector<CacheWrite> writes;
  for (const Place& place : places) {
    const PendingEntry& pending = pending_.at(place);
    writes.push_back({pending.record.entry,
                      {pending.entry.partition, pending.entry.position, pending.entry.cas,
                       pending.entry.history}});
  }
  const auto outcomes = co_await d_.front_end.write(
      std::move(writes), WriteFence{d_.allocator.epoch(), cache_histories_});
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (outcomes[i] == FrontEndCacheWriter::Outcome::complete) {
      ++statistics_.repairs;
      settle(places[i]);
    } else {
      pending_.look_later(places[i], env_.now());
    }
  }
  co_return Result<void>();
}

Task<Result<void>> CacheWriter::State::resequence(Place place, std::vector<Sequence> unlisted) {
  const Key key = pending_.at(place).entry.key;
  const Cas cas = pending_.at(place).entry.cas;
  HG_CO_CHECK(co_await d_.repair.resequence(key, cas, std::move(unlisted)));
  ++statistics_.resequences;
  settle(place);
  co_return Result<void>();
}

void CacheWriter::State::settle(Place place) {
  const PendingEntry& pending = pending_.at(place);
  channels_.remember(pending.record, stable_.record().stable);
  accounting_.account(pending.record.entry.sequence);
  for (const RecentSequence& earlier : pending.record.recent) accounting_.account(earlier.sequence);
  walk_.settle(place.first, place.second);
  pending_.remove(place);
}

// One write that cannot be repaired keeps nobody else waiting. What trying again would not cure is
// given up: its number is closed as a gap.
void CacheWriter::State::fail(Place place, const Error& why) {
  PendingEntry& pending = pending_.at(place);
  const bool is_given_up = is_permanent(why.code);
  if (is_given_up || !pending.has_failed)
    log(is_given_up ? LogLevel::error : LogLevel::warning,
        is_given_up ? "cache_writer.gave_up" : "cache_writer.repair_failed",
        {{"database", fmt::to_string(d_.space.database.value())},
         {"key", pending.entry.key.name},
         {"error", std::string(to_string(why.code))},
         {"what", why.context}});
  pending.has_failed = true;
  ++statistics_.failures;
  if (!is_given_up) return pending_.look_later(place, env_.now());
  ++statistics_.given_up;
  walk_.settle(place.first, place.second);
  pending_.remove(place);
}

// --- Gaps ----------------------------------------------------------------------------------------

Task<Result<void>> CacheWriter::State::bury_released() {
  while (!released_.empty()) {
    const auto [place, range] = *released_.begin();
    const Sequence first = std::max(range.first, accounting_.stable().next());
    if (first <= range.last) {
      HG_CO_TRY(const auto outcome,
                co_await burial_.bury(first, range.last, Burial::Holders::none));
      for (const auto& dead : outcome.dead) accounting_.account(dead.first, dead.last);
    }
    walk_.settle(place.first, place.second);
    released_.erase(place);
  }
  co_return Result<void>();
}

void CacheWriter::State::note_bound() {
  const auto timeout = d_.space.settings.gap_timeout;
  const Sequence bound = std::max(d_.allocator.highest(), largest_seen_);
  // A busy database's bound is another one in every turn: only some are noted.
  if (bounds_.empty() || (bounds_.back().second != bound &&
                          env_.now() - bounds_.back().first >= timeout / kBoundsNoted))
    bounds_.emplace_back(env_.now(), bound);
  const TimePoint old = env_.now() - timeout;
  while (bounds_.size() > 1 && bounds_[1].first <= old) bounds_.pop_front();
}

// Numbers that are old enough to be missed (R8), or that no living process can still use.
Sequence CacheWriter::State::closable() const {
  const TimePoint old = env_.now() - d_.space.settings.gap_timeout;
  const bool is_old = !bounds_.empty() && bounds_.front().first <= old;
  return std::max(d_.allocator.base(), is_old ? bounds_.front().second : Sequence());
}

Task<Result<void>> CacheWriter::State::close_gaps() {
  const Sequence upto = closable();
  if (!accounting_.has_gap(upto)) co_return Result<void>();
  HG_CO_TRY(const bool is_complete, co_await is_drained());
  if (!is_complete) co_return Result<void>();
  // Entries that are still looked at are no gaps, nor are their earlier numbers.
  Accounting known = accounting_;
  for (const auto& [place, pending] : pending_) {
    known.account(pending.record.entry.sequence);
    for (const RecentSequence& earlier : pending.record.recent) known.account(earlier.sequence);
  }
  Result<void> done;
  for (const DeadRanges::Range& gap : known.gaps(upto))
    if (auto closed = co_await close_gap(gap); !closed) done = std::move(closed);
  co_return done;
}

Task<Result<void>> CacheWriter::State::close_gap(DeadRanges::Range gap) {
  const auto holders =
      gap.last <= d_.allocator.base() ? Burial::Holders::none : Burial::Holders::perhaps;
  HG_CO_TRY(auto outcome, co_await burial_.bury(gap.first, gap.last, holders));
  for (const auto& dead : outcome.dead) accounting_.account(dead.first, dead.last);
  if (!outcome.dead.empty()) ++statistics_.gaps_closed;
  Result<void> done;
  for (Burial::Live& live : outcome.live)
    if (auto closed = co_await close_live(std::move(live)); !closed) done = std::move(closed);
  co_return done;
}

// A gap with a live sequence document (R8).
Task<Result<void>> CacheWriter::State::close_live(Burial::Live live) {
  const Sequence sequence = live.document.entry.sequence;
  const auto is_held = co_await d_.repair.holds(live.document.entry);
  if (!is_held && is_permanent(is_held.error().code)) {
    // The document is there, but cannot be read; nor will its feed entry be.
    ++statistics_.given_up;
    accounting_.account(sequence);
    co_return Result<void>();
  }
  if (!is_held) co_return is_held.error();
  if (*is_held) co_return Result<void>();  // its feed entry is still to come
  HG_CO_CHECK(co_await d_.repair.resequence_present(live.document.entry));
  HG_CO_CHECK(co_await burial_.kill(std::move(live)));
  d_.reader.learn(sequence,
                  std::make_shared<const SequenceDocument>(SequenceDocument::dead(sequence)));
  accounting_.account(sequence);
  co_return Result<void>();
}

// --- Publishing ----------------------------------------------------------------------------------

Task<Result<void>> CacheWriter::State::publish() {
  const Sequence stable = accounting_.stable();
  HG_CO_CHECK(co_await stable_.publish(stable, walk_.checkpoint(stable, feed_->positions()),
                                       *cache_histories_, base_histories_));
  last_published_ = env_.now();
  ++statistics_.published;
  d_.listener.stable_advanced(stable, channels_.take(stable));
  co_return Result<void>();
}

CacheWriter::Statistics CacheWriter::State::statistics() const {
  Statistics all = statistics_;
  all.stable = stable_.record().stable;
  all.largest_seen = largest_seen_;
  all.buried = burial_.buried();
  all.awaited = pending_.size();
  all.gaps = accounting_.gaps(std::max(largest_seen_, accounting_.stable())).size();
  return all;
}

// --- The public face -----------------------------------------------------------------------------

CacheWriter::CacheWriter(Dependencies dependencies)
    : state_(std::make_unique<State>(dependencies)) {}
CacheWriter::~CacheWriter() = default;
Task<Result<void>> CacheWriter::start() {
  return state_->start();
}
Task<void> CacheWriter::stop() {
  return state_->stop();
}
Sequence CacheWriter::stable() const {
  return state_->stable();
}
CacheWriter::Statistics CacheWriter::statistics() const {
  return state_->statistics();
}

}  // namespace headgate
