// SPDX-License-Identifier: Apache-2.0
#include "cache/superseded_survey.hpp"

#include <gtest/gtest.h>

#include "cache/block_run.hpp"

namespace headgate {
namespace {

SequenceDocument survey_entry(std::uint64_t sequence, const std::string& doc,
                              const std::vector<std::string>& channels,
                              const std::vector<std::string>& removals = {}) {
  SequenceDocument document;
  document.entry.sequence = Sequence(sequence);
  document.entry.doc_id = DocId(doc);
  for (const auto& channel : channels)
    document.entry.channels.push_back(ChannelId::of_documents(channel));
  document.entry.channels.push_back(ChannelId::star());
  for (const auto& channel : removals)
    document.entry.removals.push_back(ChannelId::of_documents(channel));
  return document;
}

std::vector<Sequence> found(const SupersededSurvey& survey) {
  std::vector<Sequence> all;
  for (const auto& document : survey.documents()) all.push_back(document.sequence);
  return all;
}

SupersededSurvey a_survey() {
  return SupersededSurvey([](const Grant& grant) { return grant.given.empty(); });
}

TEST(SupersededSurvey, ADocumentGoesWhenEveryChannelHasANewerEntry) {
  auto survey = a_survey();
  survey.add(survey_entry(2, "d", {"a", "b"}), Cas(1), false);
  survey.add(survey_entry(3, "d", {"a"}), Cas(2), false);  // a hidden version left "b"
  EXPECT_TRUE(found(survey).empty());
  survey.add(survey_entry(4, "d", {"a"}, {"b"}), Cas(3), false);
  EXPECT_EQ(found(survey), (std::vector{Sequence(3), Sequence(2)}));
  EXPECT_EQ(survey.entries().at(ChannelId::of_documents("b")), std::vector{Sequence(2)});
}

TEST(SupersededSurvey, WhatTellsOfARemovalStays) {
  auto survey = a_survey();
  survey.add(survey_entry(2, "d", {"a"}, {"b"}), Cas(1), false);
  survey.add(survey_entry(3, "d", {"a", "b"}), Cas(2), false);
  EXPECT_TRUE(found(survey).empty());
  EXPECT_EQ(survey.entries().at(ChannelId::of_documents("b")), std::vector{Sequence(2)});
}

// A pass that has begun would find neither the old grant nor the new one.
TEST(SupersededSurvey, WhatGrantsStays) {
  auto survey = a_survey();
  for (std::uint64_t n = 2; n < 5; ++n) {
    SequenceDocument granting = survey_entry(n, "d", {"a"});
    granting.entry.grants = {{ChannelId::of_principal("user:alice"), "given"}};
    survey.add(granting, Cas(n), false);
  }
  EXPECT_TRUE(found(survey).empty());
  EXPECT_EQ(survey.entries().at(ChannelId::of_documents("a")),
            (std::vector{Sequence(2), Sequence(3)}));
  EXPECT_FALSE(survey.entries().contains(ChannelId::of_principal("user:alice")));
}

TEST(SupersededSurvey, NothingIsConcludedOfNumbersInDoubt) {
  auto survey = a_survey();
  survey.add(survey_entry(2, "d", {"a"}), Cas(1), true);
  survey.add(survey_entry(3, "d", {"a"}), Cas(2), false);
  survey.add(survey_entry(4, "d", {"a"}), Cas(3), true);
  EXPECT_TRUE(found(survey).empty());
  survey.add(survey_entry(5, "d", {"a"}), Cas(4), false);
  EXPECT_EQ(found(survey), std::vector{Sequence(3)});
}

TEST(SupersededSurvey, AWriteThatTakesAccessEndsATime) {
  for (const bool takes : {false, true}) {
    auto survey = a_survey();
    survey.add(survey_entry(2, "d", {"a"}), Cas(1), false);
    SequenceDocument granting = survey_entry(3, "e", {"a"});
    granting.entry.grants = {{ChannelId::of_principal("user:alice"), takes ? "" : "given"}};
    survey.add(granting, Cas(2), false);
    survey.add(survey_entry(4, "d", {"a"}), Cas(3), false);
    EXPECT_EQ(found(survey).size(), takes ? 0u : 1u);
  }
  auto survey = a_survey();
  survey.add(survey_entry(2, "d", {"a"}), Cas(1), false);
  SequenceDocument user = survey_entry(3, "_user/alice", {});
  user.entry.flags = CacheEntry::kPrincipal;
  survey.add(user, Cas(2), false);
  survey.add(survey_entry(4, "d", {"a"}), Cas(3), false);
  EXPECT_TRUE(found(survey).empty());
}

TEST(BlockRun, IsReadAsItWasWritten) {
  const BlockRun run{77, 12, Sequence(300), {Sequence(5), Sequence(9), Sequence(400)}};
  EXPECT_EQ(BlockRun::decode(run.encode()).value(), run);
  for (std::size_t length = 0; length < run.encode().size(); ++length)
    EXPECT_FALSE(BlockRun::decode(run.encode().substr(0, length))) << length;
  BlockRun wrong = run;
  wrong.lasts = {Sequence(5), Sequence(5)};
  EXPECT_FALSE(BlockRun::decode(wrong.encode()));
}

}  // namespace
}  // namespace headgate
