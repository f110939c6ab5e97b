// SPDX-License-Identifier: Apache-2.0
#include "changes/changes_position.hpp"

#include <gtest/gtest.h>

#include "changes/channel_plan.hpp"

namespace headgate {
namespace {

ChangesPosition at(std::string_view since) {
  return ChangesPosition(SequenceId::parse(since).value());
}
std::string id_of(const ChangesPosition& position, std::uint64_t sequence, std::uint64_t stable) {
  return position.id_of(ChangesPlace::ordinary(Sequence(sequence)), Sequence(stable)).print();
}

TEST(ChangesPosition, EverySinceIsEchoedUntilSomethingHappens) {
  for (const char* since : {"0", "7", "5::10", "8:3", "18446744073709551614"})
    EXPECT_EQ(at(since).id().print(), since);
}

TEST(ChangesPosition, LowPartIsDroppedOnlyWhileItIsStable) {
  ChangesPosition position = at("5::10");
  position.begin_pass(Sequence(5));
  EXPECT_EQ(position.read_from(), Sequence(10));
  position.begin_pass(Sequence(6));
  EXPECT_EQ(position.read_from(), Sequence(5));
  // Not again when stable was seen to be another one: what lies between may be due.
  position.begin_pass(Sequence(5));
  EXPECT_EQ(position.read_from(), Sequence(5));
}

TEST(ChangesPosition, PlacesOfABackfillStandBeforeTheirGrant) {
  const auto backfill = ChangesPlace::backfill(Sequence(8), Sequence(7));
  EXPECT_LT(ChangesPlace::ordinary(Sequence(7)), backfill);
  EXPECT_LT(backfill, ChangesPlace::backfill(Sequence(8), Sequence(8)));
  EXPECT_LT(backfill, ChangesPlace::ordinary(Sequence(8)));
}

TEST(ChangesPosition, PrintsStableAsTheLowPart) {
  const ChangesPosition position = at("5");
  EXPECT_EQ(id_of(position, 7, 5), "5::7");
  EXPECT_EQ(id_of(position, 7, 7), "7");
  EXPECT_EQ(id_of(position, 7, 9), "7");
  EXPECT_EQ(position.id_of(ChangesPlace::backfill(Sequence(8), Sequence(3)), Sequence(9)).print(),
            "8:3");
}

// A client that saw entries far ahead is never given an id that does not say so: its next request
// would not read far enough to know which revisions are superseded.
TEST(ChangesPosition, FarSeenEntriesStayInTheId) {
  ChangesPosition position = at("5");
  position.send(Sequence(5'000));
  position.advance(ChangesPlace::ordinary(kNoSequence), Sequence(5));
  EXPECT_EQ(id_of(position, 10, 5'000), "10::5000");
  EXPECT_EQ(id_of(position, 4'400, 5'000), "4400");
  // Above stable nothing but the id itself tells it: another mode does not read so far.
  EXPECT_EQ(id_of(position, 4'400, 4'999), "4400::5000");
  EXPECT_EQ(id_of(position, 4'600, 4'500), "4500::5000");
  EXPECT_GE(at("10::5000").read_limit(10'000), 4'990u);
  EXPECT_LE(at("10::18446744073709551615").read_limit(10'000), 11'000u);
}

TEST(ChangesPosition, BackfillEndsWhenItsGrantIsPassed) {
  ChangesPosition position = at("8:3");
  EXPECT_EQ(position.safe(), Sequence(7));
  position.advance(ChangesPlace::backfill(Sequence(8), Sequence(5)), Sequence(20));
  EXPECT_EQ(position.id().print(), "8:5");
  position.advance(ChangesPlace::ordinary(Sequence(12)), Sequence(20));
  EXPECT_EQ(position.id().print(), "12");
}

TEST(ChangesPosition, NeverGoesBackWithStable) {
  ChangesPosition position = at("100");
  position.advance(ChangesPlace::ordinary(kNoSequence), Sequence(20));
  EXPECT_EQ(position.id().print(), "100");
}

TEST(ChannelPlan, GrantsAreBackfilledDeferredOrOld) {
  const auto channel = [](const char* name) { return ChannelId::of_documents(name); };
  const std::vector<FeedChannel> channels{{channel("deferred"), Sequence(30)},
                                          {channel("first"), Sequence(1)},
                                          {channel("new"), Sequence(15)},
                                          {channel("old"), Sequence(10)}};
  const ChannelPlan plan = plan_channels(channels, at("10"), Sequence(20), Sequence());
  EXPECT_TRUE(plan.is_deferred());
  ASSERT_EQ(plan.reads.size(), 3u);
  EXPECT_EQ(plan.reads[0].since, Sequence(10));
  EXPECT_EQ(plan.reads[1].since, Sequence(0));
  EXPECT_EQ(plan.reads[1].backfill, Sequence(15));
  EXPECT_EQ(plan.reads[2].since, Sequence(10));
  EXPECT_EQ(plan.reads[2].backfill, Sequence(0));
  EXPECT_FALSE(plan.is_visible(channel("deferred")));

  const ChannelPlan resumed = plan_channels(channels, at("15:4"), Sequence(20), Sequence());
  EXPECT_EQ(resumed.reads[1].since, Sequence(4));
  EXPECT_EQ(resumed.reads[0].since, Sequence(14));
}

TEST(ChannelPlan, StarNeedsNoOtherChannel) {
  const std::vector<FeedChannel> channels{{ChannelId::star(), Sequence(5)},
                                          {ChannelId::of_documents("a"), Sequence(1)}};
  EXPECT_EQ(plan_channels(channels, at("7"), Sequence(9), Sequence()).reads.size(), 1u);
  // Before its backfill is done, channels held earlier are read for themselves.
  EXPECT_EQ(plan_channels(channels, at("3"), Sequence(9), Sequence()).reads.size(), 2u);
}

}  // namespace
}  // namespace headgate
