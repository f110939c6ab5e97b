// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_reader.hpp"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <unordered_set>

#include "base/buggify.hpp"
#include "base/task_scope.hpp"
#include "cache/channel_blocks.hpp"
#include "cache/sequence_documents.hpp"

namespace headgate {
namespace {

// What a channel costs in memory beside its entries, counted in entries.
constexpr std::size_t kEntriesPerChannel = 64;
// Sequence documents looked at in one step when there is no star channel.
constexpr std::uint64_t kScanStep = 1'000;
// A page takes up to so many times max_early entries above stable where it must not end at
// max_early; beyond it waits for stable.
constexpr std::size_t kEarlyPages = 64;

bool contains(const std::vector<ChannelId>& channels, const ChannelId& channel) {
  return std::find(channels.begin(), channels.end(), channel) != channels.end();
}

// R16: the sequence document decides whether and how its write belongs to a channel.
enum class Membership { none, present, removed };
Membership membership(const CacheEntry& entry, const ChannelId& channel) {
  if (contains(entry.channels, channel)) return Membership::present;
  if (contains(entry.removals, channel)) return Membership::removed;
  for (const Grant& grant : entry.grants)
    if (grant.principal == channel) return Membership::present;
  return Membership::none;
}

/// Where a page ends above stable: after max_early entries (R17b), but not before what the client
/// has seen.
class EarlyLimit {
 public:
  EarlyLimit(std::size_t most, const ChannelQuery& query)
      : most_(most), seen_(std::max(query.seen, query.since)) {}
  bool is_reached_by(Sequence sequence) {
    return ++met_ > most_ && (sequence > seen_ || !HG_RULE("R17b seen"));
  }
  /// The page cannot reach what the client has seen: it must have nothing at all, since what is
  /// left out may supersede what is not.
  bool is_exceeded() const { return met_ > kEarlyPages * most_; }

 private:
  const std::size_t most_;
  const Sequence seen_;
  std::size_t met_ = 0;
};

// Of try_read_start() alone.
constexpr Errc kNotCurrent = Errc::rolled_back;

Error stable_lags() {
  return Error{Errc::unavailable, "stable lags too far behind what the client has seen"};
}

// Keeps of each document its newest entry. Entries are ascending.
void keep_newest(std::vector<ChannelEntry>& entries) {
  std::unordered_set<std::string_view> seen;
  std::vector<ChannelEntry> kept;
  for (auto it = entries.rbegin(); it != entries.rend(); ++it)
    if (seen.insert(it->document->entry.doc_id.text()).second) kept.push_back(*it);
  std::reverse(kept.begin(), kept.end());
  entries = std::move(kept);
}

}  // namespace

class CacheReader::State {
 public:
  State(const CacheSpace& space, SequenceAllocator& allocator)
      : space_(space),
        allocator_(allocator),
        documents_(space),
        start_done_(space.environment),
        refresh_done_(space.environment) {}

  Task<Result<PassStart>> start_pass();
  Task<Result<std::vector<ChannelPage>>> read(PassStart pass, ReadMode mode,
                                              std::vector<ChannelQuery> queries, std::size_t limit);
  Task<Result<std::vector<std::uint64_t>>> counters(PassStart pass, std::vector<ChannelId> ids);
  void learn(Sequence sequence, SequenceDocuments::Pointer document, HistoryId history);
  bool knows_under(const std::vector<HistoryId>& cache_histories) const {
    return !space_.is_shared() || (record_ && record_->cache_histories == cache_histories);
  }
  std::shared_ptr<const StableRecord> record() const { return record_; }
  SequenceDocuments::Pointer known(Sequence sequence) { return documents_.find(sequence); }
  Statistics statistics() const;

 private:
  struct Channel {
    explicit Channel(Environment& environment) : read_done(environment) {}

    std::unique_ptr<ChannelBlocks> blocks;
    bool is_being_read = false;
    Signal read_done;
    std::optional<std::uint64_t> counter;
    std::uint64_t checked_for = 0;  // passes up to this number have what they need
    std::uint64_t wanted_for = 0;
    bool is_wanted = false;
    Errc failure = Errc::ok;  // of the last check
    std::list<ChannelId>::iterator use;
    std::size_t size = 0;
  };
  using ChannelPointer = std::shared_ptr<Channel>;

  Task<Result<PassStart>> read_start();
  Task<Result<PassStart>> try_read_start();
  Task<Result<void>> load_dead_ranges(std::uint64_t version);
  void forget();
  bool is_current(const Reply& reply, const Key& key, const StableRecord& record) const;

  ChannelPointer channel(const ChannelId& id);
  void account(const ChannelId& id, Channel& channel);
  Task<Result<void>> refresh(const std::vector<ChannelId>& ids,
                             const std::vector<ChannelPointer>& channels, PassStart pass);
  Task<void> refresh_wanted();
  Task<Result<void>> refresh_one(ChannelPointer channel, ChannelBlocks::Pass pass,
                                 std::uint64_t counter);

  ChannelBlocks::Pass pass_for(const PassStart& pass, const ChannelId& id) const;
  Task<Result<ChannelBlocks::Page>> read_blocks(ChannelPointer channel, ChannelBlocks::Pass pass,
                                                Sequence since, std::size_t limit);
  Task<Result<ChannelPage>> read_channel(PassStart pass, ReadMode mode, ChannelQuery query,
                                         ChannelPointer channel, std::size_t limit);
  Task<Result<ChannelPage>> read_documents(PassStart pass, ReadMode mode, ChannelQuery query,
                                           std::size_t limit);
  Result<ChannelPage> resolve(const PassStart& pass, const ChannelId& channel,
                              const std::vector<Sequence>& sequences,
                              const std::vector<SequenceDocuments::Pointer>& documents,
                              Sequence complete_to);

  const CacheSpace& space_;
  SequenceAllocator& allocator_;
  SequenceDocuments documents_;
  DeadRanges dead_;

  // Starts of passes, shared: the next to begin serves all who wait for it.
  std::uint64_t starts_begun_ = 0;
  bool is_start_wanted_ = false;
  std::uint64_t starts_done_ = 0;
  Result<PassStart> latest_start_{Errc::unavailable};
  std::string stable_bytes_;
  std::shared_ptr<const StableRecord> record_;
  Signal start_done_;

  std::unordered_map<ChannelId, ChannelPointer> channels_;
  std::list<ChannelId> by_use_;  // least recently used first
  std::size_t size_ = 0;
  // Each object once, not each id: one that memory was let go of may be in use beside its
  // successor.
  std::vector<std::pair<ChannelId, ChannelPointer>> wanted_;
  bool is_refreshing_ = false;
  Signal refresh_done_;

  std::uint64_t block_keys_read_ = 0;
  Statistics statistics_;
};

// --- The start of a pass -------------------------------------------------------------------------

Task<Result<PassStart>> CacheReader::State::start_pass() {
  ++statistics_.passes;
  const std::uint64_t wanted = starts_begun_ + 1;
  while (starts_done_ < wanted) {
    if (is_start_wanted_ || starts_begun_ != starts_done_) {
      co_await start_done_.wait_past(start_done_.count());
      continue;
    }
    // One write wakes many feeds, and a bucket may answer without suspending: the read begins when
    // all that were woken together have asked for it.
    is_start_wanted_ = true;
    co_await space_.environment.yield();
    is_start_wanted_ = false;
    ++starts_begun_;
    auto start = co_await read_start();
    latest_start_ = std::move(start);
    starts_done_ = starts_begun_;
    start_done_.raise();
  }
  co_return latest_start_;
}

bool CacheReader::State::is_current(const Reply& reply, const Key& key,
                                    const StableRecord& record) const {
  const std::size_t partition = space_.bucket.partition_of(key).value();
  return !HG_RULE("R15") || (partition < record.cache_histories.size() &&
                             record.cache_histories[partition] == reply.history);
}

Task<Result<PassStart>> CacheReader::State::read_start() {
  const std::uint32_t generation = space_.generation;
  auto start = co_await try_read_start();
  const auto is_out_of_date = [&] {
    return !start && (start.error().code == Errc::not_found || start.error().code == kNotCurrent);
  };
  if (!is_out_of_date()) co_return start;
  // Nothing was published yet, or not since a failover; or the cache was emptied and is built under
  // another generation (C6). Of a generation given up again a record may be left.
  HG_CO_CHECK(co_await allocator_.follow());
  if (space_.generation != generation) start = co_await try_read_start();
  if (!is_out_of_date()) co_return start;
  co_return Error{Errc::unavailable, start.error().code == kNotCurrent
                                         ? "the cache is being checked after a failover"
                                         : "no stable sequence was published yet"};
}

// Errors: not_found: there is no stable record; kNotCurrent: it is of another history.
Task<Result<PassStart>> CacheReader::State::try_read_start() {
  ++statistics_.stable_reads;
  if (allocator_.failure()) co_return *allocator_.failure();
  const std::uint64_t number = starts_begun_;
  std::vector<Key> keys{space_.stable_key(), space_.access_counter_key()};
  if (auto counter = allocator_.counter_key()) keys.push_back(*std::move(counter));
  const auto replies = co_await space_.bucket.get_many(keys, space_.deadline());
  if (!replies[0].ok()) co_return replies[0].status;
  if (!replies[1].ok() && replies[1].status != Errc::not_found) co_return replies[1].status;
  // Without a bound a pass might miss what is above stable: rights built by it would not be whole.
  if (replies.size() > 2 && !replies[2].ok()) co_return replies[2].status;
  if (replies[0].bytes != stable_bytes_ || !record_) {
    HG_CO_TRY(auto record, StableRecord::decode(replies[0].bytes));
    if (record_ && record.cache_histories != record_->cache_histories && HG_RULE("B5")) forget();
    // What a cache writer killed and did not live to count is told by its successor's token.
    if (record_ && (record.kills != record_->kills || record.token != record_->token))
      documents_.clear();
    // Readers clamp: what was published once is never taken back (I3).
    if (record_ && record.stable < record_->stable && HG_RULE("I3"))
      record.stable = record_->stable;
    stable_bytes_ = replies[0].bytes;
    record_ = std::make_shared<const StableRecord>(std::move(record));
  }
  for (std::size_t i = 0; i < replies.size(); ++i)
    if (!is_current(replies[i], keys[i], *record_)) co_return kNotCurrent;
  // Of a record's history the counter is above every earlier epoch's numbers.
  if (replies.size() > 2) allocator_.observe(replies[2], replies[2].history);
  if (record_->dead_ranges_version != dead_.version)
    HG_CO_CHECK(co_await load_dead_ranges(record_->dead_ranges_version));
  co_return PassStart{record_->stable, replies[1].number, record_, number};
}

// What was written under a history that is over may be lost.
void CacheReader::State::learn(Sequence sequence, SequenceDocuments::Pointer document,
                               HistoryId history) {
  if (space_.is_shared()) {
    const auto partition = space_.bucket.partition_of(space_.sequence_key(sequence)).value();
    if (!record_ || partition >= record_->cache_histories.size() ||
        record_->cache_histories[partition] != history)
      return;
  }
  documents_.learn(sequence, std::move(document));
}

Task<Result<void>> CacheReader::State::load_dead_ranges(std::uint64_t version) {
  const Reply reply = co_await space_.bucket.get(space_.dead_ranges_key(), space_.deadline());
  if (reply.status == Errc::not_found) co_return Errc::rolled_back;
  if (!reply.ok()) co_return reply.status;
  if (!is_current(reply, space_.dead_ranges_key(), *record_)) co_return Errc::rolled_back;
  HG_CO_TRY(auto dead, DeadRanges::decode(reply.bytes));
  if (dead.version < version) co_return Errc::rolled_back;
  dead_ = std::move(dead);
  co_return Result<void>();
}

// B5: what was read under another history says nothing any more.
void CacheReader::State::forget() {
  documents_.clear();
  channels_.clear();
  by_use_.clear();
  size_ = 0;
  dead_ = {};
}

// --- Channels ------------------------------------------------------------------------------------

CacheReader::State::ChannelPointer CacheReader::State::channel(const ChannelId& id) {
  if (const auto it = channels_.find(id); it != channels_.end()) {
    by_use_.splice(by_use_.end(), by_use_, it->second->use);
    return it->second;
  }
  auto created = std::make_shared<Channel>(space_.environment);
  created->blocks = make_channel_blocks(space_, id, block_keys_read_);
  created->use = by_use_.insert(by_use_.end(), id);
  channels_.emplace(id, created);
  return created;
}

// Counts what the channel keeps in memory, and lets the least used channels go above the limit.
void CacheReader::State::account(const ChannelId& id, Channel& channel) {
  const auto present = channels_.find(id);
  if (present == channels_.end() || present->second.get() != &channel) return;  // gone meanwhile
  size_ -= channel.size;
  channel.size = kEntriesPerChannel + channel.blocks->size();
  size_ += channel.size;
  const std::size_t most =
      HG_BUGGIFY("reader keeps few entries") ? 1 : space_.settings.reader_entries;
  while (size_ > most && by_use_.size() > 1) {
    const auto oldest = channels_.find(by_use_.front());
    if (oldest->second.get() == &channel) break;
    size_ -= oldest->second->size;
    channels_.erase(oldest);
    by_use_.pop_front();
  }
}

ChannelBlocks::Pass CacheReader::State::pass_for(const PassStart& pass, const ChannelId& id) const {
  const std::size_t partition = space_.bucket.partition_of(space_.counter_key(id)).value();
  return {pass.stable, pass.record->cache_histories.at(partition),
          std::max(pass.stable, allocator_.highest()), &dead_};
}

// A channel that was checked by a read that began after this pass did needs no further look. All
// others are checked together with what other passes want.
Task<Result<void>> CacheReader::State::refresh(const std::vector<ChannelId>& ids,
                                               const std::vector<ChannelPointer>& channels,
                                               PassStart pass) {
  const auto is_due = [&](const ChannelPointer& c) { return c->checked_for < pass.number; };
  while (std::any_of(channels.begin(), channels.end(), is_due)) {
    for (std::size_t i = 0; i < channels.size(); ++i)
      if (is_due(channels[i]) && channels[i]->wanted_for < pass.number) {
        channels[i]->wanted_for = pass.number;
        if (!std::exchange(channels[i]->is_wanted, true)) wanted_.emplace_back(ids[i], channels[i]);
      }
    if (is_refreshing_) {
      co_await refresh_done_.wait_past(refresh_done_.count());
      continue;
    }
    is_refreshing_ = true;
    co_await space_.environment.yield();  // feeds that were woken together join in
    co_await refresh_wanted();
    is_refreshing_ = false;
    refresh_done_.raise();
  }
  for (const ChannelPointer& channel : channels)
    if (channel->failure != Errc::ok) co_return channel->failure;
  co_return Result<void>();
}

Task<void> CacheReader::State::refresh_wanted() {
  const auto wanted = std::exchange(wanted_, {});
  for (const auto& [id, channel] : wanted) channel->is_wanted = false;
  const Result<PassStart> start = latest_start_;
  const std::uint64_t number = starts_done_;
  if (!start) {
    for (const auto& [id, channel] : wanted) {
      channel->failure = start.error().code;
      channel->checked_for = number;
    }
    co_return;
  }
  std::vector<ChannelPointer> channels;
  std::vector<ChannelBlocks::Pass> passes;
  std::vector<Key> keys;
  for (const auto& [id, channel] : wanted) {
    channels.push_back(channel);
    passes.push_back(pass_for(*start, id));
    keys.push_back(space_.counter_key(id));
  }
  ++statistics_.counter_reads;
  const auto counters = co_await space_.bucket.get_many(std::move(keys), space_.deadline());
  std::vector<ChannelPointer> changed;
  std::vector<Task<Result<void>>> refreshes;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const Reply& counter = counters[i];
    channels[i]->failure =
        counter.ok() || counter.status == Errc::not_found ? Errc::ok : counter.status;
    if (channels[i]->failure == Errc::ok && !passes[i].covers(counter))
      channels[i]->failure = Errc::rolled_back;
    // C4: inequality, not "greater": a counter may have been set back.
    if (channels[i]->failure != Errc::ok || channels[i]->counter == counter.number) continue;
    changed.push_back(channels[i]);
    refreshes.push_back(refresh_one(channels[i], passes[i], counter.number));
  }
  statistics_.channel_misses += changed.size();
  statistics_.channel_hits += channels.size() - changed.size();
  const auto outcomes = co_await when_all(space_.environment, std::move(refreshes));
  for (std::size_t i = 0; i < changed.size(); ++i)
    changed[i]->failure = outcomes[i] ? Errc::ok : outcomes[i].error().code;
  for (const auto& [id, channel] : wanted) {
    channel->checked_for = number;
    account(id, *channel);
  }
}

Task<Result<void>> CacheReader::State::refresh_one(ChannelPointer channel, ChannelBlocks::Pass pass,
                                                   std::uint64_t counter) {
  HG_CO_CHECK(co_await channel->blocks->refresh(pass));
  channel->counter = counter;
  co_return Result<void>();
}

// --- Reading -------------------------------------------------------------------------------------

Result<ChannelPage> CacheReader::State::resolve(
    const PassStart& pass, const ChannelId& channel, const std::vector<Sequence>& sequences,
    const std::vector<SequenceDocuments::Pointer>& documents, Sequence complete_to) {
  ChannelPage page;
  page.complete_to = complete_to;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (dead_.contains(sequences[i])) continue;
    if (!documents[i]) {
      if (sequences[i] <= pass.stable && HG_RULE("R16"))
        return Error{Errc::rolled_back, "a stable sequence has no sequence document"};
      if (!page.awaited) page.awaited = sequences[i];
      continue;
    }
    if (documents[i]->is_dead) {
      HG_PROBE("A3 stray block entry passed over");
      continue;
    }
    const Membership member = membership(documents[i]->entry, channel);
    if (member == Membership::none && HG_RULE("R5")) continue;
    page.entries.push_back({sequences[i], member == Membership::removed, documents[i]});
  }
  keep_newest(page.entries);
  return page;
}

// One at a time for each channel: blocks that are not in memory are read once for all that wait.
Task<Result<ChannelBlocks::Page>> CacheReader::State::read_blocks(ChannelPointer channel,
                                                                  ChannelBlocks::Pass pass,
                                                                  Sequence since,
                                                                  std::size_t limit) {
  while (channel->is_being_read) co_await channel->read_done.wait_past(channel->read_done.count());
  channel->is_being_read = true;
  auto page = co_await channel->blocks->read(pass, since, limit);
  channel->is_being_read = false;
  channel->read_done.raise();
  co_return page;
}

Task<Result<ChannelPage>> CacheReader::State::read_channel(PassStart pass, ReadMode mode,
                                                           ChannelQuery query,
                                                           ChannelPointer channel,
                                                           std::size_t limit) {
  // What lies between stable and `since` counts for max_early, too.
  const Sequence from = std::min(query.since, pass.stable);
  HG_CO_TRY(auto raw, co_await read_blocks(channel, pass_for(pass, query.channel), from, limit));
  account(query.channel, *channel);
  Sequence complete_to = raw.complete_to;
  std::vector<Sequence> sequences;
  EarlyLimit early(space_.settings.max_early, query);
  for (const BlockEntry& entry : raw.entries) {
    const bool is_early = entry.sequence > pass.stable;
    if (is_early && mode == ReadMode::stable) break;
    // At or below stable a page may end anywhere; above it only at max_early (R17b).
    if (is_early ? early.is_reached_by(entry.sequence) : sequences.size() >= limit) {
      complete_to = entry.sequence.previous();
      break;
    }
    if (early.is_exceeded()) co_return stable_lags();
    if (entry.sequence <= query.since) continue;
    if (sequences.empty() || sequences.back() != entry.sequence)
      sequences.push_back(entry.sequence);
  }
  if (mode == ReadMode::stable && complete_to == kNoSequence) complete_to = pass.stable;
  HG_CO_TRY(const auto documents, co_await documents_.get(sequences, pass.record));
  co_return resolve(pass, query.channel, sequences, documents, complete_to);
}

// Without a star channel all documents are read from the sequence documents themselves.
Task<Result<ChannelPage>> CacheReader::State::read_documents(PassStart pass, ReadMode mode,
                                                             ChannelQuery query,
                                                             std::size_t limit) {
  const Sequence last =
      mode == ReadMode::stable ? pass.stable : std::max(pass.stable, allocator_.highest());
  ChannelPage page;
  page.complete_to = mode == ReadMode::stable ? pass.stable : kNoSequence;
  EarlyLimit early(space_.settings.max_early, query);
  for (Sequence from = std::min(query.since, pass.stable).next();
       (from = dead_.skip(from)) <= last;) {
    const Sequence to(std::min(last.value(), from.value() + kScanStep - 1));
    std::vector<Sequence> sequences;
    for (Sequence s = from; s <= to; s = s.next())
      if (s > Sequence(1) && !dead_.contains(s)) sequences.push_back(s);
    HG_CO_TRY(const auto documents, co_await documents_.get(sequences, pass.record));
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const bool is_early = sequences[i] > pass.stable;
      const bool is_wanted = sequences[i] > query.since;
      if (!documents[i]) {
        if (!is_early && HG_RULE("R16"))
          co_return Error{Errc::rolled_back, "a stable sequence has no document"};
        if (is_wanted && !page.awaited) page.awaited = sequences[i];
        continue;
      }
      const CacheEntry& entry = documents[i]->entry;
      if (documents[i]->is_dead || entry.is_principal() || entry.is_purged()) continue;
      if (is_early ? early.is_reached_by(sequences[i]) : page.entries.size() >= limit) {
        page.complete_to = sequences[i].previous();
        keep_newest(page.entries);
        co_return page;
      }
      if (early.is_exceeded()) co_return stable_lags();
      if (is_wanted) page.entries.push_back({sequences[i], false, documents[i]});
    }
    from = to.next();
  }
  keep_newest(page.entries);
  co_return page;
}

Task<Result<std::vector<ChannelPage>>> CacheReader::State::read(PassStart pass, ReadMode mode,
                                                                std::vector<ChannelQuery> queries,
                                                                std::size_t limit) {
  const auto is_scanned = [&](const ChannelQuery& query) {
    return !space_.settings.has_star_channel && query.channel == ChannelId::star();
  };
  std::vector<ChannelId> ids;
  std::vector<ChannelPointer> channels;
  for (const ChannelQuery& query : queries)
    if (!is_scanned(query)) {
      ids.push_back(query.channel);
      channels.push_back(channel(query.channel));
    }
  HG_CO_CHECK(co_await refresh(ids, channels, pass));

  std::vector<ChannelPage> pages;
  std::size_t next = 0;
  for (ChannelQuery& query : queries) {
    auto page = is_scanned(query) ? co_await read_documents(pass, mode, query, limit)
                                  : co_await read_channel(pass, mode, query, channels[next], limit);
    if (!is_scanned(query)) ++next;
    if (!page) {
      if (page.error().code == Errc::rolled_back) ++statistics_.dropped_passes;
      co_return std::move(page).error();
    }
    pages.push_back(*std::move(page));
  }
  co_return pages;
}

Task<Result<std::vector<std::uint64_t>>> CacheReader::State::counters(PassStart pass,
                                                                      std::vector<ChannelId> ids) {
  std::vector<ChannelPointer> channels;
  for (const ChannelId& id : ids) channels.push_back(channel(id));
  HG_CO_CHECK(co_await refresh(ids, channels, std::move(pass)));
  std::vector<std::uint64_t> counters;
  for (const ChannelPointer& channel : channels) counters.push_back(channel->counter.value_or(0));
  co_return counters;
}

CacheReader::Statistics CacheReader::State::statistics() const {
  Statistics all = statistics_;
  all.block_reads = block_keys_read_;
  all.document_reads = documents_.reads();
  all.document_hits = documents_.hits();
  all.entries_kept = size_;
  return all;
}

// --- The public face -----------------------------------------------------------------------------

CacheReader::CacheReader(const CacheSpace& space, SequenceAllocator& allocator)
    : state_(std::make_unique<State>(space, allocator)) {}
CacheReader::~CacheReader() = default;

Task<Result<PassStart>> CacheReader::start_pass() {
  return state_->start_pass();
}

Task<Result<std::vector<ChannelPage>>> CacheReader::read(PassStart pass, ReadMode mode,
                                                         std::vector<ChannelQuery> queries,
                                                         std::size_t limit) {
  return state_->read(std::move(pass), mode, std::move(queries), limit);
}

Task<Result<std::vector<std::uint64_t>>> CacheReader::counters(PassStart pass,
                                                               std::vector<ChannelId> channels) {
  return state_->counters(std::move(pass), std::move(channels));
}

void CacheReader::learn(Sequence sequence, std::shared_ptr<const SequenceDocument> document,
                        HistoryId history) {
  state_->learn(sequence, std::move(document), history);
}

bool CacheReader::knows_under(const std::vector<HistoryId>& cache_histories) const {
  return state_->knows_under(cache_histories);
}

std::shared_ptr<const StableRecord> CacheReader::record() const {
  return state_->record();
}

std::shared_ptr<const SequenceDocument> CacheReader::known(Sequence sequence) {
  return state_->known(sequence);
}

CacheReader::Statistics CacheReader::statistics() const {
  return state_->statistics();
}

}  // namespace headgate
