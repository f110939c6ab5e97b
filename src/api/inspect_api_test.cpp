// SPDX-License-Identifier: Apache-2.0
// What administrators see and do: raw documents, channels, explanations, offline, resync.
#include <fmt/format.h>

#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;

class InspectApi : public ApiTest {
 protected:
  static constexpr std::string_view kConfig = R"json({"sync":
      "function (doc) { channel(doc.channels); if (doc.to) access(doc.to, doc.give); if (doc.who) role(doc.who, doc.roles); }"})json";

  InspectApi() {
    make_database("db", kConfig);
    make_user("db", ann_, R"(["red"])");
  }
  Answer explain(std::string_view id, std::string_view name) {
    return admin(get, fmt::format("/db/_explain?doc={}&user={}", id, name));
  }
};

TEST_F(InspectApi, ExplainsWhyADocumentIsSeen) {
  store("a", R"({"channels":["red","blue"]})");
  settle();
  const Answer seen = explain("a", "ann");
  EXPECT_EQ(seen.at("readable"), "true") << seen.body;
  EXPECT_EQ(seen.at("through"), R"(["red"])");
  EXPECT_EQ(seen.at("is_stable"), "true");
  EXPECT_EQ(seen.at("seq"), user(get, "/db/_changes").at("results", 0, "seq"));
  EXPECT_EQ(seen.at("document", "channels", 0, "channel"), "blue");
  EXPECT_EQ(seen.at("document", "channels", 0, "by"), "sync function");
  EXPECT_EQ(seen.at("user", "channels", 1, "channel"), "red");
  EXPECT_EQ(seen.at("user", "channels", 1, "by"), "admin");
}

TEST_F(InspectApi, ExplainsWhereAGrantComesFrom) {
  store("a", R"({"channels":["desk"]})");
  EXPECT_EQ(admin(put, "/db/_role/staff", "{}").status, 201);
  store("g", R"({"to":"role:staff","give":"desk"})");
  store("r", R"({"who":"ann","roles":"role:staff"})");
  settle();
  const Answer seen = explain("a", "ann");
  EXPECT_EQ(seen.at("readable"), "true") << seen.body;
  EXPECT_EQ(seen.at("user", "channels", 2, "channel"), "desk");
  EXPECT_EQ(seen.at("user", "channels", 2, "by"), "document");
  EXPECT_EQ(seen.at("user", "channels", 2, "document"), "g");
  EXPECT_EQ(seen.at("user", "channels", 2, "role"), "staff");
  EXPECT_EQ(seen.at("user", "channels", 2, "role_document"), "r");
  EXPECT_EQ(seen.at("seq"), user(get, "/db/_changes").at("results", 0, "seq")) << "a backfill";
}

TEST_F(InspectApi, ExplainsTheFirstReasonWhyNot) {
  store("blue", R"({"channels":["blue"]})");
  store("none", "{}");
  const auto why = [&](std::string_view id, std::string_view name) {
    const Answer answer = explain(id, name);
    EXPECT_EQ(answer.at("readable"), "false") << answer.body;
    return answer.at("reason");
  };
  EXPECT_THAT(why("missing", "ann"), HasSubstr("no such document"));
  EXPECT_THAT(why("blue", "bob"), HasSubstr("no such user"));
  EXPECT_THAT(why("blue", "ann"), HasSubstr("none of the document's channels"));
  EXPECT_THAT(why("none", "ann"), HasSubstr("in no channel"));
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"disabled":true})").status, 200);
  EXPECT_THAT(why("blue", "ann"), HasSubstr("disabled"));
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"disabled":false,"admin_channels":[]})").status, 200);
  EXPECT_EQ(explain("blue", "ann").at("user", "lost", 0, "channel"), "red");
  expect_error(admin(get, "/db/_explain?doc=blue"), 400, "bad_request");
  expect_error(admin(get, "/db/_explain?user=ann"), 400, "bad_request");
  expect_error(user(get, "/db/_explain?doc=blue&user=ann"), 404, "not_found");
}

TEST_F(InspectApi, ExplainsWhatIsGoneByWhatTookIt) {
  const std::string rev = store("a", R"({"channels":["red"]})");
  store("b", R"({"channels":["red"]})");
  EXPECT_EQ(admin(del, "/db/a?rev=" + rev).status, 200);
  EXPECT_THAT(explain("a", "ann").at("reason"), HasSubstr("the document is deleted"));
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"admin_channels":[]})").status, 200);
  const Answer lost = explain("b", "ann");
  EXPECT_EQ(lost.at("reason"), "the user has none of the document's channels: it lost red at " +
                                   lost.at("user", "lost", 0, "until"));
}

TEST_F(InspectApi, ExplainsWhatTheGuestSees) {
  EXPECT_EQ(admin(put, "/db/_config", R"({"guest":{"disabled":false,"admin_channels":["lobby"]}})")
                .status,
            201);
  store("a", R"({"channels":["lobby"]})");
  settle();
  const Answer seen = explain("a", "GUEST");
  EXPECT_EQ(seen.at("readable"), "true") << seen.body;
  EXPECT_EQ(seen.at("user", "channels", 1, "channel"), "lobby");
  EXPECT_EQ(seen.at("user", "channels", 1, "by"), "configuration");
  EXPECT_EQ(seen.at("seq"), user({}, get, "/db/_changes").at("results", 0, "seq"));
  EXPECT_EQ(admin(get, "/db/_user/GUEST").at("all_channels"), R"(["!","lobby"])");
  EXPECT_EQ(admin(put, "/db/_config", "{}").status, 201);
  EXPECT_EQ(explain("a", "GUEST").at("reason"), "the user is disabled");
  EXPECT_EQ(admin(get, "/db/_user/GUEST").at("disabled"), "true");
}

TEST_F(InspectApi, RawDocumentsAndChannels) {
  const std::string rev = store("a", R"({"channels":["red"],"n":1})");
  EXPECT_EQ(admin(put, "/db/a", fmt::format(R"({{"_rev":"{}","channels":["blue"]}})", rev)).status,
            201);
  settle();
  const Answer raw = admin(get, "/db/_raw/a");
  EXPECT_EQ(raw.at("_id"), "a");
  EXPECT_EQ(raw.at("_sync", "channels", 0, "channel"), "blue");
  EXPECT_EQ(raw.at("_sync", "channels", 1, "channel"), "red");
  EXPECT_NE(raw.at("_sync", "channels", 1, "left_at"), "");
  EXPECT_EQ(raw.at("_sync", "leaves", 0, "history", 1), rev);
  expect_error(admin(get, "/db/_raw/missing"), 404, "not_found");
  const Answer dump = admin(get, "/db/_dump/red");
  EXPECT_EQ(dump.at("entries", 0, "id"), "a");
  EXPECT_EQ(dump.at("entries", 0, "removal"), "true");
  EXPECT_EQ(admin(get, "/db/_dump/none").at("entries"), "[]");
  expect_error(user(get, "/db/_raw/a"), 404, "not_found");
  expect_error(user(get, "/db/_dump/red"), 404, "not_found");
}

TEST_F(InspectApi, OfflineRefusesClientsAndEndsTheirFeeds) {
  HttpClient feed(server_.url(ApiPort::public_port));
  ASSERT_TRUE(feed.open_stream(get, "/db/_changes?feed=continuous", with_login(ann_, {})));
  EXPECT_EQ(admin(post, "/db/_offline").status, 200);
  for (bool has_ended = false; !has_ended;) {
    const auto line = feed.read_line();
    ASSERT_TRUE(line);
    has_ended = !*line;
  }
  const Answer refused = user(get, "/db/");
  expect_error(refused, 503, "service_unavailable");
  EXPECT_THAT(refused.at("reason"), HasSubstr("offline"));
  constexpr std::string_view kLogin = R"({"name":"ann","password":"letmein"})";
  expect_error(user(post, "/db/_session", kLogin), 503, "service_unavailable", "log in");
  expect_error(user(del, "/db/_session"), 503, "service_unavailable", "log out");
  EXPECT_EQ(admin(get, "/db/").at("state"), "Offline");
  EXPECT_EQ(admin(put, "/db/a", "{}").status, 201);
  EXPECT_EQ(admin(post, "/db/_online").status, 200);
  EXPECT_EQ(user(get, "/db/").at("state"), "Online");
}

TEST_F(InspectApi, AChangedConfigurationTellsWhatChanged) {
  const Answer changed =
      admin(put, "/db/_config", R"({"sync":"function (doc) { channel('all'); }","revs_limit":30})");
  EXPECT_EQ(changed.status, 201);
  EXPECT_EQ(changed.at("changed", "revs_limit"), R"({"from":null,"to":30})");
  EXPECT_THAT(changed.at("changed", "sync", "to"), HasSubstr("'all'"));
  EXPECT_EQ(changed.at("changed", "durability"), "");
  EXPECT_EQ(admin(get, "/db/_revs_limit").body, "30\n");
  EXPECT_EQ(admin(put, "/db/_revs_limit", "40").status, 200);
  EXPECT_EQ(user(get, "/db/_revs_limit").body, "40\n");
  for (const char* body : {"x", "", "5", "-1"})
    expect_error(admin(put, "/db/_revs_limit", body), 400, "bad_request", body);
}

TEST_F(InspectApi, AResyncReachesClients) {
  store("a", R"({"channels":["blue"],"kind":"red"})");
  settle();
  const std::string since = user(get, "/db/_changes").at("last_seq");
  EXPECT_EQ(admin(put, "/db/_config", R"({"sync":"function (doc) { channel(doc.kind); }"})").status,
            201);
  EXPECT_EQ(admin(get, "/db/_resync").at("status"), "idle");
  EXPECT_EQ(admin(post, "/db/_resync").status, 200);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (admin(get, "/db/_resync").at("status") != "completed")
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
  EXPECT_EQ(admin(get, "/db/_resync").at("docs_changed"), "1");
  EXPECT_EQ(user(get, "/db/_changes?since=" + since).at("results", 0, "id"), "a");
  expect_error(admin(post, "/db/_resync?action=dance"), 400, "bad_request");
}

}  // namespace
}  // namespace headgate
