// SPDX-License-Identifier: Apache-2.0
#include "document/revision.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "document/attachment.hpp"

namespace headgate {
namespace {

TEST(Revision, IsSplitAtTheFirstDash) {
  const auto rev = parse_revision("12-abc-d.e_F");
  ASSERT_TRUE(rev);
  EXPECT_EQ(rev->generation, 12u);
  EXPECT_EQ(rev->digest, "abc-d.e_F");
  EXPECT_EQ(to_string(*rev), "12-abc-d.e_F");
  EXPECT_EQ(to_rev_id(*rev), RevId("12-abc-d.e_F"));
}

TEST(Revision, WhatIsNoRevisionIdIsRefused) {
  const std::string long_digest(kDigestMax + 1, 'a');
  for (const std::string text :
       {"", "1", "-", "1-", "-a", "0-a", "01-a", "x-a", "+1-a", " 1-a", "1.0-a", "1-a b", "1-a\n",
        "1-\"", "1-\xc3\xa9", "18446744073709551616-a", "9007199254740992-a", "-1-a"}) {
    EXPECT_EQ(parse_revision(text).error().context, "Invalid revision ID") << text;
  }
  EXPECT_FALSE(parse_revision("1-" + long_digest));
  EXPECT_FALSE(parse_revision(std::string("1-a\0", 4)));
  EXPECT_TRUE(parse_revision("9007199254740991-a"));
}

TEST(Revision, OnlyLocalDocumentsHaveGenerationZero) {
  EXPECT_EQ(parse_local_revision("0-7")->digest, "7");
  EXPECT_FALSE(parse_local_revision("0-"));
}

TEST(Revision, GenerationsCompareAsNumbersDigestsAsText) {
  EXPECT_LT(*parse_revision("9-f"), *parse_revision("10-0"));
  EXPECT_LT(*parse_revision("2-a"), *parse_revision("2-b"));
  EXPECT_LT(*parse_revision("2-a"), *parse_revision("2-aa"));
}

TEST(NextRevision, SameEditOfTheSameParentGivesTheSameId) {
  const Revision parent{3, "abc"};
  const auto a = next_revision(&parent, false, R"({"x":1.0,"y":[1,2]})", {});
  const auto b = next_revision(&parent, false, R"( {"y" : [1, 2], "x": 1.0} )", {});
  ASSERT_TRUE(a);
  EXPECT_EQ(*a, *b);
  EXPECT_EQ(a->generation, 4u);
  EXPECT_EQ(a->digest.size(), 32u);
}

TEST(NextRevision, EveryPartOfTheEditCounts) {
  const Revision parent{3, "abc"}, other{3, "abd"};
  const std::vector<Attachment> one = {{.name = "a",
                                        .content_type = "text/plain",
                                        .digest = "md5-1",
                                        .length = 1,
                                        .revpos = 1,
                                        .encoding = {},
                                        .encoded_length = 0}};
  std::vector<Attachment> changed = one;
  changed[0].digest = "md5-2";
  const std::vector<Result<Revision>> edits = {
      next_revision(&parent, false, R"({"x":1})", {}),
      next_revision(&other, false, R"({"x":1})", {}),
      next_revision(nullptr, false, R"({"x":1})", {}),
      next_revision(&parent, true, R"({"x":1})", {}),
      next_revision(&parent, false, R"({"x":1.0})", {}),
      next_revision(&parent, false, R"({"x":1})", one),
      next_revision(&parent, false, R"({"x":1})", changed),
  };
  for (std::size_t i = 0; i < edits.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(edits[i]->digest, edits[j]->digest) << i << j;
  }
}

TEST(NextRevision, TheOrderOfAttachmentsDoesNotCount) {
  Attachment a, b;
  a.name = "a";
  b.name = "b";
  const std::vector<Attachment> ab = {a, b}, ba = {b, a};
  EXPECT_EQ(*next_revision(nullptr, false, "{}", ab), *next_revision(nullptr, false, "{}", ba));
}

TEST(NextRevision, ThereIsALastGeneration) {
  const Revision last{kGenerationMax, "a"};
  EXPECT_EQ(next_revision(&last, false, "{}", {}).error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace headgate
