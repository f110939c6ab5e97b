// SPDX-License-Identifier: Apache-2.0
// What the console asks: how the server, a database and its channels are, and what a sync function
// would say.
#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;

class StatusApi : public ApiTest {
 protected:
  static constexpr std::string_view kConfig = R"json({"sync":
      "function (doc) { channel(doc.channels); if (doc.to) access(doc.to, doc.give); }"})json";

  StatusApi() {
    make_database("db", kConfig);
    make_user("db", ann_, R"(["red"])");
  }
  Answer try_sync(std::string_view body) { return admin(post, "/db/_sync/try", body); }
  /// The answer's element for a channel, as JSON.
  std::string channel(const Answer& answer, std::string_view name) {
    for (const JsonView& one : answer.json().find("channels")->elements())
      if (one.find("channel")->as_string() == name) return std::string(one.raw());
    return {};
  }
};

TEST_F(StatusApi, TheServerListsItsDatabases) {
  make_database("another");
  store("a", "{}");
  settle();
  const Answer answer = admin(get, "/_status");
  EXPECT_EQ(answer.at("database_count"), "2") << answer.body;
  EXPECT_EQ(answer.at("databases", 0, "name"), "another");
  EXPECT_EQ(answer.at("databases", 1, "name"), "db");
  EXPECT_EQ(answer.at("databases", 1, "state"), "Online");
  EXPECT_EQ(answer.at("databases", 1, "lag"), "0");
  EXPECT_EQ(answer.at("databases", 1, "stable"), answer.at("databases", 1, "highest"));
  EXPECT_EQ(answer.at("is_cluster"), "false");
  EXPECT_EQ(answer.at("feeds", "continuous"), "0");
  expect_error(user(get, "/_status"), 404, "not_found", "not for clients");
}

TEST_F(StatusApi, ADatabaseTellsOfItsCacheWriter) {
  store("a", "{}");
  settle();
  const Answer answer = admin(get, "/db/_status");
  EXPECT_EQ(answer.at("db_name"), "db") << answer.body;
  EXPECT_EQ(answer.at("cache_writer", "is_here"), "true");
  EXPECT_EQ(answer.at("cache_writer", "gaps"), "0");
  EXPECT_EQ(answer.at("cache_writer", "recent_repairs"), "[]");
  EXPECT_EQ(admin(post, "/db/_offline").status, 200);
  EXPECT_EQ(admin(get, "/db/_status").at("state"), "Offline");
  expect_error(admin(get, "/none/_status"), 404, "not_found");
  expect_error(user(get, "/db/_status"), 404, "not_found", "not for clients");
}

TEST_F(StatusApi, ChannelsAreCountedTheLargestFirst) {
  const std::string moved = store("a", R"({"channels":["red","blue"]})");
  store("b", R"({"channels":["red"]})");
  const std::string gone = store("c", R"({"channels":["red"]})");
  EXPECT_EQ(admin(put, "/db/a?rev=" + moved, R"({"channels":["red","green"]})").status, 201);
  EXPECT_EQ(admin(del, "/db/c?rev=" + gone).status, 200);
  const Answer answer = admin(get, "/db/_channels");
  EXPECT_EQ(answer.at("documents_read"), "3") << answer.body;
  EXPECT_EQ(answer.at("is_complete"), "true");
  EXPECT_EQ(answer.at("channel_count"), "3");
  EXPECT_EQ(answer.at("channels", 0, "channel"), "red");
  const std::string red = channel(answer, "red");
  const std::string blue = channel(answer, "blue");
  EXPECT_THAT(red, HasSubstr(R"("documents":2,"left":1,)"));
  EXPECT_THAT(red, HasSubstr(R"("feeds":0)"));
  EXPECT_THAT(blue, HasSubstr(R"("documents":0,"left":1,)"));
  // A repair may raise a counter once more.
  EXPECT_GE(JsonView(red).find("counter")->as_uint64(), 5u);
  EXPECT_GE(JsonView(blue).find("counter")->as_uint64(), 2u);
  const Answer first = admin(get, "/db/_channels?limit=1");
  EXPECT_EQ(first.at("channels", 0, "channel"), "red");
  EXPECT_EQ(first.json().find("channels")->elements().begin()->find("documents")->raw(), "2");
  EXPECT_THAT(first.body, testing::Not(HasSubstr("blue")));
  EXPECT_EQ(first.at("channel_count"), "3");
}

TEST_F(StatusApi, CountingChannelsEndsAtALimit) {
  for (const char* id : {"a", "b", "c"}) store(id, R"({"channels":["red"]})");
  const Answer answer = admin(get, "/db/_channels?documents=2");
  EXPECT_EQ(answer.at("documents_read"), "2") << answer.body;
  EXPECT_EQ(answer.at("is_complete"), "false");
  EXPECT_EQ(admin(get, "/db/_channels?documents=3").at("is_complete"), "true");
  expect_error(admin(get, "/db/_channels?documents=many"), 400, "bad_request");
}

TEST_F(StatusApi, ASyncFunctionIsTriedAndNothingIsStored) {
  const std::string before = admin(get, "/db/_status").at("highest");
  const Answer answer = try_sync(R"json({
      "sync": "(doc, old) => { console.log(doc._id); channel('c', old.was); access('role:r', 'x'); role('ann', 'role:r'); expiry(5); }",
      "doc": {"_id": "d"}, "old_doc": {"was": "o"}})json");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.at("accepted"), "true") << answer.body;
  EXPECT_EQ(answer.at("channels"), R"(["c","o"])");
  EXPECT_EQ(answer.at("access"), R"({"role:r":["x"]})");
  EXPECT_EQ(answer.at("roles"), R"({"ann":["r"]})");
  EXPECT_EQ(answer.at("expiry"), "5");
  const Answer no_time =
      try_sync(R"json({"sync": "() => { channel('c'); expiry('soon'); }", "doc": {}})json");
  EXPECT_EQ(no_time.at("accepted"), "false") << "as a write would be refused";
  EXPECT_EQ(no_time.at("refusal", "reason"), "Invalid _exp");
  EXPECT_EQ(no_time.at("channels"), "[]");
  EXPECT_THAT(answer.at("console"), HasSubstr("d"));
  EXPECT_EQ(admin(get, "/db/_status").at("highest"), before);
  expect_error(admin(get, "/db/d"), 404, "not_found");
  expect_error(user(post, "/db/_sync/try", R"({"doc":{}})"), 404, "not_found", "not for clients");
}

TEST_F(StatusApi, WithoutASourceTheDatabasesFunctionIsTried) {
  EXPECT_EQ(try_sync(R"({"doc":{"channels":["q"]}})").at("channels"), R"(["q"])");
  make_database("plain");
  const Answer native = admin(post, "/plain/_sync/try", R"({"doc":{"channels":["q"]}})");
  EXPECT_EQ(native.at("channels"), R"(["q"])") << native.body;
}

TEST_F(StatusApi, ATriedFunctionSeesTheWriter) {
  const auto as = [&](std::string_view who) {
    return try_sync(R"json({"sync": "(doc) => { requireUser('ann'); requireAccess('red'); }",
        "doc": {}, "user": )json" +
                    std::string(who) + "}");
  };
  EXPECT_EQ(as(R"("ann")").at("accepted"), "true");
  EXPECT_EQ(as("null").at("accepted"), "true") << "an admin";
  EXPECT_EQ(as(R"({"name":"ann","channels":["red"]})").at("accepted"), "true");
  const Answer refused = as(R"({"name":"ann","channels":["blue"]})");
  EXPECT_EQ(refused.at("accepted"), "false");
  EXPECT_EQ(refused.at("refusal", "status"), "403");
  EXPECT_EQ(refused.at("refusal", "error"), "forbidden");
  expect_error(as(R"("nobody")"), 400, "bad_request");
  expect_error(as("7"), 400, "bad_request");
  expect_error(as(R"({"channels":[1]})"), 400, "bad_request");
}

TEST_F(StatusApi, ATriedFunctionHasTheLimitsOfAll) {
  const Answer slow = try_sync(R"json({"sync": "(doc) => { for (;;) {} }", "doc": {}})json");
  EXPECT_EQ(slow.at("accepted"), "false") << slow.body;
  EXPECT_EQ(slow.at("refusal", "reason"), "sync function timed out");
  const Answer large = try_sync(
      R"json({"sync": "(doc) => { const all = []; for (;;) all.push(new Array(1e5).fill(1)); }", "doc": {}})json");
  EXPECT_EQ(large.at("refusal", "reason"), "sync function out of memory") << large.body;
  const Answer wrong =
      try_sync(R"json({"sync": "function (doc) {\n  channel(;\n}", "doc": {}})json");
  expect_error(wrong, 400, "bad_request");
  EXPECT_THAT(wrong.at("reason"), HasSubstr("line 2"));
  const Answer thrown = try_sync(R"json({"sync": "(doc) => doc.a.b", "doc": {}})json");
  EXPECT_EQ(thrown.at("refusal", "status"), "500") << thrown.body;
  EXPECT_THAT(thrown.at("exception"), HasSubstr("undefined"));
}

TEST_F(StatusApi, BadTrialsAreRefused) {
  for (const char* body :
       {"{}", R"({"doc":1})", R"({"doc":{},"old_doc":[]})", R"({"doc":{},"sync":1})", "[]", ""})
    expect_error(try_sync(body), 400, "bad_request", body);
}

TEST_F(StatusApi, PagesOfOtherSitesCannotUseTheAdminPort) {
  const auto from = [&](HttpMethod method, std::string_view target, std::string_view origin) {
    return admin(method, target, {}, {{"Origin", std::string(origin)}});
  };
  for (const char* origin : {"https://evil.example", "null", "http://127.0.0.1:1"}) {
    expect_error(from(post, "/db/_offline", origin), 403, "forbidden", origin);
    expect_error(from(get, "/db/_config", origin), 403, "forbidden", origin);
  }
  EXPECT_EQ(admin(get, "/db/_status").at("state"), "Online");
  EXPECT_EQ(from(post, "/db/_offline", server_.url(ApiPort::admin_port)).status, 200)
      << "its own pages may";
  const auto fetched = [&](std::string_view site, std::string_view mode) {
    return admin(get, "/db/_channels", {},
                 {{"Sec-Fetch-Site", std::string(site)}, {"Sec-Fetch-Mode", std::string(mode)}})
        .status;
  };
  EXPECT_EQ(fetched("cross-site", "no-cors"), 403) << "an image";
  EXPECT_EQ(fetched("same-site", "no-cors"), 403) << "of another port";
  EXPECT_EQ(fetched("same-origin", "cors"), 200);
  EXPECT_EQ(fetched("none", "navigate"), 200) << "typed";
  EXPECT_EQ(fetched("cross-site", "navigate"), 200) << "a link";
}

TEST_F(StatusApi, TheConsoleIsServedToAdmins) {
  const Answer page = admin(get, "/_console/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.find("Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(std::string(page.headers.find("Content-Security-Policy").value_or("")),
              HasSubstr("default-src 'none'"));
  const Answer moved = admin(get, "/_console");
  EXPECT_EQ(moved.status, 308);
  EXPECT_EQ(moved.headers.find("Location"), "_console/");
  const std::string tag(page.headers.find("ETag").value_or(""));
  EXPECT_EQ(admin(get, "/_console/", {}, {{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(admin(head, "/_console/console.js").status, 200);
  expect_error(admin(get, "/_console/none.js"), 404, "not_found");
  expect_error(admin(get, "/_console/vendor/uplot.js"), 404, "not_found");
  expect_error(admin(put, "/_console/x", "{}"), 405, "method_not_allowed");
  expect_error(user(get, "/_console/"), 404, "not_found");
}

}  // namespace
}  // namespace headgate
