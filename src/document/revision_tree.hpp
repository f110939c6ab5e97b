// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "document/revision.hpp"

namespace headgate {

/// Most revisions that one document's tree may hold.
inline constexpr std::size_t kRevisionsMax = 100'000;

/// The revisions of one document that are still known, each under its parent: every leaf is a
/// current version, the greatest leaf is the winner. A value; const use is safe from any thread.
///
/// Invariants
/// 1. A child's generation exceeds its parent's.
/// 2. The winner is the greatest leaf by (not deleted, generation, digest), whatever the order in
///    which the revisions came.
/// 3. Only prune() removes revisions, and never the winner or a leaf that is not deleted.
class RevisionTree {
 public:
  struct Leaf {
    Revision rev;
    bool is_deleted = false;
    friend bool operator==(const Leaf&, const Leaf&) = default;
  };
  /// What the tree knows of one revision.
  struct Info {
    std::optional<Revision> parent;  ///< none: a root
    bool is_deleted = false;
    bool is_leaf = false;
  };

  /// Adds one revision under `parent`, or as a root.
  /// Errors: exists; not_found (no such parent); invalid_argument (generation not above the
  /// parent's, empty digest); too_large (kRevisionsMax).
  Result<void> insert(const Revision& rev, const Revision* parent, bool is_deleted);

  struct Inserted {
    std::size_t count = 0;             ///< revisions that were new; 0: the newest was known already
    std::optional<Revision> ancestor;  ///< newest one that was known; none: a new root was made
  };
  /// Adds a replicated history (new_edits=false): `history` is the revision and its ancestors,
  /// newest first, generations falling. Nothing changes if the newest is known. `is_deleted` is of
  /// the newest. Idempotent.
  /// Errors: invalid_argument (empty, generations not falling), too_large; nothing was added.
  Result<Inserted> insert_history(std::span<const Revision> history, bool is_deleted);

  /// Removes what lies `revs_limit` (>= 1) or more steps above its nearest leaf, and entire deleted
  /// branches whose leaf lies more than `revs_limit` generations below the oldest live leaf. What
  /// loses its parent becomes a root. Idempotent. Returns the number removed.
  std::size_t prune(std::size_t revs_limit);

  bool empty() const { return nodes_.empty(); }
  std::size_t size() const { return nodes_.size(); }
  bool contains(const Revision& rev) const { return find(rev) != kNone; }
  /// None: no such revision.
  std::optional<Info> info(const Revision& rev) const;
  /// None: an empty tree.
  std::optional<Revision> winner() const;
  /// The winner is deleted; false for an empty tree.
  bool is_deleted() const;
  /// Greatest first: the winner leads.
  std::vector<Leaf> leaves() const;
  /// More than one leaf.
  bool is_branched() const { return leaf_count_ > 1; }
  /// More than one leaf that is not deleted.
  bool in_conflict() const { return live_leaf_count_ > 1; }
  bool is_leaf(const Revision& rev) const;
  /// `rev` and its known ancestors, newest first, at most `limit`. Empty: no such revision.
  std::vector<Revision> ancestry(const Revision& rev, std::size_t limit = SIZE_MAX) const;

  struct Difference {
    std::vector<Revision> missing;  ///< of those asked for, in their order
    std::vector<Revision>
        possible_ancestors;  ///< leaves 1..100 generations below the newest missing
  };
  /// Answers `_revs_diff`.
  Difference missing(std::span<const Revision> revs) const;

  /// The encoding of docs/key-layout.md, 18 bytes for an ordinary revision.
  void encode(ByteWriter& out) const;
  /// Errors: corrupted. Reads its own part of `in` only.
  static Result<RevisionTree> decode(ByteReader& in);

  /// Same revisions, parents and flags, whatever the order of insertion.
  friend bool operator==(const RevisionTree& a, const RevisionTree& b);

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  /// Parents stand before their children in nodes_.
  struct Node {
    std::uint64_t generation = 0;
    std::uint32_t parent = kNone;
    std::uint32_t digest_begin = 0;  ///< in digests_
    std::uint32_t child_count = 0;
    std::uint8_t digest_length = 0;
    bool is_deleted = false;
  };

  std::string_view digest_of(const Node& node) const;
  Revision revision_of(const Node& node) const;
  std::uint32_t find(const Revision& rev) const;
  std::uint32_t scan(const Revision& rev) const;
  bool is_greater_leaf(std::uint32_t a, std::uint32_t b) const;
  std::uint32_t append(std::uint64_t generation, std::string_view digest, std::uint32_t parent,
                       bool is_deleted);
  std::uint32_t append_leaf(const Revision& rev, std::uint32_t parent, bool is_deleted);
  void count_leaf(const Node& node, bool is_added);
  void refresh_leaves();
  /// Builds the index once scans would cost more, with room for as many new revisions.
  void prepare_lookups(std::size_t lookups);
  void add_to_index(std::uint32_t node);
  std::size_t slot_of(std::uint64_t generation, std::string_view digest) const;
  std::vector<bool> outdated_deleted_branches(std::size_t revs_limit) const;
  void keep_only(const std::vector<bool>& is_dropped);

  std::vector<Node> nodes_;
  std::string digests_;
  std::vector<std::uint32_t> index_;  ///< open addressing over nodes_; empty: scan
  std::size_t lookups_ = 0;           ///< by changes so far; decides when the index pays
  std::uint32_t winner_ = kNone;
  std::size_t leaf_count_ = 0;
  std::size_t live_leaf_count_ = 0;
};

}  // namespace headgate
