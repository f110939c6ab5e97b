// SPDX-License-Identifier: Apache-2.0
#include "changes/wake_up_relay.hpp"

#include <gtest/gtest.h>

#include "base/manual_environment.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;

ChannelId channel(std::string_view name) {
  return ChannelId::of_documents(name);
}

/// Keeps what is sent; takes a while for it.
class Wire : public WakeUpTransport {
 public:
  explicit Wire(Environment& environment) : environment_(environment) {}

  bool has_peers() const override { return has_peers_; }
  Task<Result<void>> send(DatabaseId, std::string message) override {
    messages_.push_back(std::move(message));
    co_await environment_.sleep_for(delay_);
    co_return Result<void>();
  }

  Environment& environment_;
  bool has_peers_ = true;
  milliseconds delay_{0};
  std::vector<std::string> messages_;
};

/// Two nodes: what `here_` announces goes over the wire, and is given to `there_` by deliver().
class WakeUpRelayTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(early_.watch({{channel("news")}, {}, ReadMode::available}));
    ASSERT_TRUE(stable_.watch({{channel("news")}, {}, ReadMode::stable}));
  }
  void TearDown() override { env_.run(hub_there_.stop()); }

  std::size_t deliver() {
    env_.run_ready();
    const std::size_t count = wire_.messages_.size();
    for (const std::string& message : wire_.messages_) EXPECT_TRUE(there_.receive(message));
    wire_.messages_.clear();
    return count;
  }

  ManualEnvironment env_;
  Wire wire_{env_};
  FeedHub hub_here_{env_, {}};
  FeedHub hub_there_{env_, {}};
  WakeUpRelay here_{env_, DatabaseId(1), hub_here_, wire_};
  WakeUpRelay there_{env_, DatabaseId(1), hub_there_, wire_};
  FeedWaiter early_{hub_there_};
  FeedWaiter stable_{hub_there_};
};

TEST_F(WakeUpRelayTest, AChangeWakesTheFeedsOfAnotherNodeAtOnce) {
  here_.channels_changed({channel("news")});
  EXPECT_EQ(deliver(), 1u) << "without a pause";
  EXPECT_EQ(early_.signal().count(), 1u);
  EXPECT_EQ(stable_.signal().count(), 0u);
  here_.stable_advanced(Sequence(7), {channel("news")});
  env_.advance(WakeUpRelay::kPause);
  EXPECT_EQ(deliver(), 1u);
  EXPECT_EQ(stable_.signal().count(), 1u);
  EXPECT_EQ(hub_there_.stable(), Sequence(7));
  here_.channels_changed({channel("other")});
  env_.advance(WakeUpRelay::kPause);
  EXPECT_EQ(deliver(), 1u);
  EXPECT_EQ(early_.signal().count(), 1u);
}

TEST_F(WakeUpRelayTest, WhatComesWhileAMessageIsOnItsWayGoesOutTogether) {
  wire_.delay_ = milliseconds(10);
  for (int i = 0; i < 100; ++i) {
    here_.channels_changed({channel("news")});
    env_.run_ready();
  }
  env_.advance(milliseconds(30));
  EXPECT_EQ(deliver(), 2u);
  EXPECT_EQ(here_.statistics().sent, 2u);
}

TEST_F(WakeUpRelayTest, NothingIsSentToNobody) {
  wire_.has_peers_ = false;
  here_.channels_changed({channel("news")});
  here_.stable_advanced(Sequence(7), {});
  EXPECT_EQ(deliver(), 0u);
}

TEST_F(WakeUpRelayTest, MoreChannelsThanOneMessageHoldsWakeAll) {
  std::vector<ChannelId> many;
  for (std::size_t i = 0; i <= WakeUpRelay::kChannelsMax; ++i)
    many.push_back(channel(std::to_string(i)));
  here_.channels_changed(many);
  EXPECT_EQ(deliver(), 1u);
  EXPECT_EQ(early_.signal().count(), 1u);
  here_.stable_advanced(Sequence(7), many);
  env_.advance(WakeUpRelay::kPause);
  EXPECT_EQ(deliver(), 1u);
  EXPECT_EQ(stable_.signal().count(), 2u);
}

TEST_F(WakeUpRelayTest, WhatIsNoWakeUpIsRefused) {
  here_.channels_changed({channel("news")});
  env_.run_ready();
  const std::string whole = wire_.messages_.at(0);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(there_.receive(whole.substr(0, size))) << size;
  EXPECT_FALSE(there_.receive(whole + "x"));
  EXPECT_EQ(early_.signal().count(), 0u);
}

}  // namespace
}  // namespace headgate
