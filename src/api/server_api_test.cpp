// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "access/password.hpp"
#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;
using testing::MatchesRegex;

class ServerApi : public ApiTest {
 protected:
  ServerApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
  }
};

TEST_F(ServerApi, TheRootSaysWhoItIs) {
  const Answer root = user({}, get, "/");
  EXPECT_EQ(root.status, 200);
  EXPECT_EQ(root.at("couchdb"), "Welcome");
  EXPECT_THAT(root.at("uuid"), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(root.at("vendor", "name"), "Headgate");
  EXPECT_EQ(user({}, get, "/").at("uuid"), root.at("uuid"));
  EXPECT_EQ(user({}, head, "/").body, "");
}

TEST_F(ServerApi, HealthNeedsNoLogin) {
  EXPECT_EQ(user({}, get, "/_health").status, 200);
  EXPECT_EQ(admin(get, "/_health").status, 200);
}

TEST_F(ServerApi, WhatAdminsHaveIsNotOnThePublicPort) {
  EXPECT_EQ(admin(get, "/_metrics").body, "headgate_test 1\n");
  EXPECT_THAT(admin(get, "/_metrics").headers.find("Content-Type").value(),
              HasSubstr("text/plain"));
  EXPECT_EQ(admin(get, "/_all_dbs").body, "[\"db\"]\n");
  for (const char* target :
       {"/_metrics", "/_all_dbs", "/db/_config", "/db/_user/", "/db/_user/ann", "/db/_role/staff"})
    expect_error(user(get, target), 404, "not_found", target);
  expect_error(user(del, "/db"), 405, "method_not_allowed");
}

TEST_F(ServerApi, UnknownAddressesAndMethods) {
  for (const char* target :
       {"/nowhere", "/nowhere/doc", "/db/_nothing", "/db/_user/a/b", "/_nothing", "/Bad%20Name/"})
    expect_error(admin(get, target), 404, "not_found", target);
  const Answer refused = user(put, "/db/_changes");
  expect_error(refused, 405, "method_not_allowed");
  EXPECT_EQ(refused.headers.find("Allow").value(), "GET, POST");
  EXPECT_EQ(refused.at("reason"), "Only GET, POST allowed");
  EXPECT_EQ(admin(patch, "/db/").headers.find("Allow").value(), "GET, HEAD, POST, PUT, DELETE");
  EXPECT_EQ(user(patch, "/db/").headers.find("Allow").value(), "GET, HEAD, POST, PUT");
}

TEST_F(ServerApi, BodiesAreJsonOrOfATypeThatNobodyChose) {
  for (const char* type : {"multipart/related; boundary=x", "application/xml", "image/png", "json",
                           "application/json-seq", "multipart/form-data"})
    for (const char* target : {"/db/", "/db/_bulk_docs", "/db/_revs_diff", "/db/_changes"})
      expect_error(user(post, target, "{}", {{"Content-Type", type}}), 415, "bad_content_type",
                   type);
  expect_error(user(put, "/db/a", "{}", {{"Content-Type", "image/png"}}), 415, "bad_content_type");
  expect_error(admin(put, "/db/_user/bob", R"({"password":"letmein"})",
                     {{"Content-Type", "application/xml"}}),
               415, "bad_content_type");
  // curl and fetch() name these if nobody says anything.
  for (const char* type : {"application/json", "Application/JSON ; charset=utf-8",
                           "application/x-www-form-urlencoded", "text/plain;charset=UTF-8"})
    EXPECT_EQ(user(post, "/db/_revs_diff", "{}", {{"Content-Type", type}}).status, 200) << type;
  EXPECT_EQ(user(post, "/db/_compact", "", {{"Content-Type", "image/png"}}).status, 202);
  EXPECT_EQ(admin(put, "/db/a/image", "x", {{"Content-Type", "image/png"}}).status, 201);
}

// Pages of other sites can send these types, and none, without the browser asking the server first.
TEST_F(ServerApi, AWebPageMustSayThatItsBodyIsJson) {
  const std::string origin = server_.url(ApiPort::admin_port);
  for (const char* type : {"application/x-www-form-urlencoded", "text/plain"})
    expect_error(admin(post, "/db/_user/", R"({"name":"eve","password":"letmein"})",
                       {{"Content-Type", type}, {"Origin", origin}}),
                 415, "bad_content_type", type);
  expect_error(admin(post, "/db/", "{}", {{"Origin", origin}}), 415, "bad_content_type");
  EXPECT_EQ(
      admin(post, "/db/", "{}", {{"Content-Type", "application/json"}, {"Origin", origin}}).status,
      200);
}

TEST_F(ServerApi, LoginsAreBasicThenGuest) {
  const Answer none = user({}, get, "/db/");
  expect_error(none, 401, "unauthorized");
  EXPECT_EQ(none.at("reason"), "Login required");
  EXPECT_THAT(std::string(none.headers.find("WWW-Authenticate").value()),
              HasSubstr("Basic realm="));
  for (const Login& login : {Login{"ann", "wrong"}, Login{"ann", ""}, Login{"bob", "secret"}}) {
    const Answer wrong = user(login, get, "/db/");
    expect_error(wrong, 401, "unauthorized", login.name);
    EXPECT_EQ(wrong.at("reason"), "Invalid login");
  }
  for (const char* value : {"Bearer x", "Basic", "Basic ***", "Basic Og=="})
    expect_error(user({}, get, "/db/", {}, {{"Authorization", value}}), 401, "unauthorized", value);
  EXPECT_EQ(user(get, "/db/").status, 200);
  make_database("open", R"({"guest":{"disabled":false,"admin_channels":["news"]}})");
  EXPECT_EQ(user({}, get, "/open/").status, 200);
  expect_error(user(get, "/open/"), 401, "unauthorized", "a user of another database");
}

TEST_F(ServerApi, TheAdminPortServesWhateverLoginComes) {
  EXPECT_EQ(admin(get, "/db/", {}, with_login({"no", "body"}, {})).status, 200);
}

TEST_F(ServerApi, SessionTellsWhoOneIs) {
  const Answer session = user(get, "/db/_session");
  EXPECT_EQ(session.at("userCtx", "name"), "ann");
  EXPECT_NE(session.at("userCtx", "channels", "red"), "");
  EXPECT_EQ(session.at("userCtx", "channels", "!"), "1");
  EXPECT_EQ(admin(get, "/db/_session").at("userCtx", "name"), "");
}

TEST_F(ServerApi, DatabasesAreMadeAndDeleted) {
  expect_error(admin(put, "/db"), 412, "file_exists");
  EXPECT_EQ(admin(put, "/other", R"({"block_format":"indexed"})").status, 201);
  EXPECT_EQ(admin(get, "/other/_config").at("block_format"), "indexed");
  EXPECT_EQ(admin(put, "/other/doc", "{}").status, 201);
  EXPECT_EQ(admin(del, "/other").status, 200);
  expect_error(admin(get, "/other/doc"), 404, "not_found");
  expect_error(admin(del, "/other"), 404, "not_found");
  EXPECT_EQ(admin(put, "/other").status, 201);
  expect_error(admin(get, "/other/doc"), 404, "not_found");
}

TEST_F(ServerApi, ClientsMayAskForADatabaseThatIsThere) {
  expect_error(user(put, "/db/"), 412, "file_exists");
  expect_error(user(put, "/other/"), 403, "forbidden");
}

TEST_F(ServerApi, BadNamesAndConfigurationsAreRefused) {
  for (const char* name : {"Upper", "_name", "1st", "a%20b"})
    expect_error(admin(put, fmt::format("/{}", name)), 400, "bad_request", name);
  for (const char* config : {"[]", "5", "{", R"({"no_such":1})", R"({"block_format":"other"})",
                             R"({"sync":"function ("})", R"({"allow_conflicts":"yes"})"})
    expect_error(admin(put, "/other", config), 400, "bad_request", config);
  EXPECT_EQ(admin(get, "/_all_dbs").body, "[\"db\"]\n");
}

TEST_F(ServerApi, AConfigurationIsReplacedAndTakesEffect) {
  expect_error(admin(put, "/db/_config", R"({"block_format":"indexed"})"), 400, "bad_request");
  expect_error(admin(put, "/db/_config", R"({"sync":"function ("})"), 400, "bad_request");
  EXPECT_EQ(
      admin(put, "/db/_config", R"({"sync":"function (doc) { throw({forbidden: 'closed'}); }"})")
          .status,
      201);
  const Answer refused = user(put, "/db/doc", "{}");
  expect_error(refused, 403, "forbidden");
  EXPECT_EQ(refused.at("reason"), "closed");
  expect_error(admin(put, "/nowhere/_config", "{}"), 404, "not_found");
}

TEST_F(ServerApi, AConfigurationNeedNotRepeatWhatIsFixed) {
  make_database("ix", R"({"block_format":"indexed","block_capacity":64,"star_channel":false})");
  for (const char* body : {R"({"revs_limit":20})", "", "{}"})
    EXPECT_EQ(admin(put, "/ix/_config", body).status, 201) << body;
  const Answer config = admin(get, "/ix/_config");
  EXPECT_EQ(config.at("block_format"), "indexed");
  EXPECT_EQ(config.at("block_capacity"), "64");
  EXPECT_EQ(config.at("star_channel"), "false");
  EXPECT_EQ(config.at("revs_limit"), "");
  for (const char* body :
       {R"({"block_format":"append"})", R"({"block_capacity":65})", R"({"star_channel":true})"})
    expect_error(admin(put, "/ix/_config", body), 400, "bad_request", body);
}

TEST_F(ServerApi, DatabaseInformationForReplicators) {
  const Answer info = user(get, "/db/");
  EXPECT_EQ(info.at("db_name"), "db");
  EXPECT_NE(info.at("update_seq"), "");
  EXPECT_NE(info.at("instance_start_time"), "");
  EXPECT_EQ(user(post, "/db/_ensure_full_commit", "{}").status, 201);
  EXPECT_EQ(user(post, "/db/_compact", "{}").status, 202);
  EXPECT_EQ(info.at("compact_running"), "false");
  EXPECT_EQ(admin(post, "/db/_compact", "{}").status, 202);
  EXPECT_EQ(user(get, "/db").status, 200);
}

TEST_F(ServerApi, UsersAreMadeShownChangedAndDeleted) {
  EXPECT_EQ(admin(put, "/db/_user/bob", R"({"password":"letmein"})").status, 201);
  EXPECT_EQ(admin(put, "/db/_user/bob", R"({"admin_channels":["a","b"]})").status, 200);
  const Answer bob = admin(get, "/db/_user/bob");
  EXPECT_EQ(bob.at("name"), "bob");
  EXPECT_EQ(bob.at("admin_channels", 1), "b");
  EXPECT_EQ(bob.at("password"), "");
  EXPECT_EQ(admin(put, "/db/_user/bob", R"({"disabled":true})").status, 200);
  EXPECT_EQ(admin(get, "/db/_user/bob").at("all_channels"), R"(["!","a","b"])");
  EXPECT_EQ(admin(get, "/db/_user/").body, "[\"ann\",\"bob\"]\n");
  EXPECT_EQ(admin(post, "/db/_user/", R"({"name":"eve","password":"letmein"})").status, 201);
  expect_error(admin(post, "/db/_user/", R"({"name":"eve","password":"letmein"})"), 409,
               "conflict");
  expect_error(admin(post, "/db/_user/", R"({"password":"letmein"})"), 400, "bad_request");
  EXPECT_EQ(admin(del, "/db/_user/eve").status, 200);
  expect_error(admin(get, "/db/_user/eve"), 404, "not_found");
  expect_error(admin(del, "/db/_user/eve"), 404, "not_found");
  expect_error(admin(del, "/db/_user/GUEST"), 405, "method_not_allowed");
  expect_error(admin(put, "/db/_user/GUEST", R"({"password":"letmein"})"), 405,
               "method_not_allowed");
  for (const auto& [target, body] : {std::pair("a:b", R"({"password":"letmein"})"),
                                     {"none", R"({"admin_channels":[]})"},
                                     {"short", R"({"password":"ab"})"},
                                     {"c", R"({"password":"abc","admin_channels":["a,b"]})"},
                                     {"d", R"({"password":"abc","no_such":1})"},
                                     {"e", "[]"}})
    expect_error(admin(put, fmt::format("/db/_user/{}", target), body), 400, "bad_request", target);
}

TEST_F(ServerApi, RolesGiveTheirChannels) {
  EXPECT_EQ(admin(put, "/db/_role/staff", R"({"admin_channels":["desk"]})").status, 201);
  EXPECT_EQ(admin(get, "/db/_role/staff").at("admin_channels", 0), "desk");
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"admin_roles":["staff"]})").status, 200);
  store("memo", R"({"channels":["desk"]})");
  EXPECT_EQ(user(get, "/db/memo").status, 200);
  EXPECT_EQ(admin(del, "/db/_role/staff").status, 200);
  expect_error(user(get, "/db/memo"), 403, "forbidden");
  expect_error(admin(put, "/db/_role/staff", R"({"no_such":1})"), 400, "bad_request");
  EXPECT_EQ(admin(put, "/db/_role/staff", R"({"admin_channels":["desk","door"]})").status, 201);
  EXPECT_EQ(admin(put, "/db/_role/staff", "{}").status, 200) << "what is absent stays";
  EXPECT_EQ(admin(get, "/db/_role/staff").at("admin_channels"), R"(["desk","door"])");
  for (const char* channels : {R"("desk")", "5", "[5]", "{}"}) {
    const Answer bad =
        admin(put, "/db/_role/staff", fmt::format(R"({{"admin_channels":{}}})", channels));
    expect_error(bad, 400, "bad_request", channels);
    EXPECT_THAT(bad.at("reason"), HasSubstr("must be a list")) << channels;
  }
  EXPECT_EQ(admin(put, "/db/_role/staff", R"({"admin_channels":null})").status, 200);
  EXPECT_EQ(admin(get, "/db/_role/staff").at("admin_channels"), "[]");
}

class AdminLoginApi : public ApiTest {
 protected:
  AdminLoginApi()
      : ApiTest(AdminCredentials{"root", hash_password("letmein", {1, 2}, 4).value()}) {}
};

TEST_F(AdminLoginApi, TheAdminPortDemandsItsLogin) {
  expect_error(admin(get, "/_all_dbs"), 401, "unauthorized");
  expect_error(admin(get, "/_all_dbs", {}, with_login({"root", "wrong"}, {})), 401, "unauthorized");
  expect_error(admin(put, "/db", {}, with_login({"other", "letmein"}, {})), 401, "unauthorized");
  EXPECT_EQ(admin(get, "/_all_dbs", {}, with_login({"root", "letmein"}, {})).status, 200);
}

class BusyApi : public ApiTest {
 protected:
  BusyApi() : ApiTest({}, 1) { make_database("db"); }
};

TEST_F(BusyApi, MoreRequestsThanTheLimitAreToldToComeBack) {
  server_.in_turn([this] {
    server_.bucket().inject(
        {.matches = writes_of_kind(KeyKind::document), .effect = FaultBucket::Effect::hold});
  });
  HttpClient other(server_.url(ApiPort::admin_port));
  std::thread writer([&] { EXPECT_EQ(other.put("/db/slow", "{}")->status, 201); });
  const auto is_held = [this] {
    bool held = false;
    server_.in_turn([&] { held = server_.bucket().held() > 0; });
    return held;
  };
  while (!is_held()) std::this_thread::yield();
  testing::internal::CaptureStderr();
  const Answer refused = admin(get, "/db/");
  for (int i = 0; i < 20; ++i) expect_error(admin(get, "/db/"), 503, "service_unavailable");
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_THAT(lines, HasSubstr("api.overloaded at_work=2 refused_so_far=1"));
  EXPECT_LT(std::ranges::count(lines, '\n'), 20) << lines;
  expect_error(refused, 503, "service_unavailable");
  EXPECT_EQ(refused.headers.find("Retry-After").value(), "1");
  EXPECT_EQ(admin(get, "/_health").status, 200);
  server_.in_turn([this] { server_.bucket().release(); });
  writer.join();
  EXPECT_EQ(admin(get, "/db/slow").status, 200);
}

TEST_F(ServerApi, ADatabaseThatCannotStartDisturbsNoOther) {
  server_.in_turn([this] {
    server_.bucket().inject({.matches = writes_of_kind(KeyKind::stable_copy), .times = SIZE_MAX});
  });
  expect_error(admin(put, "/sick"), 503, "service_unavailable");
  const Answer sick = admin(get, "/sick/doc");
  expect_error(sick, 503, "service_unavailable");
  EXPECT_THAT(sick.at("reason"), HasSubstr("cannot start"));
  EXPECT_EQ(user(get, "/db/").status, 200);
  server_.in_turn([this] { server_.bucket().clear(); });
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (admin(get, "/sick/").status != 200)
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "it is not tried again";
}

}  // namespace
}  // namespace headgate
