// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "document/revision_tree.hpp"

namespace headgate {
namespace {

struct Edit {
  Revision rev;
  std::optional<Revision> parent;
  bool is_deleted = false;
};

/// Random trees: each edit hangs below a random earlier one or is a root; generations may jump.
std::vector<Edit> random_edits() {
  const auto count = *rc::gen::inRange<std::size_t>(1, 60);
  std::vector<Edit> edits;
  for (std::size_t i = 0; i < count; ++i) {
    Edit edit;
    const bool is_root = edits.empty() || *rc::gen::inRange(0, 8) == 0;
    const bool continues = *rc::gen::arbitrary<bool>();
    std::uint64_t below = 0;
    if (!is_root) {
      const auto pick =
          continues ? edits.size() - 1 : *rc::gen::inRange<std::size_t>(0, edits.size());
      edit.parent = edits[pick].rev;
      below = edits[pick].rev.generation;
    }
    edit.rev.generation = below + (*rc::gen::inRange(0, 10) == 0 ? 3 : 1);
    edit.rev.digest = std::to_string(*rc::gen::inRange(0, 9)) + "d" + std::to_string(i);
    edit.is_deleted = *rc::gen::inRange(0, 4) == 0;
    edits.push_back(edit);
  }
  return edits;
}

RevisionTree build(const std::vector<Edit>& edits) {
  RevisionTree tree;
  for (const Edit& edit : edits)
    RC_ASSERT(
        tree.insert(edit.rev, edit.parent ? &*edit.parent : nullptr, edit.is_deleted).has_value());
  return tree;
}

/// A random order in which parents still come before their children.
std::vector<Edit> reordered(std::vector<Edit> edits) {
  std::vector<Edit> order;
  std::set<Revision> placed;
  while (!edits.empty()) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < edits.size(); ++i) {
      if (!edits[i].parent || placed.contains(*edits[i].parent)) ready.push_back(i);
    }
    const auto pick = ready[*rc::gen::inRange<std::size_t>(0, ready.size())];
    placed.insert(edits[pick].rev);
    order.push_back(edits[pick]);
    edits.erase(edits.begin() + static_cast<std::ptrdiff_t>(pick));
  }
  return order;
}

/// The leaves by definition, greatest first.
std::vector<RevisionTree::Leaf> leaves_of(const std::vector<Edit>& edits) {
  std::set<Revision> parents;
  for (const Edit& edit : edits) {
    if (edit.parent) parents.insert(*edit.parent);
  }
  std::vector<RevisionTree::Leaf> leaves;
  for (const Edit& edit : edits) {
    if (!parents.contains(edit.rev)) leaves.push_back({edit.rev, edit.is_deleted});
  }
  std::ranges::sort(leaves, std::ranges::greater(),
                    [](const auto& leaf) { return std::tuple(!leaf.is_deleted, leaf.rev); });
  return leaves;
}

void check_leaves(const RevisionTree& tree, const std::vector<RevisionTree::Leaf>& leaves) {
  RC_ASSERT(tree.leaves() == leaves);
  RC_ASSERT(tree.winner() == leaves.front().rev);
  RC_ASSERT(tree.is_deleted() == leaves.front().is_deleted);
  const auto live = std::ranges::count(leaves, false, &RevisionTree::Leaf::is_deleted);
  RC_ASSERT(tree.in_conflict() == (live > 1));
  RC_ASSERT(tree.is_branched() == (leaves.size() > 1));
}

RC_GTEST_PROP(RevisionTreeProperty, WinnerAndLeavesDoNotDependOnTheOrder, ()) {
  const auto edits = random_edits();
  const RevisionTree tree = build(edits);
  const RevisionTree other = build(reordered(edits));
  check_leaves(tree, leaves_of(edits));
  check_leaves(other, leaves_of(edits));
  RC_ASSERT(tree == other);
}

RC_GTEST_PROP(RevisionTreeProperty, HistoriesInAnyOrderGiveTheSameTree, ()) {
  const RevisionTree tree = build(random_edits());
  auto leaves = tree.leaves();
  RevisionTree in_order, shuffled;
  for (const auto& leaf : leaves)
    RC_ASSERT(in_order.insert_history(tree.ancestry(leaf.rev), leaf.is_deleted).has_value());
  std::vector<std::size_t> keys;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    keys.push_back(*rc::gen::arbitrary<std::size_t>());
  std::vector<std::size_t> order(leaves.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return keys[i]; });
  for (const auto i : order) {
    const auto history = tree.ancestry(leaves[i].rev);
    RC_ASSERT(shuffled.insert_history(history, leaves[i].is_deleted).has_value());
    RC_ASSERT(shuffled.insert_history(history, leaves[i].is_deleted)->count == 0u);
  }
  RC_ASSERT(in_order == shuffled);
  RC_ASSERT(shuffled.leaves() == leaves);
}

std::uint64_t oldest_live_generation(const std::vector<RevisionTree::Leaf>& leaves) {
  std::uint64_t oldest = UINT64_MAX;
  for (const auto& leaf : leaves) {
    if (!leaf.is_deleted) oldest = std::min(oldest, leaf.rev.generation);
  }
  return oldest;
}

RC_GTEST_PROP(RevisionTreeProperty, PruningKeepsWinnerLiveLeavesAndTheNewestAncestors, ()) {
  const RevisionTree full = build(random_edits());
  const auto limit = *rc::gen::inRange<std::size_t>(1, 12);
  RevisionTree tree = full;
  RC_ASSERT(tree.prune(limit) == full.size() - tree.size());
  RC_ASSERT(tree.winner() == full.winner());
  const auto oldest_live = oldest_live_generation(full.leaves());
  std::size_t reachable_max = 0;
  for (const auto& leaf : full.leaves()) {
    const bool may_go =
        leaf.is_deleted && oldest_live != UINT64_MAX && leaf.rev.generation + limit < oldest_live;
    RC_ASSERT(tree.is_leaf(leaf.rev) == !may_go);
    if (may_go) continue;
    // The newest `limit` of each line stay in place ...
    const auto before = full.ancestry(leaf.rev, limit);
    const auto after = tree.ancestry(leaf.rev, limit);
    RC_ASSERT(after == before);
    reachable_max += limit;
  }
  // ... and nothing else does.
  RC_ASSERT(tree.size() <= reachable_max);
  RevisionTree again = tree;
  RC_ASSERT(again.prune(limit) == 0u);
  RC_ASSERT(again == tree);
}

RC_GTEST_PROP(RevisionTreeProperty, DecodingGivesWhatWasEncoded, ()) {
  RevisionTree tree = build(random_edits());
  if (*rc::gen::arbitrary<bool>()) tree.prune(*rc::gen::inRange<std::size_t>(1, 10));
  ByteWriter out;
  tree.encode(out);
  out.u8(0x5a);
  ByteReader in(out.bytes());
  const auto decoded = RevisionTree::decode(in);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == tree);
  RC_ASSERT(decoded->leaves() == tree.leaves());
  RC_ASSERT(in.u8() == 0x5a);
  RC_ASSERT(in.at_end());
}

RC_GTEST_PROP(RevisionTreeProperty, MissingIsWhatTheTreeDoesNotContain, ()) {
  const auto edits = random_edits();
  const RevisionTree tree = build(edits);
  std::vector<Revision> asked, absent;
  for (const Edit& edit : edits) {
    asked.push_back(edit.rev);
    if (*rc::gen::arbitrary<bool>()) continue;
    absent.push_back({edit.rev.generation, edit.rev.digest + "x"});
    asked.push_back(absent.back());
  }
  RC_ASSERT(tree.missing(asked).missing == absent);
}

}  // namespace
}  // namespace headgate
