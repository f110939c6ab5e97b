// SPDX-License-Identifier: Apache-2.0
#include "changes/page_merge.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/buggify.hpp"

namespace headgate {
namespace {

bool contains(const std::vector<ChannelId>& channels, const ChannelId& channel) {
  return std::find(channels.begin(), channels.end(), channel) != channels.end();
}

ChangesPlace bound_of(const ChannelPlan::Read& read, Sequence complete_to) {
  if (read.is_revocation && complete_to >= read.backfill.previous())
    return ChangesPlace::ordinary(kNoSequence);
  return complete_to < read.backfill ? ChangesPlace::backfill(read.backfill, complete_to)
                                     : ChangesPlace::ordinary(complete_to);
}

// The document is in a channel whose entries up to the grant the reader has been sent already.
bool is_held_before(const CacheEntry& entry, const ChannelPlan& plan, Sequence grant) {
  for (const ChannelPlan::Read& read : plan.reads)
    if (!read.is_revocation && read.backfill < grant && contains(entry.channels, read.channel))
      return true;
  return false;
}

// By a channel other than the lost one, which tells if the document is gone from it since: one held
// all along. A backfill would not.
bool is_seen_otherwise(const CacheEntry& entry, const ChannelPlan& plan, const ChannelId& lost) {
  return std::ranges::any_of(plan.reads, [&](const ChannelPlan::Read& read) {
    return !read.is_revocation && read.backfill == Sequence() && read.channel != lost &&
           contains(entry.channels, read.channel);
  });
}

/// Removals that a backfill tells of at most as candidates, by document.
using Removals = std::unordered_map<std::string_view, std::vector<std::pair<ChannelId, Sequence>>>;

// What precedes the grant or the loss of a channel. Whoever is in the middle of a backfill may have
// been shown an earlier revision of what is gone since.
// A removal is a candidate even if the document went to a channel that is held: it may have left
// that one, too, before the reader had it.
void add_old(const ChannelPlan& plan, const ChannelPlan::Read& read, const ChannelEntry& entry,
             std::vector<Change>& changes, Removals& removals) {
  const CacheEntry& write = entry.document->entry;
  Change change{ChangesPlace::backfill(read.backfill, entry.sequence), entry.document};
  const bool is_under_way = read.since != Sequence();
  const bool is_gone = entry.is_removal || write.is_deleted();
  const bool may_be_shown = is_gone && is_under_way && !read.is_revocation;
  if (read.is_revocation || may_be_shown || (is_gone && entry.sequence > read.told_to))
    change.held = Change::Held{read.channel, read.told_to, read.is_revocation, may_be_shown};
  const bool is_left_out =
      read.is_revocation
          ? entry.sequence == read.backfill || is_seen_otherwise(write, plan, read.channel)
          : !change.held && (is_gone || is_held_before(write, plan, read.backfill));
  if (!is_left_out) changes.push_back(std::move(change));
  if (is_gone && !read.is_revocation)
    removals[write.doc_id.text()].push_back({read.channel, entry.sequence});
}

void add_page(const ChannelPlan& plan, const ChannelPlan::Read& read, const ChannelPage& page,
              std::vector<Change>& changes, Removals& removals) {
  for (const ChannelEntry& entry : page.entries) {
    const CacheEntry& write = entry.document->entry;
    if (write.is_principal()) continue;
    if (entry.sequence > read.backfill && !read.is_revocation)
      changes.push_back({ChangesPlace::ordinary(entry.sequence), entry.document});
    else if (entry.sequence <= read.backfill)
      add_old(plan, read, entry, changes, removals);
  }
}

// What is told of another channel must not show a document by one that it has left since.
void note_left_since(const Removals& removals, std::vector<Change>& changes) {
  if (removals.empty()) return;
  for (Change& change : changes) {
    const auto found = removals.find(change.entry().doc_id.text());
    if (found == removals.end() || change.is_candidate()) continue;
    for (const auto& [channel, at] : found->second)
      if (at > change.sequence()) change.left_since.push_back(channel);
  }
}

struct Newest {
  Sequence sequence;
  bool shows_it = false;  ///< to this reader, now
};

// Keeps of each document its newest change, at the first of its places. Whoever is sent a change of
// a document needs no candidate of it, unless the change does not show it: then a later removal is
// told, too, and every revocation, since that it left another channel may have been told before. Of
// several candidates each may be the one that counts.
void keep_newest(const ChannelPlan& plan, std::vector<Change>& changes) {
  std::unordered_map<std::string_view, Newest> newest;
  newest.reserve(changes.size());
  for (const Change& change : changes) {
    if (change.is_candidate()) continue;
    Newest& known = newest[change.entry().doc_id.text()];
    if (change.sequence() >= known.sequence) known = {change.sequence(), is_seen(change, plan)};
  }
  std::erase_if(changes, [&](const Change& change) {
    const auto known = newest.find(change.entry().doc_id.text());
    if (change.is_candidate())
      return known != newest.end() &&
             (known->second.shows_it ||
              (!change.is_revocation() && known->second.sequence >= change.sequence()));
    if (change.sequence() != known->second.sequence) return true;
    known->second.sequence = kNoSequence;  // later places of the same change are not wanted
    return false;
  });
}

}  // namespace

MergedPages merge_pages(const ChannelPlan& plan, const std::vector<ChannelPage>& pages) {
  MergedPages merged;
  Removals removals;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    add_page(plan, plan.reads[i], pages[i], merged.changes, removals);
    merged.bound = std::min(merged.bound, bound_of(plan.reads[i], pages[i].complete_to));
    if (pages[i].awaited && HG_RULE("R15b")) merged.has_awaited = true;
  }
  note_left_since(removals, merged.changes);
  // The page of one channel is in order and holds each document once.
  const bool is_merged = pages.size() == 1;
  if (!is_merged) {
    std::sort(merged.changes.begin(), merged.changes.end(),
              [](const Change& a, const Change& b) { return a.place < b.place; });
    keep_newest(plan, merged.changes);
  }
  return merged;
}

std::vector<ChannelId> channels_left(const CacheEntry& entry, const ChannelPlan& plan) {
  std::vector<ChannelId> left;
  for (const ChannelId& channel : entry.removals)
    if (plan.is_visible(channel)) left.push_back(channel);
  return left;
}

bool is_seen(const Change& change, const ChannelPlan& plan) {
  if (plan.sees_all) return !contains(change.left_since, ChannelId::star());
  const std::vector<ChannelId>& channels = change.entry().channels;
  return std::ranges::any_of(channels, [&](const ChannelId& channel) {
    return plan.is_visible(channel) && !contains(change.left_since, channel);
  });
}

}  // namespace headgate
