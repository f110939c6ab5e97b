// SPDX-License-Identifier: Apache-2.0
#include "access/channel_name.hpp"

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(ChannelName, AnythingButEmptyAndCommaIsAllowed) {
  for (const char* name : {"a", "*", "!", "a b", "a/b:c`d", "\x01\n", "é", "日本", "😀"})
    EXPECT_TRUE(check_channel_name(name)) << name;
  EXPECT_TRUE(check_channel_name(std::string_view("\0", 1)));
  EXPECT_TRUE(check_channel_name(std::string(kMaxChannelNameBytes, 'x')));
}

TEST(ChannelName, EmptyCommaTooLongAndNoUnicodeAreRefused) {
  for (const char* name : {"", ",", "a,b", "\xff", "\xc3", "\xed\xa0\x80"})
    EXPECT_EQ(check_channel_name(name).error().code, Errc::invalid_argument) << name;
  EXPECT_FALSE(check_channel_name(std::string(kMaxChannelNameBytes + 1, 'x')));
}

TEST(PrincipalName, NeedsALetterOrDigit) {
  for (const char* name : {"a", "7", "_a", "a b", "a@b.example", "é", "日本", "x*"})
    EXPECT_TRUE(check_principal_name(name)) << name;
  for (const char* name : {"", "_", "-.-", " ", "\xff"})
    EXPECT_FALSE(check_principal_name(name)) << name;
}

TEST(PrincipalName, SlashColonCommaAndBackQuoteAreRefused) {
  for (const char* name : {"a/b", "a:b", "a,b", "a`b"})
    EXPECT_EQ(check_principal_name(name).error().code, Errc::invalid_argument) << name;
}

TEST(PrincipalName, HasALimit) {
  EXPECT_TRUE(check_principal_name(std::string(kMaxPrincipalNameBytes, 'x')));
  EXPECT_FALSE(check_principal_name(std::string(kMaxPrincipalNameBytes + 1, 'x')));
}

TEST(PrincipalName, IsReadAsItIsShown) {
  for (const PrincipalName& name :
       {PrincipalName::user("alice"), PrincipalName::role("staff"), PrincipalName::guest()}) {
    const auto read = PrincipalName::parse(name.text());
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, name);
  }
  EXPECT_EQ(PrincipalName::user("alice").text(), "user:alice");
  EXPECT_EQ(PrincipalName::role("staff").text(), "role:staff");
  EXPECT_EQ(PrincipalName::guest().text(), "user:");
}

TEST(PrincipalName, OtherTextIsRefused) {
  for (const char* text : {"", "alice", "role:", "user:a:b", "user:role:x", "User:a", "group:a"})
    EXPECT_EQ(PrincipalName::parse(text).error().code, Errc::invalid_argument) << text;
}

TEST(PrincipalName, AUserAndARoleOfOneNameDiffer) {
  EXPECT_NE(PrincipalName::user("x"), PrincipalName::role("x"));
  EXPECT_EQ(*PrincipalName::parse_short("x"), PrincipalName::user("x"));
  EXPECT_EQ(*PrincipalName::parse_short("role:x"), PrincipalName::role("x"));
  EXPECT_FALSE(PrincipalName::parse_short(""));
  EXPECT_FALSE(PrincipalName::parse_short("role:role:x"));
}

}  // namespace
}  // namespace headgate
