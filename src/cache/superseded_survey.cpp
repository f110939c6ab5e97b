// SPDX-License-Identifier: Apache-2.0
#include "cache/superseded_survey.hpp"

#include <algorithm>

#include "base/buggify.hpp"

namespace headgate {
namespace {

constexpr std::size_t kDocumentsMost = 150'000;

}  // namespace

std::vector<ChannelId> listing_channels(const CacheEntry& entry) {
  std::vector<ChannelId> channels = entry.channels;
  channels.insert(channels.end(), entry.removals.begin(), entry.removals.end());
  std::sort(channels.begin(), channels.end());
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
  return channels;
}

bool SupersededSurvey::may_take_access(const CacheEntry& entry) const {
  return entry.is_principal() ||
         std::any_of(entry.grants.begin(), entry.grants.end(),
                     [&](const Grant& grant) { return may_take_access_(grant); });
}

void SupersededSurvey::supersede(Known& known, const ChannelId& channel, Sequence by) {
  const auto newest =
      std::ranges::find(known.newest, channel, &std::pair<ChannelId, Sequence>::first);
  if (newest == known.newest.end()) {
    known.newest.emplace_back(channel, by);
    return;
  }
  const Sequence sequence = std::exchange(newest->second, by);
  entries_[channel].push_back(sequence);
  ++size_;
  const auto version = std::find_if(known.versions.begin(), known.versions.end(),
                                    [&](const Version& v) { return v.sequence == sequence; });
  const bool is_listed = --version->listed > 0;
  if (is_listed && HG_RULE("R19")) return;
  if (version->may_go || !HG_RULE("R19")) {
    documents_.push_back({sequence, version->cas});
    ++size_;
  }
  if (!is_listed) known.versions.erase(version);
}

void SupersededSurvey::add_dead(Sequence sequence, Cas cas) {
  dead_.push_back({sequence, cas});
  ++size_;
}

void SupersededSurvey::add(const SequenceDocument& document, Cas cas, bool is_in_doubt) {
  const CacheEntry& entry = document.entry;
  ++live_;
  const bool takes_access = may_take_access(entry) && HG_RULE("R19 access");
  if (takes_access) known_.clear();
  if (entry.is_principal() || is_in_doubt) return;
  if (known_.size() >= kDocumentsMost && !known_.contains(entry.doc_id.text())) known_.clear();
  Known& known = known_[entry.doc_id.text()];
  std::vector<ChannelId> channels = listing_channels(entry);
  // Without a star channel whoever reads all documents reads the sequence documents themselves.
  const auto star = std::lower_bound(channels.begin(), channels.end(), ChannelId::star());
  if (star == channels.end() || *star != ChannelId::star())
    channels.insert(star, ChannelId::star());
  for (const ChannelId& channel : channels) supersede(known, channel, entry.sequence);
  // What a document records at a number of its own is looked for there (R7).
  const bool may_go = entry.removals.empty() && entry.grants.empty();
  known.versions.push_back({entry.sequence, cas, channels.size(), may_go});
}

}  // namespace headgate
