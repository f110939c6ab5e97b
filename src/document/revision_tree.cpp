// SPDX-License-Identifier: Apache-2.0
#include "document/revision_tree.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <tuple>

#include "base/assert.hpp"

namespace headgate {

namespace {

/// Scanned nodes that cost about as much as putting one node into the index.
constexpr std::size_t kScansPerIndexed = 16;
constexpr std::uint64_t kPossibleAncestorsDistance = 100;

Error too_many_revisions() {
  return {Errc::too_large, "the document has too many revisions"};
}

}  // namespace

std::string_view RevisionTree::digest_of(const Node& node) const {
  return std::string_view(digests_).substr(node.digest_begin, node.digest_length);
}

Revision RevisionTree::revision_of(const Node& node) const {
  return {node.generation, std::string(digest_of(node))};
}

std::uint32_t RevisionTree::find(const Revision& rev) const {
  if (index_.empty()) return scan(rev);
  for (std::size_t slot = slot_of(rev.generation, rev.digest);; ++slot) {
    const std::uint32_t node = index_[slot & (index_.size() - 1)];
    if (node == kNone) return kNone;
    if (nodes_[node].generation == rev.generation && digest_of(nodes_[node]) == rev.digest)
      return node;
  }
}

std::uint32_t RevisionTree::scan(const Revision& rev) const {
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    if (nodes_[i].generation == rev.generation && digest_of(nodes_[i]) == rev.digest)
      return static_cast<std::uint32_t>(i);
  }
  return kNone;
}

std::size_t RevisionTree::slot_of(std::uint64_t generation, std::string_view digest) const {
  const std::size_t mixed = std::hash<std::string_view>()(digest) + generation * 0x9e3779b97f4a7c15;
  return mixed & (index_.size() - 1);
}

void RevisionTree::add_to_index(std::uint32_t node) {
  std::size_t slot = slot_of(nodes_[node].generation, digest_of(nodes_[node]));
  while (index_[slot] != kNone) slot = (slot + 1) & (index_.size() - 1);
  index_[slot] = node;
}

void RevisionTree::prepare_lookups(std::size_t lookups) {
  lookups_ += lookups;
  const std::size_t coming = nodes_.size() + lookups;
  if (index_.empty() ? lookups_ < kScansPerIndexed : coming * 2 <= index_.size()) return;
  std::size_t slots = 64;
  while (slots < coming * 4) slots *= 2;
  index_.assign(slots, kNone);
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) add_to_index(i);
}

bool RevisionTree::is_greater_leaf(std::uint32_t a, std::uint32_t b) const {
  const auto rank = [this](std::uint32_t i) {
    return std::tuple(!nodes_[i].is_deleted, nodes_[i].generation, digest_of(nodes_[i]));
  };
  return b == kNone || rank(a) > rank(b);
}

void RevisionTree::count_leaf(const Node& node, bool is_added) {
  leaf_count_ += is_added ? 1 : static_cast<std::size_t>(-1);
  if (!node.is_deleted) live_leaf_count_ += is_added ? 1 : static_cast<std::size_t>(-1);
}

/// Leaves and winner are the caller's to bring up to date.
std::uint32_t RevisionTree::append(std::uint64_t generation, std::string_view digest,
                                   std::uint32_t parent, bool is_deleted) {
  const auto index = static_cast<std::uint32_t>(nodes_.size());
  Node node;
  node.generation = generation;
  node.parent = parent;
  node.digest_begin = static_cast<std::uint32_t>(digests_.size());
  node.digest_length = static_cast<std::uint8_t>(digest.size());
  node.is_deleted = is_deleted;
  digests_.append(digest);
  nodes_.push_back(node);
  if (parent != kNone) ++nodes_[parent].child_count;
  if (!index_.empty()) add_to_index(index);
  return index;
}

std::uint32_t RevisionTree::append_leaf(const Revision& rev, std::uint32_t parent,
                                        bool is_deleted) {
  const std::uint32_t index = append(rev.generation, rev.digest, parent, is_deleted);
  if (parent != kNone && nodes_[parent].child_count == 1) count_leaf(nodes_[parent], false);
  count_leaf(nodes_[index], true);
  // Only a winner whose branch now ends deleted can lose to a leaf that is there already.
  const bool may_lose = parent != kNone && parent == winner_ && is_deleted;
  if (may_lose) {
    refresh_leaves();
  } else if (parent == winner_ || is_greater_leaf(index, winner_)) {
    winner_ = index;
  }
  return index;
}

void RevisionTree::refresh_leaves() {
  winner_ = kNone;
  leaf_count_ = live_leaf_count_ = 0;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].child_count != 0) continue;
    count_leaf(nodes_[i], true);
    if (is_greater_leaf(i, winner_)) winner_ = i;
  }
}

Result<void> RevisionTree::insert(const Revision& rev, const Revision* parent, bool is_deleted) {
  if (!is_valid_digest(rev.digest) || rev.generation > kGenerationMax)
    return Error{Errc::invalid_argument, "Invalid revision ID"};
  prepare_lookups(1);
  if (nodes_.size() >= kRevisionsMax) return too_many_revisions();
  if (contains(rev)) return Errc::exists;
  std::uint32_t under = kNone;
  if (parent != nullptr) {
    under = find(*parent);
    if (under == kNone) return Error{Errc::not_found, "no such parent revision"};
    if (parent->generation >= rev.generation)
      return Error{Errc::invalid_argument, "a revision's generation must exceed its parent's"};
  }
  append_leaf(rev, under, is_deleted);
  return {};
}

Result<RevisionTree::Inserted> RevisionTree::insert_history(std::span<const Revision> history,
                                                            bool is_deleted) {
  if (history.empty()) return Error{Errc::invalid_argument, "empty revision history"};
  for (std::size_t i = 0; i < history.size(); ++i) {
    const Revision& rev = history[i];
    if (!is_valid_digest(rev.digest) || rev.generation > kGenerationMax)
      return Error{Errc::invalid_argument, "Invalid revision ID"};
    if (i > 0 && history[i - 1].generation <= rev.generation)
      return Error{Errc::invalid_argument, "generations of a history must fall"};
  }
  prepare_lookups(history.size());
  Inserted inserted;
  std::uint32_t parent = kNone;
  for (const Revision& rev : history) {
    parent = find(rev);
    if (parent != kNone) {
      inserted.ancestor = rev;
      break;
    }
    ++inserted.count;
  }
  if (nodes_.size() + inserted.count > kRevisionsMax) return too_many_revisions();
  for (std::size_t i = inserted.count; i-- > 0;)
    parent = append_leaf(history[i], parent, i == 0 && is_deleted);
  return inserted;
}

std::vector<bool> RevisionTree::outdated_deleted_branches(std::size_t revs_limit) const {
  std::vector<bool> is_dropped(nodes_.size());
  std::uint64_t oldest_live = std::numeric_limits<std::uint64_t>::max();
  for (const Node& node : nodes_) {
    if (node.child_count == 0 && !node.is_deleted)
      oldest_live = std::min(oldest_live, node.generation);
  }
  if (live_leaf_count_ == 0 || live_leaf_count_ == leaf_count_) return is_dropped;
  for (const Node& leaf : nodes_) {
    if (leaf.child_count != 0 || !leaf.is_deleted) continue;
    if (leaf.generation >= oldest_live || oldest_live - leaf.generation <= revs_limit) continue;
    is_dropped[static_cast<std::size_t>(&leaf - nodes_.data())] = true;
  }
  // A revision goes with the last of its branches; children stand behind their parents.
  std::vector<std::uint32_t> dropped_children(nodes_.size());
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const Node& node = nodes_[i];
    if (node.child_count > 0 && dropped_children[i] == node.child_count) is_dropped[i] = true;
    if (is_dropped[i] && node.parent != kNone) ++dropped_children[node.parent];
  }
  return is_dropped;
}

std::size_t RevisionTree::prune(std::size_t revs_limit) {
  HG_ASSERT(revs_limit >= 1);
  const std::size_t before = nodes_.size();
  if (before <= 1) return 0;
  const std::vector<bool> outdated = outdated_deleted_branches(revs_limit);
  if (std::ranges::find(outdated, true) != outdated.end()) keep_only(outdated);
  std::vector<std::size_t> steps_to_leaf(nodes_.size(), SIZE_MAX);
  std::vector<bool> too_far(nodes_.size());
  bool is_any = false;
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const Node& node = nodes_[i];
    if (node.child_count == 0) steps_to_leaf[i] = 0;
    too_far[i] = steps_to_leaf[i] >= revs_limit;
    is_any = is_any || too_far[i];
    if (node.parent == kNone) continue;
    steps_to_leaf[node.parent] = std::min(steps_to_leaf[node.parent], steps_to_leaf[i] + 1);
  }
  if (is_any) keep_only(too_far);
  return before - nodes_.size();
}

void RevisionTree::keep_only(const std::vector<bool>& is_dropped) {
  RevisionTree kept;
  std::vector<std::uint32_t> moved(nodes_.size(), kNone);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (is_dropped[i]) continue;
    Node node = nodes_[i];
    if (node.parent != kNone) node.parent = moved[node.parent];
    if (node.parent != kNone) ++kept.nodes_[node.parent].child_count;
    node.child_count = 0;
    node.digest_begin = static_cast<std::uint32_t>(kept.digests_.size());
    kept.digests_.append(digest_of(nodes_[i]));
    moved[i] = static_cast<std::uint32_t>(kept.nodes_.size());
    kept.nodes_.push_back(node);
  }
  kept.refresh_leaves();
  *this = std::move(kept);
}

std::optional<RevisionTree::Info> RevisionTree::info(const Revision& rev) const {
  const std::uint32_t at = find(rev);
  if (at == kNone) return std::nullopt;
  const Node& node = nodes_[at];
  Info info;
  if (node.parent != kNone) info.parent = revision_of(nodes_[node.parent]);
  info.is_deleted = node.is_deleted;
  info.is_leaf = node.child_count == 0;
  return info;
}

std::optional<Revision> RevisionTree::winner() const {
  if (winner_ == kNone) return std::nullopt;
  return revision_of(nodes_[winner_]);
}

bool RevisionTree::is_deleted() const {
  return winner_ != kNone && nodes_[winner_].is_deleted;
}

bool RevisionTree::is_leaf(const Revision& rev) const {
  const std::uint32_t at = find(rev);
  return at != kNone && nodes_[at].child_count == 0;
}

std::vector<RevisionTree::Leaf> RevisionTree::leaves() const {
  std::vector<std::uint32_t> order;
  order.reserve(leaf_count_);
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].child_count == 0) order.push_back(i);
  }
  std::ranges::sort(order,
                    [this](std::uint32_t a, std::uint32_t b) { return is_greater_leaf(a, b); });
  std::vector<Leaf> leaves;
  leaves.reserve(order.size());
  for (const std::uint32_t i : order)
    leaves.push_back({revision_of(nodes_[i]), nodes_[i].is_deleted});
  return leaves;
}

std::vector<Revision> RevisionTree::ancestry(const Revision& rev, std::size_t limit) const {
  std::vector<Revision> line;
  for (std::uint32_t i = find(rev); i != kNone && line.size() < limit; i = nodes_[i].parent)
    line.push_back(revision_of(nodes_[i]));
  return line;
}

RevisionTree::Difference RevisionTree::missing(std::span<const Revision> revs) const {
  Difference difference;
  std::uint64_t newest = 0;
  const bool is_costly = index_.empty() && revs.size() >= kScansPerIndexed;
  RevisionTree indexed;
  if (is_costly) {
    indexed = *this;
    indexed.prepare_lookups(revs.size());
  }
  for (const Revision& rev : revs) {
    if ((is_costly ? indexed : *this).contains(rev)) continue;
    difference.missing.push_back(rev);
    newest = std::max(newest, rev.generation);
  }
  for (const Node& node : nodes_) {
    const bool is_near =
        node.generation < newest && newest - node.generation <= kPossibleAncestorsDistance;
    if (node.child_count == 0 && is_near)
      difference.possible_ancestors.push_back(revision_of(node));
  }
  std::ranges::sort(difference.possible_ancestors, std::ranges::greater());
  return difference;
}

bool operator==(const RevisionTree& a, const RevisionTree& b) {
  using Shape = std::tuple<Revision, std::optional<Revision>, bool>;
  const auto shape_of = [](const RevisionTree& tree) {
    std::vector<Shape> shape;
    shape.reserve(tree.nodes_.size());
    for (const auto& node : tree.nodes_) {
      std::optional<Revision> parent;
      if (node.parent != RevisionTree::kNone) parent = tree.revision_of(tree.nodes_[node.parent]);
      shape.emplace_back(tree.revision_of(node), std::move(parent), node.is_deleted);
    }
    std::ranges::sort(shape);
    return shape;
  };
  return a.nodes_.size() == b.nodes_.size() && shape_of(a) == shape_of(b);
}

}  // namespace headgate
