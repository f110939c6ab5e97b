// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/api_fixture.hpp"
#include "api/changes_request.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::ElementsAre;
using testing::MatchesRegex;
using testing::StartsWith;

class ChangesApi : public ApiTest {
 protected:
  ChangesApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
    for (const char* id : {"a", "b", "c"}) store(id, R"({"channels":["red"],"n":1})");
    store("hidden", R"({"channels":["blue"]})");
    settle();
  }

  static std::vector<std::string> ids(const Answer& answer) {
    std::vector<std::string> ids;
    if (const auto rows = answer.json().find("results"))
      for (const JsonView& row : rows->elements()) ids.push_back(*row.find("id")->as_string());
    return ids;
  }
  Answer changes(std::string_view query) {
    return user(get, fmt::format("/db/_changes?{}", query));
  }
  /// Opens a feed of ann's; the client reads its lines.
  HttpClient open(std::string_view query) {
    HttpClient client(server_.url(ApiPort::public_port));
    const auto head =
        client.open_stream(get, fmt::format("/db/_changes?{}", query), with_login(ann_, {}));
    EXPECT_TRUE(head);
    EXPECT_EQ(head->status, 200);
    return client;
  }
  static std::string line(HttpClient& client) {
    const auto line = client.read_line();
    EXPECT_TRUE(line);
    return line && *line ? **line : "(end)";
  }
  static std::string id_in(const std::string& line) {
    Answer answer{200, {}, line};
    return answer.at("id");
  }
  std::size_t waiting_feeds() {
    std::size_t feeds = 0;
    server_.in_turn([&] {
      const ApiStatistics& statistics = server_.services().statistics;
      feeds = statistics.longpoll_feeds + statistics.continuous_feeds;
    });
    return feeds;
  }
};

TEST_F(ChangesApi, ANormalFeedIsOneRowOnEachLine) {
  const Answer all = changes("");
  EXPECT_THAT(ids(all), ElementsAre("a", "b", "c"));
  EXPECT_THAT(all.body, StartsWith("{\"results\":[\r\n{\"seq\":"));
  EXPECT_THAT(all.body, MatchesRegex("(.|\n)*\n\\],\n\"last_seq\":\"[0-9]+\",\"pending\":0}\n"));
  EXPECT_EQ(all.headers.find("Content-Type"), "application/json");
  const Answer none = changes("since=" + all.at("last_seq"));
  EXPECT_EQ(none.body, fmt::format("{{\"results\":[\r\n],\n\"last_seq\":\"{}\",\"pending\":0}}\n",
                                   all.at("last_seq")));
}

TEST_F(ChangesApi, PagesEndAtTheirLastRow) {
  const Answer page = changes("limit=2");
  EXPECT_THAT(ids(page), ElementsAre("a", "b"));
  EXPECT_EQ(page.at("last_seq"), page.at("results", 1, "seq"));
  EXPECT_THAT(ids(changes("since=" + page.at("last_seq"))), ElementsAre("c"));
}

TEST_F(ChangesApi, PostTakesTheSameNamesAndTheQueryWins) {
  const std::string_view body = R"({"limit":2,"include_docs":true,"since":"0","style":"all_docs"})";
  const Answer page = user(post, "/db/_changes", body);
  EXPECT_THAT(ids(page), ElementsAre("a", "b"));
  EXPECT_EQ(page.at("results", 0, "doc", "n"), "1");
  EXPECT_THAT(ids(user(post, "/db/_changes?limit=1", body)), ElementsAre("a"));
  EXPECT_EQ(user(post, "/db/_changes").status, 200);
}

TEST_F(ChangesApi, SinceHasItsGrammar) {
  for (const char* since :
       {"", "0", "3", "%223%22", "1::3", "1:3", "1:1:3", "now", "18446744073709551615"})
    EXPECT_EQ(changes(fmt::format("since={}", since)).status, 200) << since;
  for (const char* since : {"foo", ":", ":1", "::1", "1:", "1:2:3:4", "-1", "%2B1", "1.5",
                            "18446744073709551616", "%221", "NOW"})
    expect_error(changes(fmt::format("since={}", since)), 400, "bad_request", since);
  for (const char* since : {"\"foo\"", "-1", "1.5", "true", "{}", "[]"})
    expect_error(user(post, "/db/_changes", fmt::format(R"({{"since":{}}})", since)), 400,
                 "bad_request", since);
  EXPECT_EQ(changes("since=1000000").at("last_seq"), "1000000");
  EXPECT_THAT(ids(changes("since=now")), ElementsAre());
}

TEST_F(ChangesApi, BadParametersAreRefused) {
  for (const char* query :
       {"feed=sideways", "filter=no/such", "filter=sync_gateway/bychannel",
        "filter=sync_gateway/bychannel&channels=", "filter=sync_gateway/bychannel&channels=,",
        "limit=-1", "limit=x", "style=none", "heartbeat=x", "timeout=-5", "mode=sometimes",
        "descending=true&feed=longpoll", "seq_interval=0", "filter=_doc_ids",
        "filter=_doc_ids&doc_ids=[1]", "filter=_doc_ids&doc_ids=[", "filter=_selector",
        "filter=_selector&selector={%22a%22:{%22$no%22:1}}", "filter=_selector&selector=x"})
    expect_error(changes(query), 400, "bad_request", query);
  expect_error(user(post, "/db/_changes", "[]"), 400, "bad_request");
  EXPECT_EQ(changes("include_docs=1&feed=&seq_interval=100").at("results", 0, "doc"), "");
}

TEST_F(ChangesApi, ByIdsAndBySelector) {
  EXPECT_THAT(ids(changes("filter=_doc_ids&doc_ids=[%22a%22,%22hidden%22]")), ElementsAre("a"));
  EXPECT_THAT(ids(changes("filter=_doc_ids&doc_ids=c,a")), ElementsAre("a", "c"));
  EXPECT_THAT(
      ids(user(post, "/db/_changes?filter=_doc_ids&feed=longpoll", R"({"doc_ids":["b","c"]})")),
      ElementsAre("b", "c"));
  store("d", R"({"channels":["red"],"n":2})");
  EXPECT_THAT(ids(user(post, "/db/_changes?filter=_selector", R"({"selector":{"n":{"$gt":1}}})")),
              ElementsAre("d"));
  HttpClient feed = open("feed=continuous&filter=_selector&selector={%22n%22:3}");
  EXPECT_EQ(line(feed), "") << "caught up";
  store("e", R"({"channels":["red"],"n":3})");
  EXPECT_EQ(id_in(line(feed)), "e");
}

TEST_F(ChangesApi, TheNewestFirst) {
  const Answer newest = changes("descending=true&limit=2");
  EXPECT_THAT(ids(newest), ElementsAre("c", "b"));
  EXPECT_EQ(newest.at("last_seq"), newest.at("results", 1, "seq"));
  EXPECT_EQ(newest.at("pending"), "") << "the older ones are not counted";
  EXPECT_EQ(changes("descending=true").at("pending"), "0");
}

TEST_F(ChangesApi, WhoeverAsksReadsWhatWasWrittenBefore) {
  for (int i = 0; i < 20; ++i) {
    store(fmt::format("w{}", i), R"({"channels":["red"]})");
    const Answer page = changes("request_plus=true&mode=stable&descending=true&limit=1");
    EXPECT_THAT(ids(page), ElementsAre(fmt::format("w{}", i)));
  }
}

TEST_F(ChangesApi, PagesTellWhatIsPending) {
  EXPECT_EQ(changes("limit=1").at("pending"), "2");
  EXPECT_EQ(changes("").at("pending"), "0");
}

TEST_F(ChangesApi, ByChannel) {
  EXPECT_THAT(ids(changes("filter=sync_gateway/bychannel&channels=red")),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(ids(changes("filter=sync_gateway/bychannel&channels=blue")), ElementsAre());
  EXPECT_THAT(ids(admin(get, "/db/_changes?filter=sync_gateway/bychannel&channels=blue")),
              ElementsAre("hidden"));
  store("blank", R"({"channels":["a b"]})");
  const std::string_view by_channel = "/db/_changes?filter=sync_gateway/bychannel&channels=";
  for (const char* list : {"a%20b", "a+b,", ",a%20b,,", "nothing,a%20b"})
    EXPECT_THAT(ids(admin(get, fmt::format("{}{}", by_channel, list))), ElementsAre("blank"))
        << list;
  EXPECT_THAT(ids(admin(get, fmt::format("{}a%20b%20", by_channel))), ElementsAre());
  for (const std::string& list : {std::string("%ff"), std::string("red,") + std::string(1001, 'x')})
    expect_error(admin(get, fmt::format("{}{}", by_channel, list)), 400, "bad_request", list);
}

TEST_F(ChangesApi, LongpollAnswersAtOnceOrWaits) {
  const Answer at_once = changes("feed=longpoll");
  EXPECT_THAT(ids(at_once), ElementsAre("a", "b", "c"));
  HttpClient poll = open("feed=longpoll&since=" + at_once.at("last_seq"));
  EXPECT_EQ(line(poll), "{\"results\":[");
  EXPECT_EQ(waiting_feeds(), 1u);
  store("late", R"({"channels":["red"]})");
  EXPECT_EQ(id_in(line(poll)), "late");
  EXPECT_EQ(line(poll), "],");
  EXPECT_THAT(line(poll), StartsWith("\"last_seq\":\""));
  EXPECT_EQ(line(poll), "(end)");
}

TEST_F(ChangesApi, LongpollEndsAtItsTimeout) {
  const Answer none = changes("feed=longpoll&timeout=50&since=1000000");
  EXPECT_THAT(ids(none), ElementsAre());
  EXPECT_EQ(none.at("last_seq"), "1000000");
}

// sync_gateway#164: heartbeats do not break the JSON.
TEST_F(ChangesApi, HeartbeatsAreEmptyLines) {
  HttpClient poll = open("feed=longpoll&since=now&heartbeat=1");
  EXPECT_EQ(line(poll), "{\"results\":[");
  EXPECT_EQ(line(poll), "");
  store("late", R"({"channels":["red"]})");
  std::string row;
  while (row.empty()) row = line(poll);
  EXPECT_EQ(id_in(row), "late");
}

TEST_F(ChangesApi, ContinuousGoesOn) {
  HttpClient feed = open("feed=continuous");
  for (const char* id : {"a", "b", "c"}) EXPECT_EQ(id_in(line(feed)), id);
  EXPECT_EQ(line(feed), "");
  store("late", R"({"channels":["red"]})");
  EXPECT_EQ(id_in(line(feed)), "late");
}

TEST_F(ChangesApi, ContinuousEndsAtItsLimitAndTimeout) {
  HttpClient limited = open("feed=continuous&limit=2");
  EXPECT_EQ(id_in(line(limited)), "a");
  EXPECT_EQ(id_in(line(limited)), "b");
  EXPECT_THAT(line(limited), StartsWith("{\"last_seq\":\""));
  EXPECT_EQ(line(limited), "(end)");
  HttpClient timed = open("feed=continuous&timeout=50&since=now");
  std::string last;
  while (last.empty()) last = line(timed);
  EXPECT_THAT(last, StartsWith("{\"last_seq\":\""));
  EXPECT_EQ(line(timed), "(end)");
}

// sync_gateway#1275, #1329, #1266: clients that vanish leave nothing behind.
TEST_F(ChangesApi, AFeedEndsWhenItsClientVanishes) {
  {
    HttpClient poll = open("feed=longpoll&since=now&heartbeat=60000");
    HttpClient feed = open("feed=continuous&since=now&heartbeat=60000");
    line(poll);
    line(feed);
    EXPECT_EQ(waiting_feeds(), 2u);
  }
  while (waiting_feeds() > 0) std::this_thread::yield();
}

TEST_F(ChangesApi, ADeletedDatabaseEndsItsFeeds) {
  HttpClient poll = open("feed=longpoll&since=now&heartbeat=60000");
  line(poll);
  EXPECT_EQ(admin(del, "/db").status, 200);
  EXPECT_TRUE(poll.read_rest());
  EXPECT_EQ(waiting_feeds(), 0u);
}

TEST_F(ChangesApi, ADeletedUserEndsItsFeeds) {
  HttpClient feed = open("feed=continuous&since=now&heartbeat=60000");
  line(feed);
  EXPECT_EQ(admin(del, "/db/_user/ann").status, 200);
  EXPECT_TRUE(feed.read_rest());
}

TEST_F(ChangesApi, LargeRowsAreSentWhole) {
  const std::string text(10'000, 'x');
  store("large", fmt::format(R"({{"channels":["red"],"text":"{}"}})", text));
  store("small", R"({"channels":["red"],"text":"y"})");
  const Answer page = changes("include_docs=true");
  EXPECT_EQ(page.at("results", 3, "doc", "text"), text);
  EXPECT_EQ(page.at("results", 4, "doc", "text"), "y");
}

TEST(ChangesRequest, TimesAreKeptWithinBounds) {
  HttpRequest request;
  EXPECT_EQ(parse_changes_request(request)->timeout, kFeedTimeoutDefault);
  request.query.add("timeout", "0");
  request.query.add("heartbeat", "0");
  EXPECT_EQ(parse_changes_request(request)->timeout, std::nullopt);
  EXPECT_EQ(parse_changes_request(request)->heartbeat, std::nullopt);
  HttpRequest other;
  other.query.add("timeout", "99999999999");
  other.query.add("heartbeat", "5");
  other.query.add("limit", "0");
  EXPECT_EQ(parse_changes_request(other)->timeout, kFeedTimeoutMax);
  EXPECT_EQ(parse_changes_request(other)->heartbeat, kHeartbeatMin);
  EXPECT_EQ(parse_changes_request(other)->limit, std::nullopt);
}

}  // namespace
}  // namespace headgate
