// SPDX-License-Identifier: Apache-2.0
#include "access/session.hpp"

#include <gtest/gtest.h>

namespace headgate {
namespace {

Session sample() {
  return {.user = "alice",
          .sessions_since = Sequence(300),
          .ends_at = WallTime(std::chrono::milliseconds(1'700'000'000'123)),
          .life = std::chrono::hours(24),
          .is_one_time = true};
}

TEST(Session, IsReadAsWritten) {
  EXPECT_EQ(*decode_session(encode(sample())), sample());
}

TEST(Session, WhatDoesNotFitIsRefused) {
  const std::string bytes = encode(sample());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_EQ(decode_session(bytes.substr(0, length)).error().code, Errc::corrupted) << length;
  EXPECT_EQ(decode_session(bytes + "x").error().code, Errc::corrupted);
  std::string changed = bytes;
  changed[0] = 2;
  EXPECT_EQ(decode_session(changed).error().code, Errc::unsupported);
  changed = bytes;
  changed[1] = 2;
  EXPECT_EQ(decode_session(changed).error().code, Errc::corrupted);
}

TEST(Session, IdsAreHexDigitsAndStoredAsDigests) {
  const std::string id = make_session_id({1, 2, 3, ~0ull});
  EXPECT_EQ(id, "000000000000000100000000000000020000000000000003ffffffffffffffff");
  EXPECT_TRUE(is_session_id(id));
  for (const char* bad : {"", "0", "../../x"}) EXPECT_FALSE(is_session_id(bad)) << bad;
  EXPECT_FALSE(is_session_id(std::string(64, 'G')));
  EXPECT_EQ(session_digest("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace headgate
