// SPDX-License-Identifier: Apache-2.0
#include "net/uri.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

TEST(PercentDecode, DecodesAllButBadEscapes) {
  EXPECT_EQ(percent_decode("a%2Fb%20c+d"), "a/b c+d");
  EXPECT_EQ(percent_decode("%c3%A9"), "\xc3\xa9");
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("%2"), std::nullopt);
  EXPECT_EQ(percent_decode("%zz"), std::nullopt);
  EXPECT_EQ(percent_decode("%%41"), std::nullopt);
}

TEST(PercentEncode, EveryByteComesBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("a/b c~"), "a%2Fb%20c~");
}

TEST(ParsePath, ASegmentMayHoldASlash) {
  EXPECT_THAT(parse_path("/db/a%2Fb"), Optional(ElementsAre("db", "a/b")));
  EXPECT_THAT(parse_path("/db/"), Optional(ElementsAre("db")));
  EXPECT_THAT(parse_path("/"), Optional(IsEmpty()));
  EXPECT_THAT(parse_path("/a//b"), Optional(ElementsAre("a", "", "b")));
  EXPECT_EQ(parse_path("db"), std::nullopt);
  EXPECT_EQ(parse_path(""), std::nullopt);
  EXPECT_EQ(parse_path("/db/%"), std::nullopt);
}

TEST(ParseQuery, ReadsNamesAndValues) {
  const auto query = parse_query("since=5%3A6&keys=%5B%22a+b%22%5D&flag&empty=&&x=1=2");
  ASSERT_TRUE(query);
  EXPECT_EQ(*query->find("since"), "5:6");
  EXPECT_EQ(*query->find("keys"), R"(["a b"])");
  EXPECT_EQ(*query->find("flag"), "");
  EXPECT_EQ(*query->find("empty"), "");
  EXPECT_EQ(*query->find("x"), "1=2");
  EXPECT_EQ(query->find("absent"), nullptr);
  EXPECT_FALSE(parse_query("a=%4"));
  EXPECT_TRUE(parse_query("")->empty());
}

}  // namespace
}  // namespace headgate
