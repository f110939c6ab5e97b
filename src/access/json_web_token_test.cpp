// SPDX-License-Identifier: Apache-2.0
#include "access/json_web_token.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "access/token_test_support.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000;
const std::string kSecret = "a secret that is long enough: 32+ bytes";

class JsonWebToken : public testing::Test {
 protected:
  JsonWebToken() {
    TokenIssuer& issuer = issuers_.emplace_back();
    issuer.issuer = "https://id.example";
    issuer.audience = "headgate";
    issuer.keys.push_back(TokenKey::hs256("", kSecret).value());
    issuer.keys.push_back(TokenKey::rs256("k1", signer().public_pem()).value());
  }

  static const RsaSigner& signer() {
    static const RsaSigner signer;
    return signer;
  }
  /// Good claims with more members, which come first and so win.
  static std::string claims(std::string_view more = "") {
    return fmt::format(
        R"({{{}"iss":"https://id.example","aud":"headgate","sub":"ann","exp":{},"iat":{}}})", more,
        kNow + 600, kNow);
  }
  Result<TokenClaims> verify(std::string_view token) {
    return verify_token(token, issuers_, WallTime(std::chrono::seconds(kNow)));
  }
  void expect_refused(std::string_view token, std::string_view what,
                      std::string_view reason = "Invalid token") {
    const auto verified = verify(token);
    ASSERT_FALSE(verified) << what;
    EXPECT_EQ(verified.error().code, Errc::unauthorized) << what;
    EXPECT_THAT(verified.error().context, HasSubstr(std::string(reason))) << what;
  }
  void expect_refused_claims(std::string_view more, std::string_view reason) {
    expect_refused(hs256_token(kSecret, claims(more)), more, reason);
  }

  std::vector<TokenIssuer> issuers_;
};

TEST_F(JsonWebToken, AGoodTokenNamesItsUser) {
  for (const std::string& token :
       {hs256_token(kSecret, claims()), rs256_token(signer(), claims()),
        rs256_token(signer(), claims(), R"({"alg":"RS256","kid":"k1"})")}) {
    const auto verified = verify(token);
    ASSERT_TRUE(verified) << verified.error().context;
    EXPECT_EQ(verified->user, "ann");
    EXPECT_FALSE(verified->roles);
    EXPECT_FALSE(verified->channels);
    EXPECT_FALSE(verified->makes_user);
    EXPECT_EQ(verified->issued_at, static_cast<std::uint64_t>(kNow));
  }
}

TEST_F(JsonWebToken, TheExampleOfRfc7515IsVerified) {
  std::string key =
      decode_base64(
          "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr"
          "1Z9CAow==")
          .value();
  const std::string_view token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  issuers_[0].issuer = "joe";
  issuers_[0].keys = {TokenKey::hs256("", std::move(key)).value()};
  expect_refused(token, "it is signed, but has no audience", "audience");
}

TEST_F(JsonWebToken, NoneAndConfusedKeysAreRefused) {
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":""})", "{}",
                             R"({"alg":null})", R"({"alg":["HS256"]})", R"({"alg":"hs256"})"}) {
    expect_refused(unsigned_token(header, claims()) + ".", header);
    expect_refused(hs256_token(kSecret, claims(), header), header);
  }
  const std::string pem = signer().public_pem();
  expect_refused(hs256_token(pem, claims()), "the public key as a secret");
  expect_refused(hs256_token(pem, claims(), R"({"alg":"RS256"})"), "HMAC called RS256");
  expect_refused(rs256_token(signer(), claims(), R"({"alg":"HS256"})"), "RSA called HS256");
  issuers_[0].keys.erase(issuers_[0].keys.begin());
  expect_refused(hs256_token(kSecret, claims()), "no key of that algorithm");
}

TEST_F(JsonWebToken, WhatIsNotSignedByTheIssuerIsRefused) {
  expect_refused(hs256_token("another secret that is long enough...", claims()), "other secret");
  expect_refused(rs256_token(RsaSigner(), claims()), "other key");
  expect_refused(rs256_token(signer(), claims(), R"({"alg":"RS256","kid":"k2"})"), "other kid");
  expect_refused(hs256_token(kSecret, claims(R"("iss":"https://other.example",)")), "other issuer");
  expect_refused(hs256_token(kSecret, claims(), R"({"alg":"HS256","crit":["b64"]})"), "crit");
  const std::string good = hs256_token(kSecret, claims());
  for (std::size_t at : {std::size_t{3}, good.find('.') + 5, good.size() - 5}) {
    std::string changed = good;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    expect_refused(changed, "changed");
  }
}

TEST_F(JsonWebToken, WhatIsNoTokenIsRefused) {
  const std::string good = hs256_token(kSecret, claims());
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), good + "=",
        good + ".x", good.substr(0, good.rfind('.')), good.substr(0, good.rfind('.') + 1),
        " " + good, std::string(20'000, 'a'), hs256_token(kSecret, "[]"), hs256_token(kSecret, "{"),
        hs256_token(kSecret, std::string(100, '[') + std::string(100, ']'))})
    expect_refused(token, token.substr(0, 40));
}

TEST_F(JsonWebToken, TimesCountWithAMinutesLeeway) {
  const auto time = [](const char* name, std::int64_t at) {
    return fmt::format(R"("{}":{},)", name, kNow + at);
  };
  const auto is_good = [&](const std::string& more) {
    return verify(hs256_token(kSecret, claims(more))).has_value();
  };
  EXPECT_TRUE(is_good(time("exp", -59)));
  EXPECT_TRUE(is_good(time("nbf", 59)));
  EXPECT_TRUE(is_good(time("iat", 59)));
  EXPECT_TRUE(is_good(R"("exp":1700000000.5,)"));
  expect_refused_claims(time("exp", -61), "expired");
  expect_refused_claims(time("nbf", 61), "not valid yet");
  expect_refused_claims(time("iat", 61), "not valid yet");
  for (const char* more : {R"("exp":null,)", R"("exp":"1900000000",)", R"("exp":-1,)"})
    expect_refused_claims(more, "expired");
  expect_refused_claims(R"("nbf":"soon",)", "not valid yet");
}

TEST_F(JsonWebToken, TheAudienceMustBeThisOne) {
  EXPECT_TRUE(verify(hs256_token(kSecret, claims(R"("aud":["other","headgate"],)"))));
  for (const char* more : {R"("aud":"other",)", R"("aud":[],)", R"("aud":null,)",
                           R"("aud":["Headgate"],)", R"("aud":{"headgate":1},)"})
    expect_refused_claims(more, "audience");
}

TEST_F(JsonWebToken, ClaimsAreReadAsConfigured) {
  issuers_[0].username_claim = "email";
  issuers_[0].user_prefix = "sso_";
  issuers_[0].roles_claim = "groups";
  issuers_[0].channels_claim = "https://id.example/channels";
  issuers_[0].makes_users = true;
  const auto read =
      verify(hs256_token(kSecret, claims(R"("email":"ann@x.example","groups":["staff","dev"],
                         "https://id.example/channels":"red",)")));
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(read->user, "sso_ann@x.example");
  EXPECT_THAT(*read->roles, ElementsAre("dev", "staff"));
  EXPECT_THAT(*read->channels, ElementsAre("red"));
  EXPECT_TRUE(read->makes_user);
  const auto bare = verify(hs256_token(kSecret, claims(R"("email":"ann",)")));
  EXPECT_THAT(*bare->roles, ElementsAre()) << "a claim that is absent gives none";
  expect_refused_claims("", "email is no user's name");
  for (const char* bad : {R"("email":5,)", R"("email":"",)", R"("email":"a/b",)"})
    expect_refused_claims(bad, "email is no user's name");
  for (const char* bad : {R"("groups":5,)", R"("groups":[5],)", R"("groups":["a,b"],)"})
    expect_refused_claims(std::string(R"("email":"ann",)") + bad, "groups");
  expect_refused_claims(R"("email":"ann","iat":null,)", "not valid yet");
  expect_refused_claims(R"("email":"ann","iat":0,)", "iat is missing");
}

TEST_F(JsonWebToken, WeakKeysAreRefused) {
  EXPECT_FALSE(TokenKey::hs256("", std::string(31, 'a')));
  EXPECT_FALSE(TokenKey::rs256("", "no key"));
  EXPECT_FALSE(TokenKey::rs256("", RsaSigner(1024).public_pem()));
  EXPECT_EQ(TokenKey::rs256("", "").error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace headgate
