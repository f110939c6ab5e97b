// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>

#include "access/token_test_support.hpp"
#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;

const std::string kSecret = "a secret that is long enough: 32+ bytes";

class TokenApi : public ApiTest {
 protected:
  TokenApi() {
    make_database("db", config(""));
    make_user("db", ann_, R"(["red"])");
  }

  /// Of one issuer with a secret, and more members for it.
  static std::string config(std::string_view more) {
    return fmt::format(R"({{"jwt":[{{"issuer":"id","audience":"hg","keys":[{{"alg":"HS256",
                           "secret":"{}"}}]{}}}]}})",
                       kSecret, more);
  }
  static std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  static std::string claims(std::string_view name, std::string_view more = "",
                            std::int64_t issued_ago = 0) {
    return fmt::format(R"({{{}"iss":"id","aud":"hg","sub":"{}","iat":{},"exp":{}}})", more, name,
                       now() - issued_ago, now() + 600);
  }
  Answer with_token(const std::string& token, HttpMethod method, std::string_view target,
                    std::string_view body = {}) {
    return user({}, method, target, body, {{"Authorization", "Bearer " + token}});
  }
  Answer as(std::string_view name, std::string_view target, std::string_view more = "",
            std::int64_t issued_ago = 0) {
    return with_token(hs256_token(kSecret, claims(name, more, issued_ago)), get, target);
  }
};

TEST_F(TokenApi, ATokenStandsForItsUser) {
  const Answer who = as("ann", "/db/_session");
  EXPECT_EQ(who.status, 200) << who.body;
  EXPECT_EQ(who.at("userCtx", "name"), "ann");
  EXPECT_NE(who.at("userCtx", "channels", "red"), "");
  const RsaSigner signer;
  JsonWriter pem;
  pem.string(signer.public_pem());
  make_database("rsa", fmt::format(R"({{"jwt":[{{"issuer":"id","audience":"hg","keys":[
                                      {{"alg":"RS256","kid":"1","public_key":{}}}]}}]}})",
                                   pem.text()));
  make_user("rsa", ann_, "[]");
  EXPECT_EQ(with_token(rs256_token(signer, claims("ann")), get, "/rsa/").status, 200);
  expect_error(with_token(hs256_token(signer.public_pem(), claims("ann")), get, "/rsa/"), 401,
               "unauthorized");
}

TEST_F(TokenApi, WhatIsNoGoodTokenIsRefused) {
  for (const std::string& token :
       {std::string(), std::string("x"), unsigned_token(R"({"alg":"none"})", claims("ann")) + ".",
        hs256_token(std::string(32, 'x'), claims("ann"))}) {
    const Answer refused = with_token(token, get, "/db/");
    expect_error(refused, 401, "unauthorized", token);
    EXPECT_THAT(refused.at("reason"), HasSubstr("Invalid")) << token;
  }
  const Answer late = as("ann", "/db/", R"("exp":1000,)");
  expect_error(late, 401, "unauthorized");
  EXPECT_EQ(late.at("reason"), "Invalid token: expired");
  expect_error(as("nobody", "/db/"), 401, "unauthorized");
  ASSERT_EQ(admin(put, "/db/_user/ann", R"({"disabled":true})").status, 200);
  expect_error(as("ann", "/db/"), 401, "unauthorized");
  make_database("plain");
  make_user("plain", ann_, "[]");
  expect_error(as("ann", "/plain/"), 401, "unauthorized", "no issuer is configured");
}

TEST_F(TokenApi, TokensMakeUsersWhereTheyMay) {
  ASSERT_EQ(admin(put, "/db/_config", config(R"(,"register":true,"user_prefix":"id_")")).status,
            201);
  EXPECT_EQ(as("eve", "/db/_session").at("userCtx", "name"), "id_eve");
  EXPECT_EQ(admin(get, "/db/_user/id_eve").status, 200);
  expect_error(user({"id_eve", ""}, get, "/db/"), 401, "unauthorized", "it has no password");
}

TEST_F(TokenApi, ClaimsGiveChannelsAndRolesUntilANewerTokenGivesOthers) {
  ASSERT_EQ(admin(put, "/db/_config", config(R"(,"channels_claim":"ch","roles_claim":"r")")).status,
            201);
  ASSERT_EQ(admin(put, "/db/_role/staff", R"({"admin_channels":["desk"]})").status, 201);
  store("memo", R"({"channels":["desk"]})");
  store("goal", R"({"channels":["sport"]})");
  constexpr std::string_view kMore = R"("ch":["sport"],"r":["staff"],)";
  EXPECT_EQ(as("ann", "/db/memo", kMore, 100).status, 200);
  EXPECT_EQ(as("ann", "/db/goal", kMore, 100).status, 200);
  EXPECT_EQ(user(get, "/db/goal").status, 200) << "with any login";
  const Answer shown = admin(get, "/db/_user/ann");
  EXPECT_EQ(shown.at("token_channels"), R"(["sport"])");
  EXPECT_EQ(shown.at("admin_channels"), R"(["red"])") << "kept apart";
  const Answer why = admin(get, "/db/_explain?doc=goal&user=ann");
  EXPECT_EQ(why.at("user", "channels", 1, "by"), "admin") << why.body;
  EXPECT_EQ(why.at("user", "channels", 2, "by"), "token") << why.body;
  EXPECT_EQ(why.at("user", "channels", 3, "role_by"), "token") << why.body;
  const std::string sequence = admin(get, "/db/").at("update_seq");
  EXPECT_EQ(as("ann", "/db/goal", kMore, 90).status, 200);
  EXPECT_EQ(admin(get, "/db/").at("update_seq"), sequence) << "nothing new, nothing written";
  expect_error(as("ann", "/db/goal", R"("ch":[],"r":["staff"],)", 50), 403, "forbidden");
  expect_error(as("ann", "/db/goal", kMore, 100), 403, "forbidden", "the older token");
  EXPECT_EQ(as("ann", "/db/memo", R"("ch":[],"r":["staff"],)", 40).status, 200);
}

TEST_F(TokenApi, ATokenBeginsASession) {
  const Answer in = with_token(hs256_token(kSecret, claims("ann")), post, "/db/_session");
  EXPECT_EQ(in.status, 200) << in.body;
  EXPECT_TRUE(in.headers.has("Set-Cookie"));
}

TEST_F(TokenApi, ConfigurationsAreCheckedAndReadBack) {
  const Answer shown = admin(get, "/db/_config");
  EXPECT_EQ(shown.at("jwt", 0, "username_claim"), "sub");
  EXPECT_EQ(admin(put, "/db/_config", shown.body).status, 201);
  EXPECT_EQ(as("ann", "/db/").status, 200);
  for (const char* jwt :
       {"5", "[{}]", R"([{"issuer":"a","audience":"b","keys":[]}])",
        R"([{"issuer":"a","audience":"b","keys":[{"alg":"HS256","secret":"short"}]}])",
        R"([{"issuer":"a","audience":"b","keys":[{"alg":"RS256","public_key":"x"}]}])",
        R"([{"issuer":"a","audience":"b","keys":[{"alg":"none"}]}])",
        R"([{"issuer":"a","audience":"b","keys":[{"alg":"RS256","secret":
             "0123456789012345678901234567890123456789"}]}])",
        R"([{"issuer":"a","audience":"b","other":1}])"})
    expect_error(admin(put, "/bad", fmt::format(R"({{"jwt":{}}})", jwt)), 400, "bad_request", jwt);
}

}  // namespace
}  // namespace headgate
