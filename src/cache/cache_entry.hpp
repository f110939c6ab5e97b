// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "bucket/bucket.hpp"
#include "cache/channel_id.hpp"

namespace headgate {

/// What a revision gives to one principal; part of the principal's hidden channel (R5b).
struct Grant {
  ChannelId principal;
  /// What is given, in a form the cache room does not read; empty: nothing.
  std::string given;

  friend bool operator==(const Grant&, const Grant&) = default;
};

/// What the cache knows of one write: all that a changes feed shows without the document itself.
struct CacheEntry {
  enum Flag : std::uint8_t {
    kDeleted = 1,     ///< the winner is a tombstone
    kConflict = 8,    ///< more than one leaf that is not deleted
    kPrincipal = 64,  ///< a user or role, not a document
    kPurged = 128,    ///< a document that is no more: in no channel, here for its grants only
  };

  Sequence sequence;
  DocId doc_id;
  RevId rev_id;  ///< the winner
  std::uint8_t flags = 0;
  std::vector<RevId> other_leaves;  ///< for style=all_docs
  std::vector<ChannelId> channels;  ///< all that the winner is in, "*" included
  std::vector<ChannelId> removals;  ///< left by this write
  std::vector<Grant> grants;        ///< principals it grants to, or just stopped granting to

  bool is_deleted() const { return (flags & kDeleted) != 0; }
  bool is_principal() const { return (flags & kPrincipal) != 0; }
  bool is_purged() const { return (flags & kPurged) != 0; }

  friend bool operator==(const CacheEntry&, const CacheEntry&) = default;
};

/// Which write of the base bucket a sequence document stands for (R3).
struct WriteIdentity {
  PartitionNumber partition;
  PartitionPosition position;
  Cas cas;
  HistoryId history;

  friend bool operator==(const WriteIdentity&, const WriteIdentity&) = default;
};

/// Value under one sequence in the cache bucket, write-once: a live one says that its write's
/// cache work is complete, a dead one that the number belongs to no write, for ever.
struct SequenceDocument {
  bool is_dead = false;
  CacheEntry entry;
  WriteIdentity identity;
  Epoch epoch;  ///< of the cache when it was written

  static SequenceDocument dead(Sequence sequence);
  std::string encode() const;
  /// `sequence` is the key it was read from. Errors: corrupted, unsupported.
  static Result<SequenceDocument> decode(Sequence sequence, std::string_view bytes);

  friend bool operator==(const SequenceDocument&, const SequenceDocument&) = default;
};

/// An earlier number of a document: it had it before the present one, or allocated it in vain.
/// Removals and grants are those that the document records at this number.
struct RecentSequence {
  Sequence sequence;
  std::vector<ChannelId> removals;
  std::vector<ChannelId> grants;  ///< hidden channels of the principals

  friend bool operator==(const RecentSequence&, const RecentSequence&) = default;
};

/// What every write of a document or principal puts on the mutation feed: enough for the cache
/// writer to do all of its cache work without reading the document.
struct FeedRecord {
  CacheEntry entry;
  std::vector<RecentSequence> recent;
  /// Every sequence document of this document at or below it must become dead: it was purged. 0:
  /// none.
  Sequence purged_to = {};

  /// Of a purged document that grants nothing and never did: it may go altogether.
  bool is_only_purge() const { return entry.is_purged() && entry.grants.empty(); }

  std::string encode() const;
  /// Errors: corrupted, unsupported.
  static Result<FeedRecord> decode(std::string_view bytes);

  friend bool operator==(const FeedRecord&, const FeedRecord&) = default;
};

}  // namespace headgate
