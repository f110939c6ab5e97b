// SPDX-License-Identifier: Apache-2.0
#include "changes/changes_filter.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

namespace headgate {
namespace {

// Documents read in one step.
constexpr std::size_t kStep = 50;

// When the document was in the channel.
std::vector<GrantSpan> stays_in(const DocumentEnvelope& envelope, const ChannelId& channel) {
  const Sequence deleted_at = envelope.tree.is_deleted() ? envelope.sequence : kUnended;
  if (channel == ChannelId::star()) return {{Sequence(), deleted_at}};
  std::vector<GrantSpan> stays;
  const auto found = envelope.channels.find(channel.name());
  if (found == envelope.channels.end()) return stays;
  for (const ChannelInterval& stay : found->second.past) stays.push_back({stay.start, stay.end});
  if (found->second.is_current()) stays.push_back({found->second.since, kUnended});
  return stays;
}

// The document was in the channel while the reader could read it, and the reader has not been told
// that it left.
bool had_in(const Principal& reader, const DocumentEnvelope& envelope, const ChannelId& channel,
            Sequence told_to) {
  const auto held = reader.access_history.find(std::string(channel.name()));
  if (held == reader.access_history.end()) return false;
  for (const GrantSpan& stay : stays_in(envelope, channel)) {
    if (stay.end <= told_to) continue;
    for (const GrantSpan& span : held->second)
      if (stay.start < span.end && span.start < stay.end) return true;
  }
  return false;
}

// In the channel, or in one that "*" has taken the place of.
bool may_have(const Principal& reader, const DocumentEnvelope& envelope, const Change::Held& by) {
  if (had_in(reader, envelope, by.channel, by.told_to)) return true;
  return by.channel == ChannelId::star() &&
         std::ranges::any_of(envelope.channels, [&](const auto& channel) {
           return had_in(reader, envelope, ChannelId::of_documents(channel.first), by.told_to);
         });
}

// By a channel that the feed has.
bool is_shown(const DocumentEnvelope& envelope, const ChannelPlan& plan) {
  return plan.sees_all || std::ranges::any_of(envelope.channels, [&](const auto& channel) {
           return channel.second.is_current() &&
                  plan.is_visible(ChannelId::of_documents(channel.first));
         });
}

// A document may have been lost by several channels: the newest of what they tell, at the first of
// its places.
void keep_newest_candidates(std::vector<Change>& changes) {
  std::unordered_map<std::string, Sequence> newest;
  for (const Change& change : changes) {
    if (!change.is_candidate()) continue;
    Sequence& sequence = newest[change.entry().doc_id.text()];
    sequence = std::max(sequence, change.sequence());
  }
  std::erase_if(changes, [&](const Change& change) {
    if (!change.is_candidate()) return false;
    const auto kept = newest.find(change.entry().doc_id.text());
    if (kept == newest.end() || kept->second != change.sequence()) return true;
    newest.erase(kept);
    return false;
  });
}

}  // namespace

Task<Result<void>> ChangesFilter::apply(std::shared_ptr<const Principal> reader,
                                        const ChannelPlan& plan, Bounds bounds, std::size_t wanted,
                                        MergedPages& merged) {
  if (options_.doc_ids) {
    std::erase_if(merged.changes, [&](const Change& change) {
      return !options_.doc_ids->contains(change.entry().doc_id.text());
    });
  }
  // Where all was read ahead nothing is shown that is gone further on.
  is_read_in_part_ = merged.bound < ChangesPlace::ordinary(bounds.up_to);
  const bool reads_documents = options_.selector || (options_.active_only && is_read_in_part_) ||
                               std::ranges::any_of(merged.changes, &Change::is_candidate);
  if (!reads_documents) co_return Result<void>();
  const std::vector<Change> all = std::exchange(merged.changes, {});
  const auto is_beyond = [&](const Change& change) {
    return change.place > merged.bound || change.sequence() > bounds.up_to;
  };
  const auto end = std::find_if(all.begin(), all.end(), is_beyond);
  auto next = all.begin();
  while (next != end && merged.changes.size() < wanted &&
         next - all.begin() < static_cast<std::ptrdiff_t>(kDocumentsPerPass)) {
    auto last = next + std::min<std::ptrdiff_t>(kStep, end - next);
    // Candidates of one document may share a place: a bound must not pass over any of them.
    while (last != end && last->place == std::prev(last)->place) ++last;
    HG_CO_CHECK(co_await keep_wanted(reader, plan, bounds.stable, {next, last}, merged.changes));
    next = last;
  }
  keep_newest_candidates(merged.changes);
  if (next == end) co_return Result<void>();
  merged.bound = std::prev(next)->place;
  merged.is_cut = true;
  co_return Result<void>();
}

Task<Result<void>> ChangesFilter::keep_wanted(std::shared_ptr<const Principal> reader,
                                              const ChannelPlan& plan, Sequence stable,
                                              std::vector<Change> changes,
                                              std::vector<Change>& kept) {
  HG_CO_CHECK(co_await drop_unfounded(reader, stable, changes));
  if (options_.active_only && is_read_in_part_)
    HG_CO_CHECK(co_await drop_gone(plan, stable, changes));
  if (options_.selector) co_return co_await select(reader, plan, std::move(changes), kept);
  std::ranges::move(changes, std::back_inserter(kept));
  co_return Result<void>();
}

// sync_gateway PR 5021: not what can be read by another channel; and not what was never in the
// channel while the reader had it.
Task<Result<void>> ChangesFilter::drop_unfounded(std::shared_ptr<const Principal> reader,
                                                 Sequence stable, std::vector<Change>& changes) {
  std::vector<DocId> ids;
  for (const Change& change : changes)
    if (change.is_candidate()) ids.push_back(change.entry().doc_id);
  if (ids.empty()) co_return Result<void>();
  HG_CO_TRY(const auto envelopes, co_await source_.load_envelopes(std::move(ids)));
  std::size_t next = 0;
  std::erase_if(changes, [&](const Change& change) {
    if (!change.is_candidate()) return false;
    const auto& envelope = envelopes[next++];
    if (!envelope) return true;
    // What was written since may have taken rights that the reader had when the pass began; if it
    // can be read all the same a later row shows it.
    const bool is_readable = !envelope->tree.is_deleted() && envelope->sequence <= stable &&
                             reader->access.can_read(envelope->current_channels());
    return is_readable ||
           !(change.held->may_be_shown || may_have(*reader, *envelope, *change.held));
  });
  co_return Result<void>();
}

// What is gone since will be told by no row: active_only leaves it out. What is above stable may
// yet be lost.
Task<Result<void>> ChangesFilter::drop_gone(const ChannelPlan& plan, Sequence stable,
                                            std::vector<Change>& changes) {
  std::erase_if(changes, [](const Change& change) { return change.entry().is_deleted(); });
  std::vector<DocId> ids;
  for (const Change& change : changes) ids.push_back(change.entry().doc_id);
  HG_CO_TRY(const auto envelopes, co_await source_.load_envelopes(std::move(ids)));
  std::size_t next = 0;
  std::erase_if(changes, [&](const Change&) {
    const auto& envelope = envelopes[next++];
    if (!envelope) return true;
    const bool is_gone = envelope->tree.is_deleted() || !is_shown(*envelope, plan);
    return is_gone && envelope->sequence <= stable;
  });
  co_return Result<void>();
}

Task<Result<void>> ChangesFilter::select(std::shared_ptr<const Principal> reader,
                                         const ChannelPlan& plan, std::vector<Change> changes,
                                         std::vector<Change>& kept) {
  std::vector<DocId> ids;
  for (const Change& change : changes) ids.push_back(change.entry().doc_id);
  const auto documents = co_await source_.load_documents(std::move(reader), std::move(ids), {});
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const CacheEntry& entry = changes[i].entry();
    const bool is_removal = changes[i].is_revocation() ||
                            (!is_seen(changes[i], plan) && !channels_left(entry, plan).empty());
    const Result<ShownRevision>& document = documents[i];
    bool is_wanted = is_removal;
    if (document) {
      is_wanted = is_wanted || options_.selector->matches(JsonView(document->json));
    } else if (document.error().code != Errc::forbidden &&
               document.error().code != Errc::not_found) {
      co_return document.error();  // those have changed since: a later entry tells of it
    }
    if (is_wanted) kept.push_back(std::move(changes[i]));
  }
  co_return Result<void>();
}

}  // namespace headgate
