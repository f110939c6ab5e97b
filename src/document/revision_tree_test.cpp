// SPDX-License-Identifier: Apache-2.0
#include "document/revision_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace headgate {
namespace {

using testing::IsEmpty;

Revision rev(std::string_view text) {
  return *parse_revision(text);
}

std::vector<Revision> revs(std::initializer_list<std::string_view> texts) {
  std::vector<Revision> all;
  for (const auto text : texts) all.push_back(rev(text));
  return all;
}

RevisionTree tree_of(std::initializer_list<std::vector<Revision>> histories) {
  RevisionTree tree;
  for (const auto& history : histories) EXPECT_TRUE(tree.insert_history(history, false));
  return tree;
}

std::vector<Revision> line(std::uint64_t newest, std::uint64_t oldest, const std::string& branch) {
  std::vector<Revision> history;
  for (std::uint64_t g = newest; g >= oldest; --g) history.push_back({g, branch});
  return history;
}

TEST(RevisionTree, AnEmptyTreeHasNoWinner) {
  const RevisionTree tree;
  EXPECT_EQ(tree.winner(), std::nullopt);
  EXPECT_FALSE(tree.is_deleted());
  EXPECT_THAT(tree.leaves(), IsEmpty());
}

TEST(RevisionTree, InsertRefusesWhatBreaksTheTree) {
  RevisionTree tree;
  const Revision root = rev("2-a"), absent = rev("1-z");
  ASSERT_TRUE(tree.insert(root, nullptr, false));
  EXPECT_EQ(tree.insert(root, nullptr, false).error().code, Errc::exists);
  EXPECT_EQ(tree.insert(rev("3-b"), &absent, false).error().code, Errc::not_found);
  EXPECT_EQ(tree.insert(rev("2-b"), &root, false).error().code, Errc::invalid_argument);
  EXPECT_EQ(tree.insert(rev("1-b"), &root, false).error().code, Errc::invalid_argument);
  EXPECT_EQ(tree.insert({3, ""}, &root, false).error().code, Errc::invalid_argument);
  EXPECT_EQ(tree.size(), 1u);
}

TEST(RevisionTree, TheGreaterLiveLeafWins) {
  RevisionTree tree = tree_of({revs({"2-a", "1-x"}), revs({"2-b", "1-x"})});
  EXPECT_EQ(tree.winner(), rev("2-b"));
  EXPECT_TRUE(tree.is_branched());
  EXPECT_TRUE(tree.in_conflict());
  ASSERT_TRUE(tree.insert_history(revs({"10-a", "9-a", "8-a"}), true));
  EXPECT_EQ(tree.winner(), rev("2-b")) << "a deleted leaf never wins over a live one";
  ASSERT_TRUE(tree.insert_history(revs({"3-c", "2-b"}), true));
  EXPECT_EQ(tree.winner(), rev("2-a")) << "deleting the winner promotes the other leaf";
  EXPECT_FALSE(tree.in_conflict());
  ASSERT_TRUE(tree.insert_history(revs({"3-d", "2-a"}), true));
  EXPECT_EQ(tree.winner(), rev("10-a"));
  EXPECT_TRUE(tree.is_deleted());
  ASSERT_TRUE(tree.insert_history(revs({"4-e", "3-d"}), false));
  EXPECT_EQ(tree.winner(), rev("4-e")) << "a document comes back";
}

TEST(RevisionTree, AKnownRevisionChangesNothing) {
  RevisionTree tree = tree_of({revs({"3-c", "2-b", "1-a"})});
  const auto again = tree.insert_history(revs({"2-b", "1-a"}), true);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->count, 0u);
  EXPECT_EQ(tree, tree_of({revs({"3-c", "2-b", "1-a"})}));
}

TEST(RevisionTree, AHistoryIsJoinedAtItsNewestKnownRevision) {
  RevisionTree tree = tree_of({revs({"2-b", "1-a"})});
  const auto joined = tree.insert_history(revs({"4-d", "3-c", "2-b", "1-other"}), false);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->count, 2u);
  EXPECT_EQ(joined->ancestor, rev("2-b"));
  EXPECT_EQ(tree.ancestry(rev("4-d")), revs({"4-d", "3-c", "2-b", "1-a"}));
  EXPECT_EQ(tree.ancestry(rev("4-d"), 2), revs({"4-d", "3-c"}));
  const auto apart = tree.insert_history(revs({"2-y", "1-x"}), false);
  EXPECT_EQ(apart->ancestor, std::nullopt);
  EXPECT_EQ(tree.info(rev("1-x"))->parent, std::nullopt);
  EXPECT_TRUE(tree.in_conflict());
}

TEST(RevisionTree, BadHistoriesAddNothing) {
  RevisionTree tree;
  EXPECT_FALSE(tree.insert_history({}, false));
  EXPECT_FALSE(tree.insert_history(revs({"2-a", "2-b"}), false));
  EXPECT_FALSE(tree.insert_history(revs({"1-a", "2-b"}), false));
  EXPECT_EQ(tree.insert_history(line(kRevisionsMax + 1, 1, "a"), false).error().code,
            Errc::too_large);
  EXPECT_TRUE(tree.empty());
}

TEST(RevisionTree, RevsDiffNamesMissingAndPossibleAncestors) {
  const RevisionTree tree = tree_of({line(120, 100, "a"), revs({"3-b", "2-b", "1-b"})});
  const auto difference = tree.missing(revs({"120-a", "150-x", "100-a", "3-z"}));
  EXPECT_EQ(difference.missing, revs({"150-x", "3-z"}));
  EXPECT_EQ(difference.possible_ancestors, revs({"120-a"}));
  const auto nothing = tree.missing(revs({"3-b"}));
  EXPECT_THAT(nothing.missing, IsEmpty());
  EXPECT_THAT(nothing.possible_ancestors, IsEmpty());
}

TEST(RevisionTree, PruningKeepsTheNewestOfEachBranch) {
  RevisionTree tree = tree_of({line(10, 1, "a")});
  EXPECT_EQ(tree.prune(3), 7u);
  EXPECT_EQ(tree.ancestry(rev("10-a")), revs({"10-a", "9-a", "8-a"}));
  EXPECT_EQ(tree.prune(3), 0u);
  EXPECT_EQ(tree.prune(1), 2u);
  EXPECT_EQ(tree.winner(), rev("10-a"));
}

TEST(RevisionTree, PruningSplitsBranchesThatGrewApart) {
  RevisionTree tree = tree_of({line(10, 1, "a"), revs({"6-b", "5-b", "4-a"})});
  EXPECT_EQ(tree.prune(2), 8u);
  EXPECT_EQ(tree.size(), 4u);
  EXPECT_EQ(tree.info(rev("5-b"))->parent, std::nullopt);
  EXPECT_TRUE(tree.in_conflict());
}

TEST(RevisionTree, PruningDropsDeletedBranchesThatFellBehind) {
  RevisionTree tree = tree_of({line(10, 1, "a")});
  ASSERT_TRUE(tree.insert_history(revs({"4-d", "3-d", "2-a"}), true));
  ASSERT_TRUE(tree.insert_history(revs({"7-e", "6-a"}), true));
  EXPECT_EQ(tree.prune(5), 4u);
  EXPECT_FALSE(tree.contains(rev("4-d")));
  EXPECT_TRUE(tree.is_leaf(rev("7-e")));
  EXPECT_EQ(tree.winner(), rev("10-a"));
}

TEST(RevisionTree, PruningKeepsDeletedBranchesOfADeletedDocument) {
  RevisionTree tree;
  ASSERT_TRUE(tree.insert_history(revs({"2-d", "1-a"}), true));
  ASSERT_TRUE(tree.insert_history(line(50, 40, "b"), true));
  EXPECT_EQ(tree.prune(5), 6u);
  EXPECT_TRUE(tree.is_leaf(rev("2-d")));
}

TEST(RevisionTree, AnOrdinaryRevisionTakes17BytesMore) {
  RevisionTree tree;
  const std::string digest = "0123456789abcdef0123456789abcdef";
  std::vector<Revision> history;
  for (std::uint64_t g = 100; g >= 1; --g) history.push_back({g, digest});
  ASSERT_TRUE(tree.insert_history(history, false));
  ByteWriter out;
  tree.encode(out);
  EXPECT_EQ(out.bytes().size(), 1 + 1 + 100 * 17u);
}

Result<RevisionTree> decode(std::string_view bytes) {
  ByteReader in(bytes);
  return RevisionTree::decode(in);
}

TEST(RevisionTree, DamagedBytesAreCorrupted) {
  RevisionTree tree = tree_of({revs({"3-c", "2-b", "1-a"}), revs({"2-z", "1-a"})});
  ByteWriter out;
  tree.encode(out);
  EXPECT_EQ(*decode(out.bytes()), tree);
  for (std::size_t length = 0; length < out.bytes().size(); ++length) {
    EXPECT_EQ(decode(std::string_view(out.bytes()).substr(0, length)).error().code, Errc::corrupted)
        << length;
  }
  const std::vector<std::string> damaged = {
      std::string("\x01\x04\x01"
                  "a",
                  4),  // first revision with a parent
      std::string("\x01\x06\x01\x01"
                  "a",
                  5),  // root and child at once
      std::string("\x01\x12\x01\x01"
                  "a",
                  5),  // unknown bit
      std::string("\x01\x02\x01\x01"
                  "\n",
                  5),  // no digest character
      std::string("\x02\x02\x01\x01"
                  "a\0\x02\x01\x01"
                  "b",
                  10),                         // parent behind itself
      std::string("\xff\xff\xff\xff\x0f", 5),  // more than can be there
  };
  for (const auto& bytes : damaged) EXPECT_EQ(decode(bytes).error().code, Errc::corrupted);
}

TEST(RevisionTree, ThousandsOfLeavesAndLongHistoriesStayCheap) {
  // Quadratic work would take minutes here.
  RevisionTree tree;
  for (int i = 0; i < 20'000; ++i)
    ASSERT_TRUE(tree.insert_history(
        std::vector<Revision>{{2, "leaf" + std::to_string(i)}, {1, "root"}}, false));
  EXPECT_EQ(tree.leaves().size(), 20'000u);
  std::vector<Revision> asked;
  for (int i = 0; i < 20'000; ++i) asked.push_back({2, "leaf" + std::to_string(i * 2)});
  EXPECT_EQ(tree.missing(asked).missing.size(), 10'000u);
  ASSERT_TRUE(tree.insert_history(line(50'000, 1, "long"), false));
  ByteWriter out;
  tree.encode(out);
  auto decoded = decode(out.bytes());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->missing(asked).missing.size(), 10'000u);
  EXPECT_EQ(decoded->prune(1'000), 49'000u);
}

}  // namespace
}  // namespace headgate
