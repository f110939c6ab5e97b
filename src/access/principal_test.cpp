// SPDX-License-Identifier: Apache-2.0
#include "access/principal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::Pair;
using Channels = std::vector<std::string>;

Sequence at(std::uint64_t value) {
  return Sequence(value);
}

UserRecord sample_user() {
  return {.name = "alice",
          .password_hash = "$2b$10$abc",
          .email = "alice@example.org",
          .is_disabled = true,
          .admin_channels = {{"*", at(7)}, {"news", at(300)}},
          .admin_roles = {{"editor", at(1ull << 40)}},
          .past_channels = {{"old", {{at(2), at(5)}, {at(8), at(1ull << 33)}}}},
          .past_roles = {{"author", {{at(3), at(4)}}}},
          .sequence = at(~0ull),
          .sessions_since = at(77),
          .token_channels = {{"sport", at(70)}},
          .token_roles = {{"reader", at(71)}},
          .token_issued_at = 1'700'000'000};
}

TEST(PrincipalRecord, IsReadAsWritten) {
  EXPECT_EQ(*decode_user(encode(sample_user())), sample_user());
  EXPECT_EQ(*decode_user(encode(UserRecord{})), UserRecord{});
  const RoleRecord role{.name = "editor",
                        .admin_channels = {{"a", at(1)}},
                        .past_channels = {{"b", {{at(2), at(3)}}}},
                        .past_lives = {{at(1), at(4)}},
                        .sequence = at(9),
                        .created_at = at(7)};
  EXPECT_EQ(*decode_role(encode(role)), role);
}

TEST(PrincipalRecord, CutOffOrLongerBytesAreCorrupted) {
  const std::string bytes = encode(sample_user());
  for (std::size_t length = 1; length < bytes.size(); ++length) {
    const auto read = decode_user(std::string_view(bytes).substr(0, length));
    ASSERT_FALSE(read) << length;
    EXPECT_EQ(read.error().code, Errc::corrupted) << length;
  }
  EXPECT_EQ(decode_user(bytes + "x").error().code, Errc::corrupted);
  EXPECT_EQ(decode_user("").error().code, Errc::corrupted);
  EXPECT_EQ(decode_role("").error().code, Errc::corrupted);
}

TEST(PrincipalRecord, ANewerFormatIsRefusedAsSuch) {
  std::string user = encode(sample_user());
  user[0] = 2;
  EXPECT_EQ(decode_user(user).error().code, Errc::unsupported);
  std::string role = encode(RoleRecord{});
  role[0] = 3;
  EXPECT_EQ(decode_role(role).error().code, Errc::unsupported);
}

TEST(PrincipalRecord, AHugeCountCostsNoMemory) {
  std::string bytes = encode(RoleRecord{});
  bytes.back() = '\x7f';
  EXPECT_EQ(decode_role(bytes).error().code, Errc::corrupted);
}

TEST(Regrant, KeepsWhatWasHeldAndStampsWhatIsNew) {
  const Grants before{{"kept", at(5)}, {"gone", at(6)}};
  EXPECT_THAT(regrant(before, {"kept", "new"}, at(9)),
              ElementsAre(Pair("kept", at(5)), Pair("new", at(9))));
  EXPECT_EQ(regrant(before, {"kept", "gone"}, at(9)), before);
}

TEST(EffectiveAccess, EverybodyHasThePublicChannel) {
  EXPECT_THAT(EffectiveAccess().channels(), ElementsAre(Pair("!", at(1))));
  EXPECT_TRUE(EffectiveAccess().can_read(Channels{"x", "!"}));
  EXPECT_FALSE(EffectiveAccess().can_read(Channels{"x"}));
}

TEST(EffectiveAccess, KeepsTheLowestSequenceOfSeveralGrants) {
  const HeldRole early{.granted_at = at(2), .channels = {{"a", at(3)}, {"r", at(4)}}};
  const HeldRole late{.granted_at = at(50), .channels = {{"b", at(3)}, {"r", at(1)}}};
  const HeldRole roles[] = {early, late};
  const auto access = EffectiveAccess::of_user({{"a", at(10)}, {"o", at(11)}},
                                               {{"a", at(12)}, {"d", at(13)}}, roles);
  EXPECT_THAT(access.channels(),
              ElementsAre(Pair("!", at(1)), Pair("a", at(3)), Pair("b", at(50)), Pair("d", at(13)),
                          Pair("o", at(11)), Pair("r", at(4))));
  EXPECT_THAT(access.channel_names(), ElementsAre("!", "a", "b", "d", "o", "r"));
}

TEST(EffectiveAccess, AnOwnGrantOfThePublicChannelChangesNothing) {
  EXPECT_EQ(EffectiveAccess::of_user({{"!", at(9)}}, {}, {}), EffectiveAccess());
}

TEST(EffectiveAccess, ReadsADocumentThatIsInAnyOfItsChannels) {
  const auto access = EffectiveAccess::of_user({{"a", at(5)}}, {}, {});
  EXPECT_TRUE(access.can_read(Channels{"x", "a"}));
  EXPECT_FALSE(access.can_read(Channels{"x", "A"}));
  EXPECT_FALSE(access.can_read(Channels{"*"}));
  EXPECT_FALSE(access.can_read(Channels{}));
  EXPECT_EQ(access.granted_at("a"), at(5));
  EXPECT_EQ(access.granted_at("x"), std::nullopt);
}

TEST(EffectiveAccess, StarMeansEveryDocument) {
  const HeldRole roles[] = {{.granted_at = at(20), .channels = {{"*", at(7)}}}};
  const auto access = EffectiveAccess::of_user({{"a", at(5)}, {"b", at(30)}}, {}, roles);
  EXPECT_TRUE(access.has_star());
  EXPECT_TRUE(access.can_read(Channels{}));
  EXPECT_TRUE(access.can_read(Channels{"x"}));
  EXPECT_EQ(access.granted_at("a"), at(5));
  EXPECT_EQ(access.granted_at("b"), at(20));
  EXPECT_EQ(access.granted_at("x"), at(20));
  EXPECT_FALSE(access.is_admin());
}

TEST(EffectiveAccess, AnAdminReadsAll) {
  const auto access = EffectiveAccess::admin();
  EXPECT_TRUE(access.is_admin());
  EXPECT_TRUE(access.can_read(Channels{}));
  EXPECT_EQ(access.granted_at("x"), at(1));
}

GrantSpan span(std::uint64_t start, std::uint64_t end) {
  return {Sequence(start), Sequence(end)};
}

TEST(AccessHistory, WhatGoesOnByAnotherWayHasNotEnded) {
  GrantTimeline own;
  own.past["a"] = {span(2, 5)};
  own.past["b"] = {span(2, 5)};
  own.present["b"] = Sequence(5);
  own.past["c"] = {span(2, 5), span(7, 9)};
  GrantTimeline held;
  held.past["r"] = {span(4, 8)};
  held.present["s"] = Sequence(3);
  std::map<std::string, RoleTimeline> roles;
  roles["r"] = {{span(1, 6), {Sequence(7), kUnended}}, {{"a", {span(1, 20)}}}};
  roles["s"] = {{{Sequence(1), kUnended}}, {{"d", {{Sequence(1), kUnended}}}}};
  const GrantHistory expected{{"a", {span(2, 6), span(7, 8)}},
                              {"b", {{Sequence(2), kUnended}}},
                              {"c", {span(2, 5), span(7, 9)}},
                              {"d", {{Sequence(3), kUnended}}}};
  EXPECT_EQ(access_history(own, held, roles), expected);
}

TEST(AccessHistory, HistoriesAreBounded) {
  GrantHistory history;
  for (std::uint64_t i = 1; i < 100; ++i)
    end_grants(history, {{"a", Sequence(2 * i)}}, {}, Sequence(2 * i + 1));
  ASSERT_EQ(history["a"].size(), kGrantSpansMax);
  EXPECT_EQ(history["a"].front().start, Sequence(2)) << "the oldest are joined";
  EXPECT_EQ(history["a"].back(), span(198, 199));
  for (std::uint64_t i = 0; i < kGrantHistoryMax + 10; ++i)
    end_grants(history, {{"n" + std::to_string(i), Sequence(1)}}, {}, Sequence(1'000 + i));
  EXPECT_EQ(history.size(), kGrantHistoryMax);
  EXPECT_FALSE(history.contains("a")) << "those that ended first are forgotten";
}

}  // namespace
}  // namespace headgate
