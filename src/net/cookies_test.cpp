// SPDX-License-Identifier: Apache-2.0
#include "net/cookies.hpp"

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(Cookies, AreFoundByTheirWholeName) {
  const HttpHeaders headers{{"Cookie", "a=1; bb=2;c = 3;d;=e;  b=x=y "}, {"cookie", "late=4; a=5"}};
  EXPECT_EQ(find_cookie(headers, "a"), "1");
  EXPECT_EQ(find_cookie(headers, "bb"), "2");
  EXPECT_EQ(find_cookie(headers, "b"), "x=y");
  EXPECT_EQ(find_cookie(headers, "late"), "4");
  EXPECT_EQ(find_cookie(headers, "d"), std::nullopt);
  EXPECT_EQ(find_cookie(headers, "A"), std::nullopt);
  EXPECT_EQ(find_cookie({}, "a"), std::nullopt);
}

TEST(Cookies, AreNotForScripts) {
  SetCookie cookie{.name = "s", .value = "1", .path = "/db", .max_age = std::chrono::minutes(1)};
  EXPECT_EQ(cookie.text(), "s=1; Path=/db; Max-Age=60; HttpOnly; SameSite=Lax");
  cookie.is_secure = true;
  cookie.same_site = "None";
  EXPECT_EQ(cookie.text(), "s=1; Path=/db; Max-Age=60; HttpOnly; SameSite=None; Secure");
}

}  // namespace
}  // namespace headgate
