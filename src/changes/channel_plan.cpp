// SPDX-License-Identifier: Apache-2.0
#include "changes/channel_plan.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {
namespace {

// What is granted with the database itself, or by its first write, has no past to be sent again.
constexpr Sequence kFirst(1);

// By itself or as one of all; of "*", whatever of it.
Sequence had_until(const Principal& reader, const std::string& channel, Sequence granted_at) {
  Sequence until;
  for (const auto& [name, spans] : reader.access_history) {
    if (name != channel && name != kStarChannel && channel != kStarChannel) continue;
    for (const GrantSpan& span : spans)
      if (span.start < granted_at) until = std::max(until, span.end);
  }
  return until;
}

// The id of a client in the middle of a backfill does not tell where it stood before: it is rather
// told too often than not at all.
Sequence told_to(const ChangesPosition& position, bool is_under_way) {
  return is_under_way ? Sequence() : position.safe();
}

// A client that begins has nothing.
Sequence told_of_earlier(Sequence had_until, const ChangesPosition& position, bool is_under_way) {
  const bool may_have = is_under_way || position.safe() != Sequence();
  const Sequence told = told_to(position, is_under_way);
  return may_have && had_until > told ? told : kNoSequence;
}

}  // namespace

std::vector<FeedChannel> feed_channels(const Principal& reader,
                                       const std::optional<std::vector<std::string>>& names) {
  std::vector<FeedChannel> channels;
  const auto add = [&](const std::string& name, Sequence granted_at) {
    channels.push_back(
        {ChannelId::of_documents(name), granted_at, had_until(reader, name, granted_at)});
  };
  const bool is_filtered =
      names && std::find(names->begin(), names->end(), kStarChannel) == names->end();
  if (!is_filtered) {
    for (const auto& [name, granted_at] : reader.access.channels()) add(name, granted_at);
    return channels;
  }
  std::vector<std::string> sorted = *names;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (const std::string& name : sorted)
    if (const auto granted_at = reader.access.granted_at(name)) add(name, *granted_at);
  return channels;
}

std::vector<FeedChannel> lost_channels(const Principal& reader,
                                       const std::optional<std::vector<std::string>>& names) {
  std::vector<FeedChannel> lost;
  const auto is_named = [&](std::string_view name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  for (const auto& [channel, spans] : reader.access_history) {
    if (names && !is_named(kStarChannel) && !is_named(channel)) continue;
    const auto ended = std::ranges::find_if(
        spans.rbegin(), spans.rend(), [](const GrantSpan& span) { return span.end != kUnended; });
    if (ended != spans.rend()) lost.push_back({ChannelId::of_documents(channel), ended->end});
  }
  return lost;
}

void plan_revocations(ChannelPlan& plan, const std::vector<FeedChannel>& lost,
                      const ChangesPosition& position) {
  if (position.safe() == Sequence() || plan.is_held) return;
  for (const auto& [channel, lost_at, had_until] : lost) {
    if (lost_at <= position.safe()) continue;
    const bool is_under_way = position.trigger() == lost_at;
    plan.reads.push_back({.channel = channel,
                          .since = is_under_way ? position.backfilled() : Sequence(),
                          .backfill = lost_at,
                          .told_to = told_to(position, is_under_way),
                          .is_revocation = true});
  }
}

ChannelPlan plan_channels(const std::vector<FeedChannel>& channels, const ChangesPosition& position,
                          Sequence stable, Sequence narrowed_at) {
  ChannelPlan plan;
  plan.is_held = narrowed_at > stable && HG_RULE("R17 rights");
  if (plan.is_held) {
    HG_PROBE("R17 position held");
    plan.defer(narrowed_at);
  }
  for (const auto& [channel, granted_at, had_until] : channels) {
    if (granted_at > stable) {
      plan.defer(granted_at);
      continue;
    }
    plan.visible.push_back(channel);
    const bool is_new = granted_at > kFirst && granted_at > position.safe();
    if (!is_new) {
      plan.reads.push_back({channel, position.read_from(), Sequence()});
    } else {
      const bool is_under_way = position.trigger() == granted_at;
      plan.reads.push_back({.channel = channel,
                            .since = is_under_way ? position.backfilled() : Sequence(),
                            .backfill = granted_at,
                            .told_to = told_of_earlier(had_until, position, is_under_way)});
    }
  }
  // Whoever reads "*" without a backfill needs no other channel.
  const auto star = std::find_if(plan.reads.begin(), plan.reads.end(),
                                 [](const auto& r) { return r.channel == ChannelId::star(); });
  plan.sees_all = star != plan.reads.end();
  if (plan.sees_all && star->backfill == Sequence()) plan.reads = {ChannelPlan::Read(*star)};
  if (plan.is_held)
    std::erase_if(plan.reads, [](const auto& read) { return read.backfill != Sequence(); });
  return plan;
}

bool ChannelPlan::is_visible(const ChannelId& channel) const {
  return std::binary_search(visible.begin(), visible.end(), channel);
}

std::vector<ChannelQuery> ChannelPlan::queries(Sequence seen) const {
  std::vector<ChannelQuery> queries;
  for (const Read& read : reads)
    if (!read.is_revocation) queries.push_back({read.channel, read.since, seen});
  return queries;
}

}  // namespace headgate
