// SPDX-License-Identifier: Apache-2.0
#include "database/principal_envelope.hpp"

#include <gtest/gtest.h>

namespace headgate {
namespace {

Sequence at(std::uint64_t number) {
  return Sequence(number);
}

/// A user whose every kind of grant began at number 7, its last write.
PrincipalEnvelope granted_at_seven() {
  UserRecord user;
  user.name = "ann";
  user.sequence = at(7);
  user.admin_channels = {{"news", at(7)}};
  user.admin_roles = {{"editor", at(7)}};
  user.token_channels = {{"sport", at(7)}};
  user.token_roles = {{"reader", at(7)}};
  user.token_issued_at = 1;
  PrincipalEnvelope envelope;
  envelope.sequence = at(7);
  envelope.record = encode(user);
  return envelope;
}

const PrincipalName kAnn{PrincipalKind::user, "ann"};

// R10: a client past the lost number gets the backfill of each kind of grant at the new one.
TEST(PrincipalEnvelopeTest, EveryKindOfGrantMovesWithALostNumber) {
  PrincipalEnvelope envelope = granted_at_seven();
  ASSERT_TRUE(envelope.resequence(kAnn, {at(7)}, at(12), at(9)));
  const auto user = decode_user(envelope.record);
  ASSERT_TRUE(user);
  EXPECT_EQ(user->sequence, at(12));
  EXPECT_EQ(user->admin_channels, (Grants{{"news", at(12)}}));
  EXPECT_EQ(user->admin_roles, (Grants{{"editor", at(12)}}));
  EXPECT_EQ(user->token_channels, (Grants{{"sport", at(12)}}));
  EXPECT_EQ(user->token_roles, (Grants{{"reader", at(12)}}));
}

// A client that read by a grant before it moved is told of what leaves the channel.
TEST(PrincipalEnvelopeTest, TheTimeBeforeAMoveStaysKnown) {
  PrincipalEnvelope envelope = granted_at_seven();
  ASSERT_TRUE(envelope.resequence(kAnn, {at(7)}, at(12), at(9)));
  ASSERT_TRUE(envelope.resequence(kAnn, {at(12)}, at(20), at(9)));
  const auto user = decode_user(envelope.record);
  ASSERT_TRUE(user);
  const std::vector<GrantSpan> before = {{at(7), at(20)}};
  EXPECT_EQ(user->past_channels, (GrantHistory{{"news", before}, {"sport", before}}));
  EXPECT_EQ(user->past_roles, (GrantHistory{{"editor", before}, {"reader", before}}));
}

TEST(PrincipalEnvelopeTest, ARoleThatIsMovedHasLivedBefore) {
  RoleRecord role;
  role.name = "editor";
  role.admin_channels = {{"news", at(7)}};
  role.sequence = role.created_at = at(7);
  PrincipalEnvelope envelope;
  envelope.sequence = at(7);
  envelope.record = encode(role);
  ASSERT_TRUE(envelope.resequence({PrincipalKind::role, "editor"}, {at(7)}, at(12), at(9)));
  const auto moved = decode_role(envelope.record);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->created_at, at(12));
  EXPECT_EQ(moved->past_lives, (std::vector<GrantSpan>{{at(7), at(12)}}));
  EXPECT_EQ(moved->past_channels, (GrantHistory{{"news", {{at(7), at(12)}}}}));
}

// R7: a number at which only a token began to grant keeps its entry in the hidden channel.
TEST(PrincipalEnvelopeTest, AnEarlierNumberOfATokensGrantIsFed) {
  PrincipalEnvelope envelope = granted_at_seven();
  auto user = decode_user(envelope.record);
  ASSERT_TRUE(user);
  user->admin_channels.clear();
  user->admin_roles.clear();
  envelope.record = encode(*user);
  envelope.advance(at(12), at(9));
  const FeedRecord fed = envelope.feed_record(kAnn);
  ASSERT_EQ(fed.recent.size(), 1U);
  EXPECT_EQ(fed.recent[0].sequence, at(7));
  EXPECT_EQ(fed.recent[0].grants.size(), 1U);
}

}  // namespace
}  // namespace headgate
