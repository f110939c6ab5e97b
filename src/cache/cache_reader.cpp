// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_reader.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/buggify.hpp"
#include "cache/pass_starts.hpp"
#include "cache/reader_channels.hpp"

namespace headgate {
namespace {

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
        starts_(space, allocator, documents_, [this] { channels_.forget(); }),
        channels_(space, allocator, starts_) {}

  Task<Result<PassStart>> start_pass() { return starts_.start(); }
  Task<Result<std::vector<ChannelPage>>> read(PassStart pass, ReadMode mode,
                                              std::vector<ChannelQuery> queries, std::size_t limit);
  Task<Result<std::vector<std::uint64_t>>> counters(PassStart pass, std::vector<ChannelId> ids);
  void learn(Sequence sequence, SequenceDocuments::Pointer document, HistoryId history);
  bool knows_under(const std::vector<HistoryId>& cache_histories) const {
    return !space_.is_shared() || (record() && record()->cache_histories == cache_histories);
  }
  std::shared_ptr<const StableRecord> record() const { return starts_.record(); }
  SequenceDocuments::Pointer known(Sequence sequence) { return documents_.find(sequence); }
  Statistics statistics() const;

 private:
  Task<Result<ChannelPage>> read_channel(PassStart pass, ReadMode mode, ChannelQuery query,
                                         ReaderChannels::Pointer channel, std::size_t limit);
  Task<Result<ChannelPage>> read_documents(PassStart pass, ReadMode mode, ChannelQuery query,
                                           std::size_t limit);
  Result<ChannelPage> resolve(const PassStart& pass, const ChannelId& channel,
                              const std::vector<Sequence>& sequences,
                              const std::vector<SequenceDocuments::Pointer>& documents,
                              Sequence complete_to);

  const CacheSpace& space_;
  SequenceAllocator& allocator_;
  SequenceDocuments documents_;
  PassStarts starts_;
  ReaderChannels channels_;
  std::uint64_t dropped_passes_ = 0;
};

// What was written under a history that is over may be lost.
void CacheReader::State::learn(Sequence sequence, SequenceDocuments::Pointer document,
                               HistoryId history) {
  if (starts_.covers(space_.sequence_key(sequence), history))
    documents_.learn(sequence, std::move(document));
}

// --- Reading -------------------------------------------------------------------------------------

Result<ChannelPage> CacheReader::State::resolve(
    const PassStart& pass, const ChannelId& channel, const std::vector<Sequence>& sequences,
    const std::vector<SequenceDocuments::Pointer>& documents, Sequence complete_to) {
  ChannelPage page;
  page.complete_to = complete_to;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (starts_.dead().contains(sequences[i])) continue;
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

Task<Result<ChannelPage>> CacheReader::State::read_channel(PassStart pass, ReadMode mode,
                                                           ChannelQuery query,
                                                           ReaderChannels::Pointer channel,
                                                           std::size_t limit) {
  // What lies between stable and `since` counts for max_early, too.
  const Sequence from = std::min(query.since, pass.stable);
  HG_CO_TRY(auto raw, co_await channels_.read_blocks(
                          channel, channels_.pass_for(pass, query.channel), from, limit));
  channels_.account(query.channel, *channel);
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
       (from = starts_.dead().skip(from)) <= last;) {
    const Sequence to(std::min(last.value(), from.value() + kScanStep - 1));
    std::vector<Sequence> sequences;
    for (Sequence s = from; s <= to; s = s.next())
      if (s > Sequence(1) && !starts_.dead().contains(s)) sequences.push_back(s);
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
  std::vector<ReaderChannels::Pointer> channels;
  for (const ChannelQuery& query : queries)
    if (!is_scanned(query)) {
      ids.push_back(query.channel);
      channels.push_back(channels_.find(query.channel));
    }
  HG_CO_CHECK(co_await channels_.refresh(ids, channels, pass));

  std::vector<ChannelPage> pages;
  std::size_t next = 0;
  for (ChannelQuery& query : queries) {
    auto page = is_scanned(query) ? co_await read_documents(pass, mode, query, limit)
                                  : co_await read_channel(pass, mode, query, channels[next], limit);
    if (!is_scanned(query)) ++next;
    if (!page) {
      if (page.error().code == Errc::rolled_back) ++dropped_passes_;
      co_return std::move(page).error();
    }
    pages.push_back(*std::move(page));
  }
  co_return pages;
}

Task<Result<std::vector<std::uint64_t>>> CacheReader::State::counters(PassStart pass,
                                                                      std::vector<ChannelId> ids) {
  std::vector<ReaderChannels::Pointer> channels;
  for (const ChannelId& id : ids) channels.push_back(channels_.find(id));
  HG_CO_CHECK(co_await channels_.refresh(ids, channels, std::move(pass)));
  std::vector<std::uint64_t> counters;
  for (const ReaderChannels::Pointer& channel : channels)
    counters.push_back(channel->counter.value_or(0));
  co_return counters;
}

CacheReader::Statistics CacheReader::State::statistics() const {
  Statistics all;
  all.passes = starts_.passes();
  all.stable_reads = starts_.stable_reads();
  all.counter_reads = channels_.counter_reads();
  all.block_reads = channels_.block_reads();
  all.document_reads = documents_.reads();
  all.document_hits = documents_.hits();
  all.channel_hits = channels_.hits();
  all.channel_misses = channels_.misses();
  all.dropped_passes = dropped_passes_;
  all.entries_kept = channels_.entries_kept();
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
