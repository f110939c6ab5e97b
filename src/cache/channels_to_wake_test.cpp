// SPDX-License-Identifier: Apache-2.0
#include "cache/channels_to_wake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

FeedRecord written(std::uint64_t sequence, const char* channel) {
  FeedRecord record;
  record.entry.sequence = Sequence(sequence);
  record.entry.channels = {ChannelId::of_documents(channel)};
  return record;
}

TEST(ChannelsToWakeTest, ChannelsAreTakenWhenStablePassesTheirWrites) {
  ChannelsToWake channels;
  channels.remember(written(5, "a"), Sequence(3));
  channels.remember(written(7, "b"), Sequence(3));
  EXPECT_THAT(channels.take(Sequence(6)), ElementsAre(ChannelId::of_documents("a")));
  EXPECT_THAT(channels.take(Sequence(8)), ElementsAre(ChannelId::of_documents("b")));
}

// R15c: whoever waits in a channel is woken by the stable that passes its write, not only by the
// first one after an audit.
TEST(ChannelsToWakeTest, WakingAllForgetsNothingAboveStable) {
  ChannelsToWake channels;
  channels.remember(written(5, "a"), Sequence(3));
  channels.wake_all();
  EXPECT_THAT(channels.take(Sequence(4)), IsEmpty());
  EXPECT_THAT(channels.take(Sequence(6)), ElementsAre(ChannelId::of_documents("a")));
}

TEST(ChannelsToWakeTest, WhatWasForgottenMeansAnyChannelUntilStableHasPassedIt) {
  ChannelsToWake channels;
  constexpr std::uint64_t kMany = 100'000;
  for (std::uint64_t n = 1; n <= kMany + 1; ++n) channels.remember(written(n, "a"), Sequence());
  channels.remember(written(kMany + 2, "b"), Sequence());
  EXPECT_THAT(channels.take(Sequence(10)), IsEmpty());
  EXPECT_THAT(channels.take(Sequence(kMany)), IsEmpty());
  EXPECT_THAT(channels.take(Sequence(kMany + 2)),
              ElementsAre(ChannelId::of_documents("a"), ChannelId::of_documents("b")));
}

}  // namespace
}  // namespace headgate
