// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cache/cache_entry.hpp"

namespace headgate {

/// Finds out what newer writes have superseded (R19), from all live sequence documents in the order
/// of their numbers. Of each document the newest entry in each channel stays; and the newest one
/// before every write that may have taken access from somebody: whoever lost a channel is told by
/// the entries before the loss. Hidden channels are left alone, with all that grants: a pass that
/// has begun would find neither the old grant nor the new one. Memory goes with the documents met
/// between two such writes, and is bounded: beyond, less is found. Confined to its executor.
class SupersededSurvey {
 public:
  /// A sequence document that no reader needs any more: every channel that lists it has a newer
  /// entry of the same document, or it is dead.
  struct Document {
    Sequence sequence;
    Cas cas;
  };
  /// Superseded entries, by channel, in the order in which their successors were met.
  using Entries = std::unordered_map<ChannelId, std::vector<Sequence>>;

  /// Tells whether a grant may stand for access that somebody lost by the write.
  explicit SupersededSurvey(std::function<bool(const Grant&)> may_take_access)
      : may_take_access_(std::move(may_take_access)) {}

  /// REQUIRES: live; a greater number than any before. Of a number that may lack block entries
  /// (`is_in_doubt`) nothing is concluded.
  void add(const SequenceDocument& document, Cas cas, bool is_in_doubt);

  /// A dead one that a fold may stand for. REQUIRES: as add().
  void add_dead(Sequence sequence, Cas cas);

  const std::vector<Document>& documents() const { return documents_; }
  const std::vector<Document>& dead() const { return dead_; }
  const Entries& entries() const { return entries_; }
  /// Of all of these: what has to be kept in memory for it.
  std::size_t size() const { return size_; }
  std::uint64_t live() const { return live_; }

 private:
  struct Version {
    Sequence sequence;
    Cas cas;
    std::size_t listed = 0;  ///< channels that have no newer entry
    bool may_go = true;
  };
  struct Known {
    std::vector<Version> versions;  ///< those that are listed
    std::vector<std::pair<ChannelId, Sequence>> newest;
  };

  bool may_take_access(const CacheEntry& entry) const;
  void supersede(Known& known, const ChannelId& channel, Sequence by);

  const std::function<bool(const Grant&)> may_take_access_;
  std::unordered_map<std::string, Known> known_;  // since the last write that may take access
  std::vector<Document> documents_;
  std::vector<Document> dead_;
  Entries entries_;
  std::size_t size_ = 0;
  std::uint64_t live_ = 0;
};

/// The channels of documents that list a write: those it is in, and those it left.
std::vector<ChannelId> listing_channels(const CacheEntry& entry);

}  // namespace headgate
