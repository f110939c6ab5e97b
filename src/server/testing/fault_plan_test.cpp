// SPDX-License-Identifier: Apache-2.0
#include "server/testing/fault_plan.hpp"

#include <gtest/gtest.h>

namespace headgate {
namespace {

Operation append(KeyKind kind, std::string tag) {
  return operation::Append{{DatabaseId(1), kind, std::move(tag), "name"}, "x", {}};
}

TEST(FaultPlan, ReadsWhatStrikesWhereAndHowOften) {
  const auto faults =
      parse_faults("stop-after:first-block:skip=2:times=3,hold-before:block:tag=puser:ann");
  ASSERT_TRUE(faults);
  ASSERT_EQ(faults->size(), 2u);
  const auto& first = faults->at(0);
  EXPECT_EQ(first.effect, FaultBucket::Effect::exit_process);
  EXPECT_EQ(first.moment, FaultBucket::Moment::after);
  EXPECT_EQ(first.skip, 2u);
  EXPECT_EQ(first.times, 3u);
  EXPECT_TRUE(first.matches(append(KeyKind::block, "cred")));
  EXPECT_FALSE(first.matches(append(KeyKind::channel_counter, "cred")));
  EXPECT_FALSE(first.matches(operation::Get{{DatabaseId(1), KeyKind::block, "cred", ""}}));
  const auto& second = faults->at(1);
  EXPECT_EQ(second.effect, FaultBucket::Effect::hold);
  EXPECT_TRUE(second.matches(append(KeyKind::block, "puser:ann")));
  EXPECT_FALSE(second.matches(append(KeyKind::block, "cuser:ann")));
}

TEST(FaultPlan, RefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(parse_faults("")->empty());
  for (const char* text : {"x", "stop", "stop-after", "stop-after:x", "stop-when:block",
                           "go-after:block", "stop-after:block:skip=x", "stop-after:block:times=0",
                           "stop-after:block:colour=red", "stop-after:block,x"})
    EXPECT_FALSE(parse_faults(text)) << text;
}

}  // namespace
}  // namespace headgate
