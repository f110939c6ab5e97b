// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/buggify.hpp"
#include "base/log.hpp"
#include "base/task_scope.hpp"
#include "cache/cache_audit.hpp"
#include "cache/cache_compaction.hpp"
#include "cache/entry_repair.hpp"
#include "cache/gap_closer.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kFeedBatch = 1'024;
// Beyond, the feed is not read on until some of what it showed is settled.
constexpr std::size_t kPendingMost = 10'000;
constexpr milliseconds kFirstLook{1};
constexpr milliseconds kRetry{100};
constexpr milliseconds kStopAtMost{2'000};

}  // namespace

// Three steps in a circle: read what the feed shows (here); look at every entry that is not settled
// (EntryRepair); close gaps (GapCloser) and publish (here). After a failover the same circle walks
// from the durable floor, and CacheAudit says when it may publish again.
class CacheWriter::State {
 public:
  explicit State(Dependencies d)
      : context_(d),
        env_(d.space.environment),
        repair_(context_),
        gaps_(context_),
        audit_(context_, gaps_),
        compaction_(context_),
        compactions_(d.space.environment),
        tasks_(d.space.environment) {}

  Task<Result<void>> start();
  Task<void> stop();
  void compact() { compaction_.request(); }
  Sequence stable() const { return context_.stable.record().stable; }
  Statistics statistics() const;
  std::vector<CacheRepair> recent_repairs() const { return context_.repairs.newest_first(); }

 private:
  bool is_shared() const { return context_.d.space.is_shared(); }

  // Beginning and end.
  Task<Result<void>> open();
  Task<Result<StableSequence::Found>> take_over();
  Task<Result<void>> catch_up();
  bool is_caught_up(const FeedPositions& heads) const;
  Task<void> run();
  Task<void> end_compaction();
  bool is_over(const Error& why) const;

  // The circle.
  Task<Result<void>> turn(Deadline read_until);
  Task<Result<void>> finish_audit();
  Deadline next_deadline() const;
  Task<Result<void>> read_feed(Deadline deadline);
  Result<void> take(FeedEntry entry);
  void take_released(FeedEntry entry);
  void report_unreadable(const FeedEntry& entry, const Error& why);
  Task<Result<void>> publish();

  // Histories.
  Task<Result<void>> compare_histories();
  Task<Result<void>> pass_barriers();

  CacheWriterContext context_;
  Environment& env_;
  EntryRepair repair_;
  GapCloser gaps_;
  CacheAudit audit_;
  CacheCompaction compaction_;
  TimePoint last_published_{};
  TimePoint last_compared_{};
  std::uint64_t kills_published_ = 0;
  bool must_open_ = false;  // a history has changed
  bool is_starting_ = false;
  bool is_stopping_ = false;
  TaskScope compactions_;
  TaskScope tasks_;
};

// --- Start and stop ------------------------------------------------------------------------------

Task<Result<void>> CacheWriter::State::open() {
  must_open_ = true;
  HG_CO_CHECK(co_await context_.d.allocator.follow());
  HG_CO_TRY(auto cache_histories, co_await context_.d.space.bucket.barrier(context_.deadline()));
  HG_CO_TRY(context_.base_histories, co_await context_.d.base.barrier(context_.deadline()));
  context_.cache_histories =
      std::make_shared<const std::vector<HistoryId>>(std::move(cache_histories));
  last_compared_ = env_.now();
  HG_CO_TRY(const auto found, co_await take_over());
  context_.begin_walk(context_.stable.record().stable);
  context_.burial.announce_kill();
  gaps_.clear();
  HG_CO_TRY(FeedPositions from, co_await audit_.begin(found));
  if (from.size() != context_.d.base.partition_count()) from.clear();
  HG_CO_TRY(context_.feed, context_.d.base.open_feed(context_.d.space.database, from));
  must_open_ = false;
  co_return Result<void>();
}

Task<Result<StableSequence::Found>> CacheWriter::State::take_over() {
  HG_CO_TRY(auto found, co_await context_.stable.take_over());
  if (!found.is_emptied) co_return found;
  HG_CO_CHECK(co_await context_.d.allocator.begin_generation(context_.d.space.generation));
  HG_CO_TRY(found, co_await context_.stable.take_over());
  if (found.is_emptied) co_return Error{Errc::unavailable, "the cache bucket is emptied again"};
  co_return found;
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
    if (is_open_up_to_head(context_.pending.by_place(), partition) ||
        is_open_up_to_head(context_.released, partition))
      return false;
  }
  return true;
}

Task<Result<void>> CacheWriter::State::start() {
  HG_ASSERT(tasks_.size() == 0);
  is_stopping_ = false;
  HG_CO_CHECK(co_await open());
  if (!is_shared()) HG_CO_CHECK(co_await catch_up());
  context_.statistics.is_in_charge = true;
  compaction_.resume();
  tasks_.spawn(run());
  co_return Result<void>();
}

// Nobody else is at work on what an earlier process left: it is repaired at once, and the rest of
// that process's numbers is closed (fault-model, end of section 3). What cannot be repaired now
// holds stable back, but not the start; nor do writes that come meanwhile.
Task<Result<void>> CacheWriter::State::catch_up() {
  is_starting_ = true;
  HG_CO_TRY(const FeedPositions heads, co_await context_.feed->heads(context_.deadline()));
  TimePoint read_at = env_.now();
  while (true) {
    const bool is_read = has_read(*context_.feed, heads);
    if (!is_read) read_at = env_.now();
    if (is_read && is_caught_up(heads)) break;
    if (env_.now() >= read_at + context_.d.space.settings.operation_timeout) break;
    // The feed shows at once what it has; a stalled one is waited for (F9).
    HG_CO_CHECK(co_await turn(is_read ? env_.now() : env_.now() + kFirstLook));
    if (!context_.pending.empty()) co_await env_.sleep_for(kFirstLook);
  }
  HG_CO_CHECK(co_await gaps_.close_gaps());
  HG_CO_CHECK(co_await publish());
  is_starting_ = false;
  co_return Result<void>();
}

Task<void> CacheWriter::State::stop() {
  is_stopping_ = true;
  compaction_.interrupt();
  co_await tasks_.join();
  co_await end_compaction();
  context_.statistics.is_in_charge = false;
  if (!context_.feed) co_return;
  // What is on its way to the feed is still taken in, so that the next start has nothing to do; in
  // a cluster others write on and on.
  const TimePoint give_up = env_.now() + kStopAtMost;
  while (!is_shared() && context_.accounting.stable() < context_.d.allocator.highest() &&
         env_.now() < give_up)
    if (!co_await turn(env_.now() + kFirstLook)) break;
  if (!must_open_ && !audit_.is_under_way()) {
    if (const auto published = co_await publish(); !published)
      log(LogLevel::warning, "cache_writer.stop", {{"why", published.error().context}});
  }
  context_.feed.reset();
}

Task<void> CacheWriter::State::run() {
  while (!is_stopping_) {
    // A new history: what was known of the old one is void, walk again.
    const auto done = must_open_ ? co_await open() : co_await turn(next_deadline());
    if (done) continue;
    log(LogLevel::warning, "cache_writer.turn_failed",
        {{"database", fmt::to_string(context_.d.space.database.value())},
         {"error", std::string(to_string(done.error().code))},
         {"what", done.error().context}});
    if (is_over(done.error())) break;
    must_open_ = must_open_ || done.error().code == Errc::rolled_back;
    co_await env_.sleep_for(kRetry);
  }
  if (is_stopping_) co_return;
  co_await end_compaction();
  context_.statistics.is_in_charge = false;
  context_.feed.reset();
}

Task<void> CacheWriter::State::end_compaction() {
  compaction_.interrupt();
  co_await compactions_.join();
}

// Another one is in charge (R14), or the database is beyond repair (D).
bool CacheWriter::State::is_over(const Error& why) const {
  if (why.code == Errc::fenced) HG_PROBE("A6 cache writer replaced");
  return why.code == Errc::fenced || context_.d.allocator.failure().has_value();
}

// --- The circle ----------------------------------------------------------------------------------

// A step that fails does not keep the later ones from what can be done: what is accounted for is
// published all the same.
Task<Result<void>> CacheWriter::State::turn(Deadline read_until) {
  HG_CO_CHECK(co_await compare_histories());
  HG_CO_CHECK(co_await gaps_.note_bound());
  HG_CO_CHECK(co_await read_feed(read_until));
  auto done = co_await repair_.look(is_starting_);
  if (auto buried = co_await gaps_.bury_released(); !buried) done = std::move(buried);
  if (audit_.is_under_way()) {
    HG_CO_CHECK(std::move(done));
    co_return co_await finish_audit();
  }
  if (auto closed = co_await gaps_.close_gaps(); !closed) done = std::move(closed);
  const bool is_due = env_.now() - last_published_ >= context_.d.space.settings.publish_interval ||
                      HG_BUGGIFY("publish at every turn");
  const bool has_risen = context_.accounting.stable() > context_.stable.record().stable;
  if (is_due && !is_starting_ && has_risen) HG_CO_CHECK(co_await publish());
  if (!is_starting_ && compaction_.is_due()) compactions_.spawn(compaction_.run());
  co_return done;
}

Task<Result<void>> CacheWriter::State::finish_audit() {
  HG_CO_TRY(const bool is_finished, co_await audit_.try_finish());
  if (!is_finished) co_return Result<void>();
  // Waiting feeds go on wherever they are.
  context_.channels.wake_all();
  HG_CO_CHECK(co_await publish());
  ++context_.statistics.audits;
  co_return Result<void>();
}

Deadline CacheWriter::State::next_deadline() const {
  const CacheSettings& settings = context_.d.space.settings;
  Deadline next = env_.now() + settings.poll;
  next = std::min(next, context_.pending.next_look());
  if (audit_.is_under_way())  // nothing is published before its end, however much is settled
    next = std::min(next, env_.now() + kFirstLook);
  else if (context_.accounting.stable() > context_.stable.record().stable)
    next = std::min(next, last_published_ + settings.publish_interval);
  return next;
}

Task<Result<void>> CacheWriter::State::read_feed(Deadline deadline) {
  if (context_.pending.size() >= kPendingMost) {
    co_await env_.sleep_until(std::min(deadline, context_.pending.next_look()));
    co_return Result<void>();
  }
  const std::size_t batch = HG_BUGGIFY("feed batch of one") ? 1 : kFeedBatch;
  auto entries = co_await context_.feed->next(batch, deadline);
  if (!entries && entries.error().code == Errc::rolled_back) {
    // It was moved back to where the walk's history began and reads on from there; or the walk is
    // over.
    if (is_shared()) HG_CO_CHECK(co_await pass_barriers());
    co_return Result<void>();
  }
  if (!entries) co_return entries.error();
  for (FeedEntry& entry : *entries) HG_CO_CHECK(take(std::move(entry)));
  co_return co_await context_.d.allocator.check(context_.largest_seen);
}

Result<void> CacheWriter::State::take(FeedEntry entry) {
  if (is_shared() && !context_.is_of_base(entry.partition, entry.history))
    return Error{Errc::rolled_back, "a feed entry of another history"};  // R11
  ++context_.statistics.entries;
  const EntryPlace place{entry.partition, entry.position};
  if (entry.is_removal) return {};
  if (entry.key.kind == KeyKind::released) {
    take_released(std::move(entry));
    return {};
  }
  auto record = FeedRecord::decode(entry.bytes);
  if (!record) report_unreadable(entry, record.error());
  PendingEntry pending;
  pending.is_unreadable = !record;
  const auto partition = entry.partition.value();
  pending.is_rebuilt = record && partition < context_.rebuilt_to.size() &&
                       entry.position <= context_.rebuilt_to[partition].position;
  if (record) pending.record = *std::move(record);
  const Sequence sequence = pending.record.entry.sequence;
  context_.largest_seen = std::max(context_.largest_seen, sequence);
  context_.walk.meet(entry, sequence);
  if (!HG_RULE("R7 read")) context_.accounting.account(sequence);
  pending.entry = std::move(entry);
  context_.pending.add(place, std::move(pending), env_.now());
  return {};
}

void CacheWriter::State::take_released(FeedEntry entry) {
  const auto range = ReleasedRange::decode(entry.bytes);
  // What it would have told is told by the gap timeout.
  if (!range) return report_unreadable(entry, range.error());
  context_.walk.meet(entry, range->last);
  context_.released.insert_or_assign(EntryPlace{entry.partition, entry.position}, *range);
}

void CacheWriter::State::report_unreadable(const FeedEntry& entry, const Error& why) {
  ++context_.statistics.unreadable;
  log(LogLevel::error, "cache_writer.unreadable_feed_entry",
      {{"database", fmt::to_string(context_.d.space.database.value())},
       user_data("key", entry.key.name),
       {"why", why.context}});
}

Task<Result<void>> CacheWriter::State::publish() {
  const CacheSpace& space = context_.d.space;
  StableRecord next = context_.stable.record();
  next.stable = context_.accounting.stable();
  next.checkpoint = context_.walk.checkpoint(next.stable, context_.feed->positions());
  next.cache_histories = *context_.cache_histories;
  next.base_histories = context_.base_histories;
  next.kills += context_.burial.kills() - kills_published_;
  next.generation = space.generation;
  next.epoch = context_.d.allocator.epoch();
  next.epochs = context_.d.allocator.epochs();
  if (space.has_durable_stable()) {
    HG_CO_CHECK(co_await pass_barriers());
    next.durable_floor = next.stable;
    next.floor_checkpoint = next.checkpoint;
  }
  const Sequence stable = next.stable;
  const std::uint64_t kills = context_.burial.kills();
  HG_CO_CHECK(co_await context_.stable.publish(std::move(next)));
  kills_published_ = kills;
  last_published_ = env_.now();
  ++context_.statistics.published;
  context_.d.listener.stable_advanced(stable, context_.channels.take(stable));
  co_return Result<void>();
}

// --- Histories (R11) -----------------------------------------------------------------------------

// What replies have told, and now and then a question to every partition.
Task<Result<void>> CacheWriter::State::compare_histories() {
  if (!is_shared()) co_return Result<void>();
  const auto is_other = [](const std::vector<HistoryId>& seen,
                           const std::vector<HistoryId>& walked) {
    for (std::size_t i = 0; i < seen.size(); ++i)
      if (seen[i] != HistoryId() && seen[i] != walked.at(i)) return true;
    return false;
  };
  if (is_other(context_.d.base.histories(), context_.base_histories) ||
      is_other(context_.d.space.bucket.histories(), *context_.cache_histories))
    co_return Error{Errc::rolled_back, "a history has changed"};
  if (!context_.stable.is_of_this_generation())
    co_return Error{Errc::rolled_back, "the cache was emptied"};
  if (env_.now() - last_compared_ < context_.d.space.settings.poll) co_return Result<void>();
  co_return co_await pass_barriers();
}

// Everything done before is as durable as a barrier makes it, under the histories of this walk.
Task<Result<void>> CacheWriter::State::pass_barriers() {
  HG_CO_TRY(const auto base, co_await context_.d.base.barrier(context_.deadline()));
  HG_CO_TRY(const auto cache, co_await context_.d.space.bucket.barrier(context_.deadline()));
  if (base != context_.base_histories || cache != *context_.cache_histories)
    co_return Error{Errc::rolled_back, "a history has changed"};
  last_compared_ = env_.now();
  co_return Result<void>();
}

// --- The public face -----------------------------------------------------------------------------

CacheWriter::Statistics CacheWriter::State::statistics() const {
  Statistics all = context_.statistics;
  all.stable = context_.stable.record().stable;
  all.largest_seen = context_.largest_seen;
  all.buried = context_.burial.buried();
  all.awaited = context_.pending.size();
  all.is_compacting = compaction_.is_running() || compaction_.is_due();
  all.gaps = context_.accounting.count_gaps(context_.largest_seen);
  return all;
}

CacheWriter::CacheWriter(Dependencies dependencies)
    : state_(std::make_unique<State>(dependencies)) {}
CacheWriter::~CacheWriter() = default;
Task<Result<void>> CacheWriter::start() {
  return state_->start();
}
Task<void> CacheWriter::stop() {
  return state_->stop();
}
void CacheWriter::compact() {
  state_->compact();
}
Sequence CacheWriter::stable() const {
  return state_->stable();
}
CacheWriter::Statistics CacheWriter::statistics() const {
  return state_->statistics();
}
std::vector<CacheRepair> CacheWriter::recent_repairs() const {
  return state_->recent_repairs();
}

}  // namespace headgate
