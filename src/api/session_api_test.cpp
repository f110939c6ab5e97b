// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "access/password.hpp"
#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr std::string_view kAnn = R"({"name":"ann","password":"secret"})";
const HttpHeaders kForm{{"Content-Type", "application/x-www-form-urlencoded"}};

class SessionApi : public ApiTest {
 protected:
  SessionApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
  }

  static std::string set_cookie(const Answer& answer) {
    return std::string(answer.headers.find("Set-Cookie").value_or(""));
  }
  /// The name and value that a browser sends back.
  static HttpHeaders cookie_of(const Answer& answer) {
    const std::string text = set_cookie(answer);
    return {{"Cookie", "theme=dark; " + text.substr(0, text.find(';'))}};
  }
  Answer log_in(std::string_view body = kAnn, HttpHeaders headers = {},
                std::string_view query = {}) {
    return user({}, post, fmt::format("/db/_session{}", query), body, std::move(headers));
  }
  HttpHeaders session() {
    const Answer in = log_in();
    EXPECT_EQ(in.status, 200) << in.body;
    return cookie_of(in);
  }
  int status_with(const HttpHeaders& cookie) { return user({}, get, "/db/", {}, cookie).status; }
};

TEST_F(SessionApi, ALoginGivesACookieThatScriptsCannotRead) {
  const Answer in = log_in();
  EXPECT_EQ(in.status, 200);
  EXPECT_EQ(in.at("ok"), "true");
  EXPECT_EQ(in.at("name"), "ann");
  EXPECT_EQ(in.at("roles"), "[]");
  EXPECT_EQ(in.at("userCtx", "name"), "ann");
  EXPECT_THAT(set_cookie(in), MatchesRegex("SyncGatewaySession=[0-9a-f]{64}; Path=/db; "
                                           "Max-Age=86400; HttpOnly; SameSite=Lax"));
  const Answer who = user({}, get, "/db/_session", {}, cookie_of(in));
  EXPECT_EQ(who.at("userCtx", "name"), "ann");
  EXPECT_NE(who.at("userCtx", "channels", "red"), "");
  EXPECT_EQ(who.at("authentication_handlers"), R"(["default","cookie"])");
}

TEST_F(SessionApi, FormsLogInToo) {
  EXPECT_EQ(log_in("name=ann&password=secret", kForm).status, 200);
  EXPECT_EQ(log_in("username=ann&password=secre%74", kForm).status, 200);
  EXPECT_EQ(log_in(kAnn, kForm).status, 200) << "as curl -d sends it";
  EXPECT_EQ(log_in(kAnn, {{"Content-Type", "application/json"}}).status, 200);
  expect_error(log_in("name=ann", kForm), 400, "bad_request");
  expect_error(log_in("name=%", kForm), 400, "bad_request");
  expect_error(log_in("{}"), 400, "bad_request");
  expect_error(log_in(R"({"name":5,"password":"secret"})"), 400, "bad_request");
  expect_error(log_in("name=ann&password=secret", {{"Content-Type", "image/png"}}), 415,
               "bad_content_type");
}

TEST_F(SessionApi, WrongLoginsLookAlike) {
  make_user("db", {"eve", "secret"}, "[]");
  ASSERT_EQ(admin(put, "/db/_user/eve", R"({"disabled":true})").status, 200);
  const Answer wrong = log_in(R"({"name":"ann","password":"wrong"})");
  expect_error(wrong, 401, "unauthorized");
  for (const char* body :
       {R"({"name":"nobody","password":"wrong"})", R"({"name":"","password":""})",
        R"({"name":"eve","password":"secret"})", R"({"name":"a:b/c","password":"secret"})"}) {
    const Answer other = log_in(body);
    EXPECT_EQ(other.status, wrong.status) << body;
    EXPECT_EQ(other.body, wrong.body) << body;
    EXPECT_EQ(set_cookie(other), "") << body;
  }
  EXPECT_FALSE(wrong.headers.has("WWW-Authenticate")) << "a browser would open a dialog";
  expect_error(user({}, post, "/nowhere/_session", kAnn), 404, "not_found");
}

TEST_F(SessionApi, ALogoutEndsTheSession) {
  const HttpHeaders cookie = session();
  const HttpHeaders other = session();
  EXPECT_EQ(status_with(cookie), 200);
  const Answer out = user({}, del, "/db/_session", {}, cookie);
  EXPECT_EQ(out.status, 200);
  EXPECT_THAT(set_cookie(out), HasSubstr("SyncGatewaySession=; Path=/db; Max-Age=0"));
  const Answer late = user({}, get, "/db/", {}, cookie);
  expect_error(late, 401, "unauthorized");
  EXPECT_THAT(set_cookie(late), HasSubstr("Max-Age=0"));
  EXPECT_EQ(status_with(other), 200);
  EXPECT_EQ(user({}, del, "/db/_session").status, 200);
}

TEST_F(SessionApi, AnExpiredSessionIsNoGuest) {
  make_database("open", R"({"guest":{"disabled":false},"sessions":{"ttl_s":1}})");
  make_user("open", ann_, "[]");
  EXPECT_EQ(user({}, get, "/open/").status, 200);
  const HttpHeaders cookie = cookie_of(user({}, post, "/open/_session", kAnn));
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  // Renewed at each use, so it must be left alone to end; an admin's look does not renew.
  const std::string id(cookie.find("Cookie")->substr(cookie.find("Cookie")->rfind('=') + 1));
  while (admin(get, "/open/_session/" + id).status == 200)
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
  expect_error(user({}, get, "/open/", {}, cookie), 401, "unauthorized");
}

TEST_F(SessionApi, CookiesAreOfOneDatabase) {
  make_database("other");
  make_user("other", ann_, "[]");
  expect_error(user({}, get, "/other/", {}, session()), 401, "unauthorized");
}

TEST_F(SessionApi, APasswordChangeOrADisablingEndsSessions) {
  HttpHeaders cookie = session();
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"password":"secret2"})").status, 200);
  EXPECT_EQ(status_with(cookie), 401);
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"password":"secret"})").status, 200);
  cookie = session();
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"disabled":true})").status, 200);
  EXPECT_EQ(status_with(cookie), 401);
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"disabled":false})").status, 200);
  EXPECT_EQ(status_with(cookie), 401);
  EXPECT_EQ(status_with(session()), 200);
}

TEST_F(SessionApi, AdminsBeginAndEndSessions) {
  const Answer made = admin(post, "/db/_session", R"({"name":"ann","ttl":60})");
  EXPECT_EQ(made.status, 200) << made.body;
  EXPECT_THAT(made.at("expires"), HasSubstr("T"));
  const std::string id = made.at("session_id");
  const HttpHeaders cookie{{"Cookie", made.at("cookie_name") + "=" + id}};
  EXPECT_EQ(status_with(cookie), 200);
  EXPECT_EQ(admin(get, "/db/_session/" + id).at("userCtx", "name"), "ann");
  EXPECT_EQ(admin(del, "/db/_session/" + id).status, 200);
  EXPECT_EQ(status_with(cookie), 401);
  expect_error(admin(get, "/db/_session/" + id), 404, "not_found");
  const std::string another = admin(post, "/db/_session", R"({"name":"ann"})").at("session_id");
  make_user("db", {"eve", "secret"}, "[]");
  expect_error(admin(del, "/db/_user/eve/_session/" + another), 404, "not_found", "not hers");
  EXPECT_EQ(status_with({{"Cookie", "SyncGatewaySession=" + another}}), 200);
  EXPECT_EQ(admin(del, "/db/_user/ann/_session/" + another).status, 200);
  EXPECT_EQ(status_with({{"Cookie", "SyncGatewaySession=" + another}}), 401);
  expect_error(admin(del, "/db/_user/ann/_session/" + another), 404, "not_found");
  const HttpHeaders one = session();
  const HttpHeaders two = session();
  EXPECT_EQ(admin(del, "/db/_user/ann/_session").status, 200);
  EXPECT_EQ(status_with(one), 401);
  EXPECT_EQ(status_with(two), 401);
  EXPECT_EQ(user(get, "/db/").status, 200) << "the password is as it was";
}

TEST_F(SessionApi, WhatAdminsAskForMustMakeSense) {
  expect_error(admin(post, "/db/_session", R"({"name":"nobody"})"), 404, "not_found");
  for (const char* body : {"{}", R"({"name":""})", R"({"name":"ann","ttl":0})",
                           R"({"name":"ann","ttl":"1"})", R"({"name":"ann","ttl":99999999999})"})
    expect_error(admin(post, "/db/_session", body), 400, "bad_request", body);
  expect_error(admin(post, "/db/_session", R"({"name":"ann"})",
                     {{"Content-Type", "text/plain"}, {"Origin", "http://evil.example"}}),
               403, "forbidden");
  expect_error(admin(del, "/db/_user/nobody/_session"), 404, "not_found");
  for (const char* target :
       {"/db/_session/1", "/db/_user/ann/_session", "/db/_user/ann/_session/1"})
    expect_error(user(del, target), 404, "not_found", target);
}

TEST_F(SessionApi, AOneTimeSessionHasNoCookie) {
  const Answer in = log_in(kAnn, {}, "?one_time=true");
  EXPECT_EQ(in.status, 200);
  EXPECT_EQ(set_cookie(in), "");
  const std::string id = in.at("one_time_session_id");
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{64}"));
  EXPECT_EQ(status_with({{"Cookie", "SyncGatewaySession=" + id}}), 401);
  EXPECT_NE(user(ann_, post, "/db/_session?one_time=true").at("one_time_session_id"), "")
      << "with any login";
  expect_error(user({}, post, "/db/_session?one_time=true"), 401, "unauthorized");
}

TEST_F(SessionApi, PagesOfOtherSitesCannotUseTheCookie) {
  HttpHeaders cookie = session();
  EXPECT_EQ(status_with(HttpHeaders(cookie).add("Origin", server_.url(ApiPort::public_port))), 200);
  EXPECT_EQ(status_with(HttpHeaders(cookie).add("Origin", "http://evil.example")), 401);
  EXPECT_EQ(status_with(HttpHeaders(cookie).add("Origin", "null")), 401);
  expect_error(log_in("name=ann&password=secret", HttpHeaders(kForm).add("Origin", "http://evil")),
               403, "forbidden");
  const Answer refused = log_in(kAnn, {{"Origin", "http://evil.example"}});
  expect_error(refused, 403, "forbidden");
  EXPECT_EQ(set_cookie(refused), "");
  EXPECT_EQ(log_in("name=ann&password=secret",
                   HttpHeaders(kForm).add("Origin", server_.url(ApiPort::public_port)))
                .status,
            200);
}

TEST_F(SessionApi, CookiesAreAsConfigured) {
  make_database("safe", R"({"sessions":{"ttl_s":60,"cookie_secure":true,
                                        "cookie_same_site":"none"}})");
  make_user("safe", ann_, "[]");
  EXPECT_THAT(set_cookie(user({}, post, "/safe/_session", kAnn)),
              HasSubstr("Path=/safe; Max-Age=60; HttpOnly; SameSite=None; Secure"));
  EXPECT_EQ(admin(get, "/safe/_config").at("sessions"),
            R"({"ttl_s":60,"cookie_secure":true,"cookie_same_site":"none"})");
  for (const char* sessions : {R"({"ttl_s":0})", R"({"cookie_same_site":"no"})", "5",
                               R"({"cookie_secure":1})", R"({"other":1})"})
    expect_error(admin(put, "/bad", fmt::format(R"({{"sessions":{}}})", sessions)), 400,
                 "bad_request", sessions);
}

/// Repeats a wrong login until it is no longer looked at: on a busy machine failures are forgotten
/// between the first and the tenth.
Answer repeat_until_blocked(const std::function<Answer()>& attempt) {
  Answer last = attempt();
  for (int attempts = 1; last.status == 401 && attempts < 200; ++attempts) last = attempt();
  return last;
}

TEST_F(SessionApi, GuessingIsSlowedDown) {
  EXPECT_EQ(user(get, "/db/").status, 200);
  for (const char* name : {"ann", "nobody"}) {
    const Login wrong{name, "wrong"};
    const Answer blocked = repeat_until_blocked([&] { return user(wrong, get, "/db/"); });
    expect_error(blocked, 429, "too_many_requests");
    EXPECT_THAT(std::string(blocked.headers.find("Retry-After").value_or("")),
                MatchesRegex("[1-9]"));
  }
  const auto log_in_wrongly = [&] { return log_in(R"({"name":"ann","password":"wrong"})"); };
  expect_error(repeat_until_blocked(log_in_wrongly), 429, "too_many_requests");
  EXPECT_EQ(user(get, "/db/").status, 200) << "who was in stays in";
}

class GuardedAdminApi : public ApiTest {
 protected:
  GuardedAdminApi()
      : ApiTest(AdminCredentials{"root", hash_password("letmein", {1, 2}, 4).value()}) {}
};

TEST_F(GuardedAdminApi, GuessingTheAdminsPasswordIsSlowedDown) {
  const auto attempt = [this] {
    return admin(get, "/_all_dbs", {}, with_login({"root", "wrong"}, {}));
  };
  expect_error(repeat_until_blocked(attempt), 429, "too_many_requests");
}

TEST_F(GuardedAdminApi, WithALoginItAnswersToEveryName) {
  EXPECT_EQ(
      admin(get, "/_all_dbs", {}, with_login({"root", "letmein"}, {{"Host", "admin.example"}}))
          .status,
      200);
}

TEST_F(SessionApi, AnAdminPortWithoutALoginAnswersToLocalNamesAlone) {
  for (const char* host :
       {"localhost", "LOCALHOST:4985", "127.0.0.1", "127.1.2.3:80", "[::1]:4985"})
    EXPECT_EQ(admin(get, "/_all_dbs", {}, {{"Host", host}}).status, 200) << host;
  for (const char* host :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "192.0.2.1:4985"})
    expect_error(admin(get, "/_all_dbs", {}, {{"Host", host}}), 403, "forbidden", host);
}

}  // namespace
}  // namespace headgate
