// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "document/attachment.hpp"
#include "document/revision_tree.hpp"

namespace headgate {

/// Bodies of leaves other than the winner up to this many bytes stay in the envelope; longer ones
/// are values of their own (KeyKind::revision_body).
inline constexpr std::size_t kInlineBodyMax = 250;
/// Past intervals kept for each channel; beyond, the two oldest become one.
inline constexpr std::size_t kChannelHistoryMax = 5;
/// prune_recent() acts from this length on ...
inline constexpr std::size_t kRecentSequencesMax = 20;
/// ... and always leaves this many (a slow feed may still need them).
inline constexpr std::size_t kRecentSequencesMin = 5;

/// Flag bits of a document, also carried in cache entries.
namespace document_flag {
inline constexpr std::uint8_t kDeleted = 1;    ///< the winner is a tombstone
inline constexpr std::uint8_t kRemoved = 2;    ///< left the channel (cache entries only)
inline constexpr std::uint8_t kHidden = 4;     ///< what was written last is not the winner
inline constexpr std::uint8_t kConflict = 8;   ///< more than one live leaf
inline constexpr std::uint8_t kBranched = 16;  ///< more than one leaf
inline constexpr std::uint8_t kAdded = 32;     ///< came into the channel (cache entries only)
}  // namespace document_flag

/// Sequences of one stay in a channel: in it from `start`, no longer at `end`.
struct ChannelInterval {
  Sequence start;
  Sequence end;
  bool is_compacted = false;  ///< two or more stays, and what was between them

  friend bool operator==(const ChannelInterval&, const ChannelInterval&) = default;
};

struct ChannelRemoval {
  Sequence sequence;  ///< the write that took the document out
  Revision rev;       ///< winner of that write
  bool is_deleted = false;

  friend bool operator==(const ChannelRemoval&, const ChannelRemoval&) = default;
};

/// A channel that the document is in or was in.
struct ChannelMembership {
  Sequence since;                         ///< start of the present stay; 0: not in it now
  std::optional<ChannelRemoval> removal;  ///< none: in it now
  std::vector<ChannelInterval> past;      ///< ended stays, oldest first

  bool is_current() const { return !removal.has_value(); }
  friend bool operator==(const ChannelMembership&, const ChannelMembership&) = default;
};
using ChannelMap = std::map<std::string, ChannelMembership, std::less<>>;

/// Principal ("user:NAME", "role:NAME") -> channel, or role -> sequence at which this document
/// first granted it, without interruption since.
using GrantMap = std::map<std::string, std::map<std::string, Sequence, std::less<>>, std::less<>>;
/// The same as a sync function gives it, without sequences.
using GrantSets = std::map<std::string, std::set<std::string, std::less<>>, std::less<>>;

/// Ended grants kept of one document; beyond, the oldest go.
inline constexpr std::size_t kEndedGrantsMax = 100;

/// A grant of the document that it has taken back: whoever read by it may have to be told.
struct EndedGrant {
  std::string principal;  ///< "user:NAME", "role:NAME"
  std::string name;       ///< of a channel, or of a role
  bool is_role = false;
  Sequence start;
  Sequence end;

  friend bool operator==(const EndedGrant&, const EndedGrant&) = default;
};

/// A sequence that the document used or drew, and what was recorded at it (R7, R10).
struct RecordedSequence {
  Sequence sequence;
  std::vector<std::string> removals;  ///< channels left at it
  std::vector<std::string> grants;    ///< principals whose grants changed at it

  friend bool operator==(const RecordedSequence&, const RecordedSequence&) = default;
};

/// What is kept of one leaf.
struct LeafContent {
  Revision rev;
  std::string body;          ///< user members as JSON; empty if is_external
  bool is_external = false;  ///< the body is a value of its own (KeyKind::revision_body)
  std::vector<Attachment> attachments;
  /// Channels of a leaf that is not the winner, sorted; the winner's are in the channel map. Who
  /// writes a revision that takes the win fills in the old winner's, by channels_of() before it.
  std::vector<std::string> channels;

  friend bool operator==(const LeafContent&, const LeafContent&) = default;
};

/// Everything that is stored with a document: its revision tree, its place in the sequence, its
/// channels and grants, and the bodies of its leaves. A plain value; the functions below keep its
/// rules. Encoded as docs/key-layout.md describes.
struct DocumentEnvelope {
  RevisionTree tree;
  Sequence sequence;  ///< of the last write, of any leaf
  /// The leaf written last, when that is not the winner.
  std::optional<Revision> last_written;
  /// Ascending; contains `sequence` and those drawn and abandoned before it.
  std::vector<RecordedSequence> recent;
  ChannelMap channels;
  GrantMap access;                       ///< principal -> channel
  GrantMap roles;                        ///< principal -> role
  std::vector<EndedGrant> ended_grants;  ///< oldest first
  std::vector<LeafContent> contents;
  std::optional<WallTime> expiry;  ///< whole seconds
  WallTime time_saved{};
  /// What it was at or below this number was purged, and must leave the cache. Of a purged
  /// document always there; of one that was written again until the cache has been seen to.
  std::optional<Sequence> purged_to;

  /// There is no such document any more: what is left says what it was, until the cache writer has
  /// removed that, too. Whoever reads documents takes it for absent; whoever writes one goes on
  /// from its numbers.
  bool is_purged() const { return tree.size() == 0 && purged_to.has_value(); }

  /// document_flag bits that the envelope determines.
  std::uint8_t flags() const;
  /// Null: no such leaf. Valid until `contents` changes.
  const LeafContent* content_of(const Revision& rev) const;
  LeafContent* content_of(const Revision& rev);
  const LeafContent* winner_content() const;
  /// Channels the document is in now, sorted.
  std::vector<std::string> current_channels() const;
  /// Channels of a leaf: of the winner current_channels(), else what its content says.
  std::vector<std::string> channels_of(const Revision& leaf) const;

  friend bool operator==(const DocumentEnvelope&, const DocumentEnvelope&) = default;
};

std::string encode_envelope(const DocumentEnvelope& envelope);
/// Errors: unsupported (format of a newer version), corrupted.
Result<DocumentEnvelope> decode_envelope(std::string_view bytes);

/// Gives the document the channels of its winner at `sequence`. Returns those it left by that.
std::vector<std::string> assign_channels(DocumentEnvelope& envelope,
                                         const std::set<std::string, std::less<>>& channels,
                                         Sequence sequence);

/// Gives the document the grants of its winner at `sequence`: a grant that stays keeps its first
/// sequence, one that goes is entered in `ended_grants`. Returns the principals whose channels or
/// roles changed, sorted.
std::vector<std::string> assign_grants(DocumentEnvelope& envelope, const GrantSets& access,
                                       const GrantSets& roles, Sequence sequence);

/// Leaves nothing of the document but its numbers and what it has granted, as ended at `sequence`.
void purge(DocumentEnvelope& envelope, Sequence sequence);

/// Enters a number in `recent`, keeping it sorted; what was recorded at it before is added to.
void record_sequence(DocumentEnvelope& envelope, RecordedSequence recent);

/// At kRecentSequencesMax or more, drops those below `below` (the stable sequence, or the durable
/// floor if a failover may lose writes) but keeps the newest kRecentSequencesMin. Forgets
/// `purged_to` of a document that is there if it lies below. Returns the number dropped.
std::size_t prune_recent(DocumentEnvelope& envelope, Sequence below);

/// What has to happen outside the envelope so that `contents` fits the tree again.
struct ContentChanges {
  struct Body {
    Revision rev;
    std::string body;
  };
  std::vector<Body> to_store;       ///< write as revision_body before the envelope
  std::optional<Revision> to_load;  ///< winner whose body is external: load it, set it inline
};
/// After the tree changed: drops contents of revisions that are no leaves any more and moves long
/// bodies of losing leaves out. Idempotent. A body named in `to_load` stays external until the
/// caller has put it in; its external copy may then be removed.
ContentChanges settle_contents(DocumentEnvelope& envelope);

/// R10: moves the document to `sequence` with the same revisions. Removals, grants and channel
/// history that were recorded at one of `lost` (dead or unlisted numbers) move along: what ended
/// there ends at `sequence`, a grant begins anew, and its earlier time is one that ended. The
/// numbers themselves and the old sequence stay in `recent`, empty if lost. Returns what `sequence`
/// must list.
RecordedSequence resequence(DocumentEnvelope& envelope, const std::set<Sequence>& lost,
                            Sequence sequence);

}  // namespace headgate
