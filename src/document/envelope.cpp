// SPDX-License-Identifier: Apache-2.0
#include "document/envelope.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {

namespace {

/// Two stays and what lies between them become one, so that a revocation is rather sent too often
/// than not at all.
void bound_history(std::vector<ChannelInterval>& past) {
  while (past.size() > kChannelHistoryMax) {
    past[1].start = past[0].start;
    past[1].is_compacted = true;
    past.erase(past.begin());
  }
}

void leave_channel(ChannelMembership& membership, ChannelRemoval removal) {
  membership.past.push_back({membership.since, removal.sequence});
  bound_history(membership.past);
  membership.since = Sequence();
  membership.removal = std::move(removal);
}

/// Which of an envelope's two grant maps.
enum class GrantKind : std::uint8_t { channels, roles };

/// Principals whose entries differ go into `changed`.
void assign_grant_map(DocumentEnvelope& envelope, GrantKind kind, const GrantSets& wanted,
                      Sequence sequence, std::set<std::string>& changed) {
  const bool is_role = kind == GrantKind::roles;
  GrantMap& present = is_role ? envelope.roles : envelope.access;
  for (auto principal = present.begin(); principal != present.end();) {
    const auto wish = wanted.find(principal->first);
    const std::size_t dropped = std::erase_if(principal->second, [&](const auto& grant) {
      if (wish != wanted.end() && wish->second.contains(grant.first)) return false;
      envelope.ended_grants.push_back(
          {principal->first, grant.first, is_role, grant.second, sequence});
      return true;
    });
    if (dropped > 0) changed.insert(principal->first);
    principal = principal->second.empty() ? present.erase(principal) : std::next(principal);
  }
  for (const auto& [principal, names] : wanted) {
    for (const std::string& name : names) {
      if (present[principal].try_emplace(name, sequence).second) changed.insert(principal);
    }
  }
}

void add_all(std::vector<std::string>& into, const std::vector<std::string>& names) {
  into.insert(into.end(), names.begin(), names.end());
  std::ranges::sort(into);
  const auto repeated = std::ranges::unique(into);
  into.erase(repeated.begin(), repeated.end());
}

// What ended is told of by its end. Beginnings stay: from then on its readers may have read it.
void move_if_lost(Sequence& at, const std::set<Sequence>& lost, Sequence to) {
  if (lost.contains(at)) at = to;
}

void move_channels(ChannelMap& channels, const std::set<Sequence>& lost, Sequence to) {
  for (auto& [name, membership] : channels) {
    if (!membership.is_current()) move_if_lost(membership.removal->sequence, lost, to);
    for (ChannelInterval& interval : membership.past) move_if_lost(interval.end, lost, to);
  }
}

// Moved more than once it is one time all the same.
void end_grant(std::vector<EndedGrant>& ended, EndedGrant grant) {
  const auto earlier = std::ranges::find_if(ended, [&](const EndedGrant& e) {
    return e.end == grant.start && e.is_role == grant.is_role && e.name == grant.name &&
           e.principal == grant.principal;
  });
  if (earlier != ended.end()) {
    grant.start = earlier->start;
    ended.erase(earlier);
  }
  ended.push_back(std::move(grant));
}

// What was granted at a lost number is granted anew. That it was before, too, stays known: its
// holder may have read by it.
void move_grants(DocumentEnvelope& envelope, GrantKind kind, const std::set<Sequence>& lost,
                 Sequence to) {
  const bool is_role = kind == GrantKind::roles;
  for (auto& [principal, names] : is_role ? envelope.roles : envelope.access) {
    for (auto& [name, since] : names) {
      if (!lost.contains(since)) continue;
      end_grant(envelope.ended_grants, {principal, name, is_role, since, to});
      since = to;
    }
  }
}

void bound_ended_grants(std::vector<EndedGrant>& ended) {
  if (ended.size() > kEndedGrantsMax)
    ended.erase(ended.begin(), ended.end() - static_cast<std::ptrdiff_t>(kEndedGrantsMax));
}

}  // namespace

std::uint8_t DocumentEnvelope::flags() const {
  int flags = 0;
  if (tree.is_deleted()) flags |= document_flag::kDeleted;
  if (last_written) flags |= document_flag::kHidden;
  if (tree.in_conflict()) flags |= document_flag::kConflict;
  if (tree.is_branched()) flags |= document_flag::kBranched;
  return static_cast<std::uint8_t>(flags);
}

const LeafContent* DocumentEnvelope::content_of(const Revision& rev) const {
  const auto found = std::ranges::find(contents, rev, &LeafContent::rev);
  return found == contents.end() ? nullptr : &*found;
}

LeafContent* DocumentEnvelope::content_of(const Revision& rev) {
  return const_cast<LeafContent*>(std::as_const(*this).content_of(rev));
}

const LeafContent* DocumentEnvelope::winner_content() const {
  const auto winner = tree.winner();
  return winner ? content_of(*winner) : nullptr;
}

std::vector<std::string> DocumentEnvelope::current_channels() const {
  std::vector<std::string> current;
  for (const auto& [name, membership] : channels) {
    if (membership.is_current()) current.push_back(name);
  }
  return current;
}

std::vector<std::string> DocumentEnvelope::channels_of(const Revision& leaf) const {
  if (tree.winner() == leaf) return current_channels();
  const LeafContent* content = content_of(leaf);
  return content == nullptr ? std::vector<std::string>() : content->channels;
}

std::vector<std::string> assign_channels(DocumentEnvelope& envelope,
                                         const std::set<std::string, std::less<>>& channels,
                                         Sequence sequence) {
  std::vector<std::string> left;
  const Revision winner = envelope.tree.winner().value_or(Revision{});
  for (auto& [name, membership] : envelope.channels) {
    if (!membership.is_current() || channels.contains(name)) continue;
    leave_channel(membership, {sequence, winner, envelope.tree.is_deleted()});
    left.push_back(name);
  }
  for (const std::string& name : channels) {
    const auto [entry, is_new] = envelope.channels.try_emplace(name);
    if (!is_new && entry->second.is_current()) continue;
    entry->second.since = sequence;
    entry->second.removal.reset();
  }
  return left;
}

std::vector<std::string> assign_grants(DocumentEnvelope& envelope, const GrantSets& access,
                                       const GrantSets& roles, Sequence sequence) {
  std::set<std::string> changed;
  assign_grant_map(envelope, GrantKind::channels, access, sequence, changed);
  assign_grant_map(envelope, GrantKind::roles, roles, sequence, changed);
  bound_ended_grants(envelope.ended_grants);
  return {changed.begin(), changed.end()};
}

void record_sequence(DocumentEnvelope& envelope, RecordedSequence recent) {
  auto& all = envelope.recent;
  const auto at = std::ranges::lower_bound(all, recent.sequence, {}, &RecordedSequence::sequence);
  if (at == all.end() || at->sequence != recent.sequence) {
    all.insert(at, std::move(recent));
    return;
  }
  add_all(at->removals, recent.removals);
  add_all(at->grants, recent.grants);
}

void purge(DocumentEnvelope& envelope, Sequence sequence) {
  // The number lists all that any of the earlier ones would have told of grants; removals are told
  // to nobody.
  RecordedSequence own{sequence, {}, assign_grants(envelope, {}, {}, sequence)};
  DocumentEnvelope left;
  for (RecordedSequence& recent : envelope.recent) {
    add_all(own.grants, recent.grants);
    left.recent.push_back({recent.sequence, {}, {}});
  }
  left.ended_grants = std::move(envelope.ended_grants);
  for (const EndedGrant& ended : left.ended_grants) add_all(own.grants, {ended.principal});
  left.sequence = sequence;
  left.purged_to = own.grants.empty() ? sequence : sequence.previous();
  record_sequence(left, std::move(own));
  envelope = std::move(left);
}

std::size_t prune_recent(DocumentEnvelope& envelope, Sequence below) {
  if (envelope.purged_to && !envelope.is_purged() && *envelope.purged_to < below)
    envelope.purged_to.reset();
  auto& all = envelope.recent;
  if (all.size() < kRecentSequencesMax) return 0;
  const auto first_kept = std::ranges::lower_bound(all, below, {}, &RecordedSequence::sequence);
  const auto old = static_cast<std::size_t>(first_kept - all.begin());
  const std::size_t dropped = std::min(old, all.size() - kRecentSequencesMin);
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(dropped));
  return dropped;
}

ContentChanges settle_contents(DocumentEnvelope& envelope) {
  ContentChanges changes;
  const auto winner = envelope.tree.winner();
  std::erase_if(envelope.contents,
                [&](const LeafContent& content) { return !envelope.tree.is_leaf(content.rev); });
  for (LeafContent& content : envelope.contents) {
    if (content.rev == winner) {
      content.channels.clear();
      if (content.is_external) changes.to_load = content.rev;
    } else if (content.body.size() > kInlineBodyMax) {
      changes.to_store.push_back({content.rev, std::exchange(content.body, {})});
      content.is_external = true;
    }
  }
  return changes;
}

RecordedSequence resequence(DocumentEnvelope& envelope, const std::set<Sequence>& lost,
                            Sequence sequence) {
  RecordedSequence moved{sequence, {}, {}};
  for (RecordedSequence& recent : envelope.recent) {
    if (!lost.contains(recent.sequence) || !HG_RULE("R10")) continue;
    add_all(moved.removals, std::exchange(recent.removals, {}));
    add_all(moved.grants, std::exchange(recent.grants, {}));
  }
  move_channels(envelope.channels, lost, sequence);
  for (EndedGrant& ended : envelope.ended_grants) move_if_lost(ended.end, lost, sequence);
  move_grants(envelope, GrantKind::channels, lost, sequence);
  move_grants(envelope, GrantKind::roles, lost, sequence);
  bound_ended_grants(envelope.ended_grants);
  record_sequence(envelope, {envelope.sequence, {}, {}});
  record_sequence(envelope, moved);
  envelope.sequence = sequence;
  if (envelope.is_purged())
    envelope.purged_to = moved.grants.empty() ? sequence : sequence.previous();
  return moved;
}

}  // namespace headgate
