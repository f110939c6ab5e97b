// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "net/test_server.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::StartsWith;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(HttpServer, AnswersOnAKeptConnection) {
  TestServer server;
  HttpClient client(server.url());
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.get("/a");
    ASSERT_TRUE(reply) << reply.error().context;
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->body, "hello");
    EXPECT_EQ(reply->headers.find("X-Loopback"), "127.0.0.1");
  }
  EXPECT_EQ(server.stats().connections, 1u);
  EXPECT_EQ(server.stats().requests_total, 3u);
}

TEST(HttpServer, SendsBodiesBack) {
  TestServer server;
  HttpClient client(server.url());
  for (const std::size_t size : {1u, 1000u, 65'536u, 5'000'000u}) {
    const std::string body(size, 'b');
    const auto reply = client.put("/a", body);
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->body == body) << size;
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  RawClient client(server.port());
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    requests +=
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n" + std::to_string(1000 + i);
  }
  client.send(requests + "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  std::string_view answers = client.read_to_end();
  for (int i = 0; i < 500; ++i) {
    const std::size_t at = answers.find("\r\n\r\n" + std::to_string(1000 + i));
    ASSERT_NE(at, std::string_view::npos) << i;
    answers.remove_prefix(at + 8);
  }
  EXPECT_THAT(std::string(answers),
              EndsWith("Connection: close\r\nContent-Length: 5\r\n\r\nhello"));
}

TEST(HttpServer, ReadsChunkedBodiesInPieces) {
  TestServer server;
  RawClient client(server.port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe");
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 1; }));
  client.send("llo\r\n6\r\n wor");
  client.send("ld\r\n0\r\n").send("\r\n");
  EXPECT_THAT(client.read_until("hello world"), EndsWith("\r\n\r\nhello world"));
  client.take();
  EXPECT_THAT(client.send(kGet).read_until("hello"), EndsWith("hello"));
}

TEST(HttpServer, HeadHasALengthAndNoBody) {
  TestServer server;
  RawClient client(server.port());
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n").send(kGet);
  const std::string& answers = client.read_until("hello");
  EXPECT_THAT(answers, HasSubstr("Content-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n"));
  client.take();
  client.send("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n").send(kGet);
  EXPECT_THAT(client.read_until("hello"), HasSubstr("chunked\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

TEST(HttpServer, NoContentHasNoLength) {
  TestServer server;
  RawClient client(server.port());
  client.send("GET /no-content HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(HttpServer, AHandlerWithoutAnswerGives500) {
  TestServer server;
  const auto reply = HttpClient(server.url()).get("/no-answer");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 500);
}

TEST(HttpServer, TellsClientsToContinue) {
  TestServer server;
  RawClient client(server.port());
  const std::string head =
      "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
  EXPECT_EQ(client.send(head).read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.take();
  EXPECT_THAT(client.send("abc").read_until("abc"), StartsWith("HTTP/1.1 200 OK"));
  client.take();
  // Who does not wait is not told.
  EXPECT_THAT(client.send(head + "abc").read_until("abc"), StartsWith("HTTP/1.1 200 OK"));
  client.take();
  client.send(
      "PUT /small HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServer, SpeaksHttp10) {
  TestServer server;
  RawClient closing(server.port());
  EXPECT_THAT(closing.send("GET /a HTTP/1.0\r\n\r\n").read_to_end(),
              EndsWith("Connection: close\r\nContent-Length: 5\r\n\r\nhello"));
  RawClient keeping(server.port());
  for (int i = 0; i < 2; ++i) {
    keeping.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(keeping.read_until("hello"), HasSubstr("Connection: keep-alive\r\n"));
    keeping.take();
  }
  keeping.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(keeping.read_to_end(), EndsWith("shared\nend\n"));
  EXPECT_THAT(keeping.take(), Not(HasSubstr("chunked")));
}

TEST(HttpServer, RefusesTooLargeBodiesAndCloses) {
  TestServer server;
  for (const char* framing :
       {"Content-Length: 101\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n65\r\n"}) {
    RawClient client(server.port());
    client.send(std::string("PUT /small HTTP/1.1\r\nHost: x\r\n") + framing +
                std::string(101, 'x'));
    EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 413 "));
    EXPECT_THAT(client.take(), EndsWith("}\n"));
  }
  RawClient fitting(server.port());
  fitting.send("PUT /small HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" +
               std::string(100, 'y'));
  EXPECT_THAT(fitting.read_until("yyy"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(server.handler().handled, 1);
}

TEST(HttpServer, TheAnswerOutlivesABodyThatNobodyReads) {
  TestServer server;
  RawClient client(server.port());
  client.send("PUT /small HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" +
              std::string(20'000'000, 'x'));  // NOLINT(bugprone-string-constructor)
  client.shut_down_sending();
  EXPECT_THAT(client.read_to_end(), HasSubstr("\"too_large\""));
}

TEST(HttpServer, RefusesTooLargeHeads) {
  TestServer server;
  std::string fields;
  for (int i = 0; i < 150; ++i) fields += "Name-" + std::to_string(i) + ": value\r\n";
  RawClient many(server.port());
  many.send("GET /a HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  EXPECT_THAT(many.read_until("hello"), StartsWith("HTTP/1.1 200 "));
  RawClient large(server.port());
  large.send("GET /a HTTP/1.1\r\nHost: x\r\nA: " + std::string(70'000, 'a'));
  EXPECT_THAT(large.read_to_end(), StartsWith("HTTP/1.1 431 "));
  RawClient endless(server.port());
  endless.send("GET /" + std::string(70'000, 'a'));
  EXPECT_THAT(endless.read_to_end(), StartsWith("HTTP/1.1 431 "));
}

TEST(HttpServer, RefusesMalformedRequests) {
  TestServer server;
  for (const char* text :
       {"nonsense\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
    RawClient client(server.port());
    const std::string& answer = client.send(text).read_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << text;
    EXPECT_THAT(answer, HasSubstr(R"({"error":"bad_request","reason":")")) << text;
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n")) << text;
  }
  EXPECT_EQ(server.handler().handled, 0);
}

// A body after the head would be taken for the next answer.
TEST(HttpServer, RefusesHeadWithoutABody) {
  TestServer server;
  for (const char* fields : {"Host: x\r\nExpect: rain\r\n\r\n", "Host: x\r\nHost: x\r\n\r\n",
                             "\r\n", "Host: x\r\nContent-Length: 20000000\r\n\r\n"}) {
    RawClient client(server.port());
    client.send(std::string("HEAD /small HTTP/1.1\r\n") + fields);
    EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 4")) << fields;
    EXPECT_THAT(client.take(), EndsWith("\r\n\r\n")) << fields;
  }
}

TEST(HttpServer, CountsWhatItRefusesItself) {
  TestServer server({.head_timeout = seconds(1)});
  RawClient malformed(server.port());
  malformed.send("nonsense\r\n\r\n").read_to_end();
  RawClient slow(server.port());
  slow.send("GET /a HTTP/1.1\r\nHo").read_to_end();
  for (int i = 0; i < 2; ++i) {
    RawClient large(server.port());
    large.send("PUT /small HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n").read_to_end();
  }
  RawClient fine(server.port());
  fine.send(kGet).read_until("hello");
  EXPECT_THAT(server.stats().refusals_by_status,
              ElementsAre(Pair(400, 1u), Pair(408, 1u), Pair(413, 2u)));
}

TEST(HttpServer, BodiesShareABudget) {
  constexpr std::size_t kHalf = 1 << 20;
  BodyBudget budget(2 * kHalf);
  HttpServerOptions options;
  options.body_budget = &budget;
  TestServer server(options);
  const auto used = [&] {
    std::uint64_t bytes = 0;
    server.in_turn([&] { bytes = budget.used(); });
    return bytes;
  };
  const auto put = [](std::string_view path, std::size_t announced, std::size_t sent) {
    return fmt::format("PUT {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", path,
                       announced, std::string(sent, 'x'));
  };
  RawClient working(server.port());
  working.send(put("/stubborn", kHalf + BodyBudget::kFree, kHalf + BodyBudget::kFree));
  RawClient arriving(server.port());
  arriving.send(put("/no-content", kHalf + BodyBudget::kFree, kHalf));
  ASSERT_TRUE(eventually([&] { return used() == 2 * kHalf - BodyBudget::kFree; }));

  RawClient announced(server.port());
  announced.send(put("/a", kHalf, 0));
  EXPECT_THAT(announced.read_to_end(), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(announced.take(), HasSubstr("Retry-After: 1\r\n"));
  RawClient chunked(server.port());
  chunked.send("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n" +
               std::string(0x80000, 'x'));
  EXPECT_THAT(chunked.read_to_end(), StartsWith("HTTP/1.1 503 "));
  RawClient small(server.port());
  small.send(put("/a", 3, 3));
  EXPECT_THAT(small.read_until("xx"), StartsWith("HTTP/1.1 200 "));

  arriving.send(std::string(BodyBudget::kFree, 'x'));
  EXPECT_THAT(arriving.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 204 "));
  server.in_turn([&] { server.handler().release->raise(); });
  EXPECT_THAT(working.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(eventually([&] { return used() == 0; }));
}

TEST(HttpServer, ADroppedBodyIsNotCountedAnyMore) {
  BodyBudget budget(2 << 20);
  HttpServerOptions options;
  options.body_budget = &budget;
  TestServer server(options);
  RawClient parked(server.port());
  parked.send("PUT /park HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(1'000'000, 'x'));
  ASSERT_TRUE(eventually([&] { return server.handler().parked == 1; }));
  std::uint64_t used = 1;
  server.in_turn([&] { used = budget.used(); });
  EXPECT_EQ(used, 0u);
}

TEST(HttpServer, DropsRequestsThatAreCutShort) {
  TestServer server;
  for (const char* text :
       {"", "GE", "GET /a HTTP/1.1\r\nHost: x\r\n",
        "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell",
        "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    RawClient client(server.port());
    client.send(text).shut_down_sending();
    EXPECT_EQ(client.read_to_end(), "") << text;
    EXPECT_TRUE(client.has_ended());
  }
  EXPECT_EQ(server.handler().handled, 0);
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 0; }));
}

TEST(HttpServer, ARequestBeforeTheEndOfInputIsAnswered) {
  TestServer server;
  RawClient client(server.port());
  client.send(kGet + kGet).shut_down_sending();
  EXPECT_THAT(client.read_to_end(), EndsWith("hello"));
  EXPECT_EQ(server.handler().handled, 2);
}

TEST(HttpServer, GivesUpSlowRequests) {
  TestServer server(
      {.head_timeout = seconds(1), .body_timeout = seconds(1), .idle_timeout = seconds(1)});
  RawClient idle(server.port());
  RawClient idle_again(server.port());
  idle_again.send(kGet).read_until("hello");
  idle_again.take();
  RawClient head(server.port());
  head.send("GET /a HTTP/1.1\r\nHo");
  RawClient body(server.port());
  body.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(idle_again.read_to_end(), "");
  EXPECT_THAT(head.read_to_end(), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(body.read_to_end(), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(idle.has_ended() && idle_again.has_ended() && head.has_ended() && body.has_ended());
  EXPECT_EQ(server.stats().timeouts_total, 4u);
  EXPECT_EQ(server.handler().handled, 1);
}

TEST(HttpServer, ASlowBodyThatComesOnIsNotGivenUp) {
  TestServer server({.body_timeout = seconds(1), .min_body_bytes = 2});
  RawClient drip(server.port());
  drip.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  RawClient steady(server.port());
  steady.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  drip.send("x");
  // Time is measured by another connection that is given up two spans after its last byte.
  std::size_t sent = 0;
  for (int i = 0; i < 2; ++i) {
    RawClient clock(server.port());
    clock.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nh");
    steady.send("0123456789");
    sent += 10;
    clock.read_to_end();
  }
  EXPECT_THAT(drip.read_to_end(), StartsWith("HTTP/1.1 408 "));
  steady.send(std::string(1'000'000 - sent, 'z'));
  EXPECT_THAT(steady.read_until("zzz"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServer, ConnectionsOverTheLimitGet503) {
  TestServer server({.max_connections = 2});
  RawClient first(server.port());
  RawClient second(server.port());
  first.send(kGet).read_until("hello");
  second.send(kGet).read_until("hello");
  RawClient third(server.port());
  EXPECT_THAT(third.send(kGet).read_to_end(), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(third.take(), HasSubstr("Retry-After: "));
  EXPECT_EQ(server.stats().refused_total, 1u);
  first.reset();
  third.reset();
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 1; }));
  RawClient fourth(server.port());
  EXPECT_THAT(fourth.send(kGet).read_until("hello"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServer, FarOverTheLimitConnectionsWaitTheirTurn) {
  TestServer server({.max_connections = 1});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
  }
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 65; }));
  for (auto& client : clients) client->send(kGet);
  clients[0]->read_until("hello");
  for (std::size_t i = 1; i < clients.size(); ++i) {
    EXPECT_THAT(clients[i]->read_until("\r\n\r\n"), StartsWith("HTTP/1.1 503 ")) << i;
    clients[i].reset();
  }
}

// Lowers the limit of descriptors for as long as it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lowered{limit, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &lowered);
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(HttpServer, WaitsWhenDescriptorsRunOut) {
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer itself opens pipes to look at objects";
#endif
  TestServer server;
  auto client = std::make_unique<RawClient>(server.port());
  client->send(kGet).read_until("hello");
  RawClient waiting(server.port());
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 2; }));
  auto probe = std::make_unique<RawClient>(server.port());
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 3; }));
  const int next = dup(STDERR_FILENO);
  close(next);
  std::unique_ptr<RawClient> last;
  {
    // Room for the client's end, none for the server's.
    const DescriptorLimit limit(static_cast<rlim_t>(next) + 1);
    last = std::make_unique<RawClient>(server.port());
    last->send(kGet);
    EXPECT_THAT(waiting.send(kGet).read_until("hello"), StartsWith("HTTP/1.1 200 "));
    EXPECT_EQ(server.stats().connections, 3u);
  }
  EXPECT_THAT(last->read_until("hello"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServer, WorkersServeHandlers) {
  TestServer server;
  const auto reply = HttpClient(server.url()).get("/worker");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body, "other");
}

TEST(HttpServer, NamesWhatItCannotListenOn) {
  WorkerPool workers(1);
  AsioEnvironment environment(workers);
  TestHandler handler(environment);
  HttpServer nameless(environment, {.address = "localhost"}, handler);
  EXPECT_EQ(nameless.start().error().code, Errc::invalid_argument);
  HttpServer foreign(environment, {.address = "192.0.2.1"}, handler);
  EXPECT_EQ(foreign.start().error().code, Errc::unavailable);
}

TEST(HttpServer, ListensOnIPv6AndTellsMappedAddressesPlainly) {
  TestServer server({.address = "::"});
  const auto reply = HttpClient(server.url()).get("/a");
  ASSERT_TRUE(reply) << reply.error().context;
  EXPECT_EQ(reply->headers.find("X-Loopback"), "127.0.0.1");
}

TEST(HttpServer, SeveralServersShareAPort) {
  TestServer first;
  TestServer second({.port = first.port()});
  EXPECT_TRUE(eventually([&] {
    EXPECT_TRUE(HttpClient(first.url()).get("/a"));
    return first.handler().handled > 0 && second.handler().handled > 0;
  }));
}

TEST(RaiseDescriptorLimit, TellsTheLimitInForce) {
  const DescriptorLimit lowered(256);
  const std::size_t raised = raise_descriptor_limit();
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(raised, limit.rlim_cur);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

TEST(HttpClient, NamesItsErrors) {
  EXPECT_EQ(HttpClient("ftp://x").get("/").error().code, Errc::invalid_argument);
  std::string url;
  {
    TestServer server;
    url = server.url();
    HttpClient client(url);
    EXPECT_EQ(client.request(HttpMethod::get, "/park", {}, {}, std::chrono::milliseconds(20))
                  .error()
                  .code,
              Errc::timeout_unknown_outcome);
    ASSERT_TRUE(client.get("/a"));
  }
  EXPECT_EQ(HttpClient(url).get("/a").error().code, Errc::unavailable);
}

TEST(HttpClient, SendsAgainWhenTheKeptConnectionIsGone) {
  TestServer server({.idle_timeout = seconds(1)});
  HttpClient client(server.url() + "/a/");
  ASSERT_TRUE(client.get("/b"));
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 0; }));
  EXPECT_TRUE(client.get("/b"));
}

}  // namespace
}  // namespace headgate
