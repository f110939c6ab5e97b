// SPDX-License-Identifier: Apache-2.0
#include "database/feed_record.hpp"

#include <algorithm>
#include <set>

#include "database/grant_codec.hpp"

namespace headgate {
namespace {

std::vector<ChannelId> channels_of(const std::vector<std::string>& names) {
  std::vector<ChannelId> channels;
  for (const std::string& name : names) channels.push_back(ChannelId::of_documents(name));
  return channels;
}

Grants grants_to(const GrantMap& grants, const std::string& principal) {
  const auto found = grants.find(principal);
  if (found == grants.end()) return {};
  return Grants(found->second.begin(), found->second.end());
}

DocumentGrants given_to(const DocumentEnvelope& envelope, const std::string& principal) {
  DocumentGrants given{grants_to(envelope.access, principal), grants_to(envelope.roles, principal)};
  for (const EndedGrant& ended : envelope.ended_grants) {
    if (ended.principal != principal) continue;
    GrantHistory& past = ended.is_role ? given.past_roles : given.past_channels;
    add_span(past[ended.name], {ended.start, ended.end});
  }
  return given;
}

/// All that the winner grants, or granted once, is listed each time, not only what changed: a lost
/// cache is rebuilt from the newest version of each document (R13).
std::vector<Grant> grants_of(const DocumentEnvelope& envelope, const RecordedSequence& own) {
  std::set<std::string> principals(own.grants.begin(), own.grants.end());
  for (const auto& [principal, names] : envelope.access) principals.insert(principal);
  for (const auto& [principal, names] : envelope.roles) principals.insert(principal);
  for (const EndedGrant& ended : envelope.ended_grants) principals.insert(ended.principal);
  std::vector<Grant> grants;
  for (const std::string& principal : principals) {
    grants.push_back({ChannelId::of_principal(principal), given_to(envelope, principal).encode()});
  }
  return grants;
}

RecentSequence recent_of(const RecordedSequence& recorded) {
  RecentSequence recent{recorded.sequence, channels_of(recorded.removals), {}};
  for (const std::string& principal : recorded.grants)
    recent.grants.push_back(ChannelId::of_principal(principal));
  return recent;
}

CacheEntry entry_of(const DocId& id, const DocumentEnvelope& envelope,
                    const RecordedSequence& own) {
  CacheEntry entry;
  entry.sequence = envelope.sequence;
  entry.doc_id = id;
  entry.flags = envelope.flags();
  const auto leaves = envelope.tree.leaves();
  if (!leaves.empty()) entry.rev_id = to_rev_id(leaves.front().rev);
  for (std::size_t i = 1; i < leaves.size(); ++i)
    entry.other_leaves.push_back(to_rev_id(leaves[i].rev));
  const std::vector<std::string> current = envelope.current_channels();
  entry.channels = channels_of(current);
  for (const std::string& left : own.removals) {
    // After a resequence it may be back in a channel that it had left at the lost number.
    if (!std::binary_search(current.begin(), current.end(), left))
      entry.removals.push_back(ChannelId::of_documents(left));
  }
  entry.grants = grants_of(envelope, own);
  return entry;
}

}  // namespace

FeedRecord feed_record_of(const DocId& id, const DocumentEnvelope& envelope, bool has_star) {
  FeedRecord record;
  RecordedSequence own{envelope.sequence, {}, {}};
  for (const RecordedSequence& recorded : envelope.recent) {
    if (recorded.sequence == envelope.sequence)
      own = recorded;
    else
      record.recent.push_back(recent_of(recorded));
  }
  record.entry = entry_of(id, envelope, own);
  record.purged_to = envelope.purged_to.value_or(Sequence());
  if (envelope.is_purged()) {
    record.entry.flags = CacheEntry::kPurged;
    return record;
  }
  const ChannelId star = ChannelId::star();
  const auto& channels = record.entry.channels;
  if (has_star && std::find(channels.begin(), channels.end(), star) == channels.end())
    record.entry.channels.push_back(star);
  std::erase(record.entry.removals, star);
  return record;
}

}  // namespace headgate
