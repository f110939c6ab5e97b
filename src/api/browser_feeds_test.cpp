// SPDX-License-Identifier: Apache-2.0
// Feeds on the wire, and as browsers read them: EventSource and WebSocket.
#include <fmt/format.h>

#include "api/api_fixture.hpp"
#include "net/test_server.hpp"
#include "net/test_websocket.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class BrowserFeeds : public ApiTest {
 protected:
  BrowserFeeds() {
    make_database("db", R"({"cors":{"origins":["https://app.example"]}})");
    make_user("db", ann_, R"(["red"])");
    for (const char* id : {"a", "b", "c"}) store(id, R"({"channels":["red"]})");
    store("hidden", R"({"channels":["blue"]})");
    settle();
  }

  HttpClient open_events(std::string_view query, HttpHeaders headers = {}) {
    HttpClient client(server_.url(ApiPort::public_port));
    const auto head = client.open_stream(get, fmt::format("/db/_changes?feed=eventsource{}", query),
                                         with_login(ann_, std::move(headers)));
    EXPECT_EQ(head->status, 200);
    EXPECT_EQ(head->headers.find("Content-Type"), "text/event-stream");
    return client;
  }
  static std::string line(HttpClient& client) { return client.read_line()->value_or("(end)"); }

  TestWebSocket open_socket(HttpHeaders headers = {}, bool compresses = false) {
    return {server_.public_port(),
            "/db/_changes?feed=websocket",
            {.headers = with_login(ann_, std::move(headers)), .compresses = compresses}};
  }
  static std::vector<std::string> ids(const std::optional<std::string>& message) {
    std::vector<std::string> ids;
    const Answer answer{200, {}, message.value_or("")};
    for (const JsonView& row : answer.json().elements())
      ids.push_back(row.find("id")->as_string().value());
    return ids;
  }
  /// Of the next message with rows; none if the connection ends before.
  static std::vector<std::string> next_ids(TestWebSocket& socket) {
    for (auto message = socket.read(); message; message = socket.read())
      if (auto found = ids(message); !found.empty()) return found;
    return {};
  }
  std::size_t waiting_feeds() {
    std::size_t feeds = 0;
    server_.in_turn([&] { feeds = server_.services().statistics.continuous_feeds; });
    return feeds;
  }
  bool waits_for_feeds(std::size_t count) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (waiting_feeds() != count)
      if (std::chrono::steady_clock::now() > give_up) return false;
    return true;
  }
};

// One chunk is one call to the kernel, which is most of what it costs to wake a feed.
TEST_F(BrowserFeeds, ALongpollsRowsAndItsEndAreOneChunk) {
  RawClient client(server_.public_port());
  const HttpHeaders login = with_login(ann_, {});
  client.send(
      fmt::format("GET /db/_changes?feed=longpoll&since=now HTTP/1.1\r\nHost: x\r\n"
                  "Authorization: {}\r\n\r\n",
                  login.find("Authorization").value()));
  client.read_until("results");
  store("late", R"({"channels":["red"]})");
  EXPECT_THAT(client.read_until("0\r\n\r\n"), HasSubstr("]}\n],\n\"last_seq\":"));
}

TEST_F(BrowserFeeds, EventsHaveDataAndAnId) {
  HttpClient client = open_events("");
  std::string last;
  for (const char* id : {"a", "b", "c"}) {
    const std::string data = line(client);
    EXPECT_THAT(data, StartsWith("data: {\"seq\":"));
    EXPECT_THAT(data, HasSubstr(fmt::format("\"id\":\"{}\"", id)));
    last = line(client);
    EXPECT_THAT(last, StartsWith("id: "));
    EXPECT_EQ(line(client), "");
  }
  store("d", R"({"channels":["red"]})");
  EXPECT_THAT(line(client), HasSubstr("\"id\":\"d\""));
}

TEST_F(BrowserFeeds, EventsGoOnAfterTheLastId) {
  HttpClient first = open_events("");
  line(first);
  const std::string id = line(first).substr(4);
  HttpClient again = open_events("&since=0", {{"Last-Event-ID", id}});
  EXPECT_THAT(line(again), HasSubstr("\"id\":\"b\"")) << "not since=0 of the address";
  expect_error(user(get, "/db/_changes?feed=eventsource", {}, {{"Last-Event-ID", "x"}}), 400,
               "bad_request");
}

TEST_F(BrowserFeeds, EventsHaveHeartbeatsAsCouchDbAndEndWithoutOne) {
  HttpClient client = open_events("&since=now&heartbeat=1000");
  EXPECT_EQ(line(client), "event: heartbeat");
  EXPECT_EQ(line(client), "data: ");
  EXPECT_EQ(line(client), "");
  HttpClient limited = open_events("&limit=1");
  EXPECT_THAT(*limited.read_rest(), testing::EndsWith("\n\n"));
}

TEST_F(BrowserFeeds, EventsEndWithTheUser) {
  HttpClient client = open_events("&since=now");
  ASSERT_TRUE(waits_for_feeds(1));
  ASSERT_EQ(admin(put, "/db/_user/ann", R"({"disabled":true})").status, 200);
  EXPECT_EQ(*client.read_rest(), "");
}

TEST_F(BrowserFeeds, AWebSocketSendsRowsAndThenWaits) {
  for (const bool compresses : {false, true}) {
    TestWebSocket socket = open_socket({}, compresses);
    ASSERT_EQ(socket.status(), 101);
    socket.send(R"({"active_only":true})");
    EXPECT_THAT(ids(socket.read()), ElementsAre("a", "b", "c"));
    EXPECT_EQ(socket.read(), "[]") << "it has caught up";
    const std::string id = fmt::format("new-{}", compresses);
    store(id, R"({"channels":["red"]})");
    EXPECT_THAT(next_ids(socket), ElementsAre(id));
    admin(del, fmt::format("/db/{}?rev={}", id, admin(get, "/db/" + id).at("_rev")));
    socket.close();
    EXPECT_TRUE(waits_for_feeds(0));
    settle();
  }
}

TEST_F(BrowserFeeds, AMessageHasTwentyRowsAtMost) {
  for (int i = 0; i < 40; ++i) store(fmt::format("m{}", i), R"({"channels":["red"]})");
  settle();
  TestWebSocket socket = open_socket();
  socket.send(R"({"include_docs":true,"limit":43,"since":0})");
  std::size_t rows = 0;
  while (const auto message = socket.read()) {
    EXPECT_LE(ids(message).size(), 20u);
    rows += ids(message).size();
  }
  EXPECT_EQ(rows, 43u) << "ann's";
}

TEST_F(BrowserFeeds, ALimitEndsTheWebSocket) {
  TestWebSocket socket = open_socket();
  socket.send(R"({"limit":2})");
  EXPECT_THAT(ids(socket.read()), ElementsAre("a", "b"));
  EXPECT_EQ(socket.read(), std::nullopt);
  EXPECT_EQ(socket.close_code(), 1000);
}

TEST_F(BrowserFeeds, BadOptionsAreRefusedWithTheReason) {
  for (const char* options : {"[]", "{", R"({"since":"x"})", R"({"filter":"none"})"}) {
    TestWebSocket socket = open_socket();
    socket.send(options);
    EXPECT_EQ(socket.read(), std::nullopt) << options;
    EXPECT_EQ(socket.close_code(), 1008) << options;
    EXPECT_NE(socket.close_reason(), "") << options;
  }
  EXPECT_TRUE(waits_for_feeds(0));
}

TEST_F(BrowserFeeds, AWebSocketEndsWithTheUser) {
  for (const char* how : {"disable", "delete"}) {
    TestWebSocket socket = open_socket();
    socket.send(R"({"since":"now"})");
    EXPECT_EQ(socket.read(), "[]");
    if (how == std::string_view("disable")) {
      ASSERT_EQ(admin(put, "/db/_user/ann", R"({"disabled":true})").status, 200);
      EXPECT_EQ(socket.read(), std::nullopt);
      ASSERT_EQ(admin(put, "/db/_user/ann", R"({"disabled":false})").status, 200);
    } else {
      ASSERT_EQ(admin(del, "/db/_user/ann").status, 200);
      EXPECT_EQ(socket.read(), std::nullopt);
    }
    EXPECT_EQ(socket.close_code(), 1000) << how;
    EXPECT_TRUE(waits_for_feeds(0));
  }
}

TEST_F(BrowserFeeds, AOneTimeSessionOpensOneWebSocket) {
  const std::string id = user(ann_, post, "/db/_session?one_time=true").at("one_time_session_id");
  const std::string protocol = "SyncGatewaySession_" + id;
  const TestWebSocket::Options options{.headers = {{"Sec-WebSocket-Protocol", protocol}}};
  TestWebSocket socket(server_.public_port(), "/db/_changes?feed=websocket", options);
  EXPECT_EQ(socket.status(), 101);
  EXPECT_EQ(socket.header("Sec-WebSocket-Protocol"), protocol);
  socket.send("{}");
  EXPECT_THAT(ids(socket.read()), ElementsAre("a", "b", "c"));
  TestWebSocket again(server_.public_port(), "/db/_changes?feed=websocket", options);
  EXPECT_EQ(again.status(), 401);
}

TEST_F(BrowserFeeds, OnlyKnownPagesOpenWebSockets) {
  const auto status = [this](std::string_view origin) {
    return open_socket({{"Origin", origin}}).status();
  };
  EXPECT_EQ(status("https://app.example"), 101);
  EXPECT_EQ(status(server_.url(ApiPort::public_port)), 101);
  EXPECT_EQ(status("https://evil.example"), 403);
  EXPECT_EQ(status("null"), 403);
}

TEST_F(BrowserFeeds, WithoutAHandshakeThereIsNoWebSocket) {
  const Answer plain = user(get, "/db/_changes?feed=websocket");
  expect_error(plain, 426, "upgrade_required");
  EXPECT_EQ(plain.headers.find("Upgrade").value_or(""), "websocket");
  TestWebSocket nobody(server_.public_port(), "/db/_changes?feed=websocket");
  EXPECT_EQ(nobody.status(), 401);
}

}  // namespace
}  // namespace headgate
