// SPDX-License-Identifier: Apache-2.0
// Streams, parked requests and stopping.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/http_server.hpp"
#include "net/test_server.hpp"

namespace headgate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

TEST(HttpStream, SendsOwnAndSharedBytesInChunks) {
  TestServer server;
  HttpClient client(server.url());
  std::string shared;
  for (int i = 0; i < 1000; ++i) shared += "shared\n";
  for (int i = 0; i < 2; ++i) {
    const auto reply = client.get("/stream");
    ASSERT_TRUE(reply) << reply.error().context;
    EXPECT_EQ(reply->headers.find("Transfer-Encoding"), "chunked");
    EXPECT_EQ(reply->body, "own\n" + shared + "end\n");
  }
  EXPECT_EQ(client.get("/stream?empty-end")->body, "own\n" + shared);
  EXPECT_EQ(server.stats().connections, 1u);
}

TEST(HttpStream, AStreamThatIsNotEndedIsCut) {
  TestServer server;
  RawClient client(server.port());
  EXPECT_THAT(client.send(get("/stream?cut")).read_to_end(), EndsWith("shared\n\r\n"));
  HttpClient other(server.url());
  EXPECT_EQ(other.get("/stream?cut").error().code, Errc::unavailable);
}

TEST(HttpStream, LinesArriveOneByOne) {
  TestServer server;
  HttpClient client(server.url());
  const auto head = client.open_stream(HttpMethod::get, "/feed");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(*client.read_line(), "first");
  EXPECT_EQ(client.read_line(milliseconds(10)).error().code, Errc::timeout_unknown_outcome);
  EXPECT_TRUE(server.stop());
  EXPECT_EQ(*client.read_line(), "last");
  EXPECT_EQ(*client.read_line(), std::nullopt);
}

TEST(HttpStream, ASlowReaderHoldsTheWriterNotMemory) {
  TestServer server;
  RawClient client(server.port(), 16 * 1024);
  client.send(get("/flood")).read_until("\r\n\r\n");
  // The writer comes to rest: no more rows although the client is still there.
  std::size_t rows = 0;
  EXPECT_TRUE(eventually([&] {
    const HttpServerStats stats = server.stats();
    const std::size_t before = std::exchange(rows, server.handler().rows_written.load());
    return stats.unsent_bytes > 0 && rows == before;
  }));
  EXPECT_LE(server.stats().unsent_bytes, 4u * 64 * 1024 + 100) << "one write of the handler";
  EXPECT_LT(rows, 5u) << "256 KiB each: what the kernel has taken";
  EXPECT_EQ(server.handler().parked, 1);
  client.read_until(std::string(100'000, 'z'));  // it reads on: the writer goes on
  for (int i = 0; i < 100; ++i) {
    client.take();
    client.read_until("zzz");
  }
  EXPECT_TRUE(eventually([&] { return server.handler().rows_written > rows; }));
  client.reset();
  EXPECT_TRUE(eventually([&] { return server.handler().parked == 0; }));
  EXPECT_EQ(server.stats().unsent_bytes, 0u);
}

TEST(HttpStream, AReaderThatTakesNothingIsGivenUp) {
  TestServer server({.write_timeout = seconds(1)});
  RawClient client(server.port(), 16 * 1024);
  client.send(get("/flood")).read_until("\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.handler().rows_written > 0; }));
  EXPECT_TRUE(eventually([&] { return server.handler().parked == 0; }));
  EXPECT_EQ(server.stats().timeouts_total, 1u);
}

TEST(HttpStream, AWaitingHandlerNoticesThatThePeerIsGone) {
  TestServer server;
  for (const char* target : {"/park", "/feed"}) {
    for (const bool is_reset : {false, true}) {
      RawClient client(server.port());
      client.send(get(target));
      ASSERT_TRUE(eventually([&] { return server.handler().parked == 1; })) << target;
      if (is_reset) {
        client.reset();
      } else {
        client.shut_down_sending();
      }
      EXPECT_TRUE(eventually([&] { return server.handler().parked == 0; })) << target;
      if (!is_reset) {
        EXPECT_THAT(client.read_to_end(),
                    HasSubstr(target == std::string("/park") ? "disconnected" : "last\n"));
      }
    }
  }
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 0; }));
}

TEST(HttpStream, PipelinedBytesAreKeptWhileAHandlerWaits) {
  TestServer server;
  RawClient client(server.port());
  client.send(get("/park"));
  ASSERT_TRUE(eventually([&] { return server.handler().parked == 1; }));
  client.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nkept1");
  client.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nkept2").shut_down_sending();
  const std::string& answers = client.read_to_end();
  EXPECT_THAT(answers, HasSubstr("disconnected"));
  EXPECT_THAT(answers, HasSubstr("kept1"));
  EXPECT_THAT(answers, EndsWith("kept2"));
}

TEST(HttpStream, APeerThatSendsTooFarAheadIsLeftToTheKernel) {
  TestServer server;
  RawClient client(server.port());
  client.send(get("/park"));
  std::string ahead;
  for (int i = 0; i < 10'000; ++i) ahead += get("/a");
  client.send(ahead);
  ASSERT_TRUE(eventually([&] { return server.handler().parked == 1; }));
  EXPECT_TRUE(server.stop());
  EXPECT_THAT(client.read_to_end(), HasSubstr("stopping"));
}

TEST(HttpServerStop, EndsIdleConnectionsAndTellsHandlers) {
  TestServer server;
  RawClient idle(server.port());
  idle.send(get("/a")).read_until("hello");
  idle.take();
  RawClient parked(server.port());
  parked.send(get("/park"));
  RawClient feed(server.port());
  feed.send(get("/feed"));
  ASSERT_TRUE(eventually([&] { return server.handler().parked == 2; }));
  EXPECT_TRUE(server.stop());
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_THAT(parked.read_to_end(),
              EndsWith("Connection: close\r\nContent-Length: 8\r\n\r\nstopping"));
  EXPECT_THAT(feed.read_to_end(), EndsWith("last\n\r\n0\r\n\r\n"));
  EXPECT_EQ(server.stats().connections, 0u);
  EXPECT_THROW(RawClient{server.port()}, std::runtime_error);
}

TEST(HttpServerStop, CutsOffAStreamThatGoesOnTooLong) {
  TestServer server;
  RawClient client(server.port(), 16 * 1024);
  client.send(get("/flood")).read_until("\r\n\r\n");
  EXPECT_TRUE(server.stop(milliseconds(10)));
  EXPECT_EQ(server.handler().parked, 0);
}

TEST(HttpServerStop, TellsOfHandlersThatDoNotEnd) {
  TestServer server;
  RawClient client(server.port());
  client.send(get("/stubborn"));
  ASSERT_TRUE(eventually([&] { return server.handler().parked == 1; }));
  EXPECT_EQ(server.stop(milliseconds(10)).error().code, Errc::unavailable);
  server.in_turn([&] { server.handler().release->raise(); });
  EXPECT_TRUE(server.stop());
}

TEST(HttpServerStop, AServerWithHandlersInItMayBeDestroyedAfterTheLoop) {
  TestServer server;
  RawClient client(server.port());
  client.send(get("/stubborn"));
  EXPECT_TRUE(eventually([&] { return server.handler().parked == 1; }));
}

TEST(HttpServerStop, JoinsAThousandParkedConnections) {
  constexpr int kConnections = 1000;
  TestServer server;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < kConnections; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(get(i % 2 == 0 ? "/park" : "/feed"));
  }
  ASSERT_TRUE(eventually([&] { return server.handler().parked == kConnections; }));
  EXPECT_EQ(server.stats().handlers, static_cast<std::size_t>(kConnections));
  EXPECT_TRUE(server.stop());
  for (auto& client : clients) EXPECT_THAT(client->read_to_end(), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace headgate
