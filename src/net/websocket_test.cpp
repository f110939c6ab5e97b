// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/test_server.hpp"
#include "net/test_websocket.hpp"

namespace headgate {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

class WebSocketServer : public testing::TestWithParam<bool> {
 protected:
  TestWebSocket::Options options() { return {.compresses = GetParam()}; }
  TestServer server_;
};

INSTANTIATE_TEST_SUITE_P(PlainAndCompressed, WebSocketServer, testing::Bool(),
                         [](const auto& info) { return info.param ? "Compressed" : "Plain"; });

TEST_P(WebSocketServer, MessagesComeAndGo) {
  TestWebSocket client(server_.port(), "/socket?x=1", options());
  EXPECT_EQ(client.status(), 101);
  EXPECT_EQ(client.header("X-Test"), "yes");
  EXPECT_EQ(client.header("Sec-WebSocket-Extensions") != "", GetParam());
  for (const std::string& message :
       {std::string("one"), std::string(), std::string(100'000, 'x'), std::string("last")}) {
    client.send(message);
    EXPECT_EQ(client.read(), message);
  }
  EXPECT_EQ(client.received_bytes() < 10'000, GetParam()) << "compressed or not";
}

TEST_P(WebSocketServer, TheServerSaysWhyItCloses) {
  TestWebSocket client(server_.port(), "/socket", options());
  client.send("close");
  EXPECT_EQ(client.read(), std::nullopt);
  EXPECT_EQ(client.close_code(), 1008);
  EXPECT_EQ(client.close_reason(), "bye");
  EXPECT_TRUE(eventually([&] { return server_.stats().connections == 0; }));
}

TEST_P(WebSocketServer, TheClientsEndIsNoticed) {
  for (const bool is_polite : {true, false}) {
    TestWebSocket client(server_.port(), "/socket", options());
    EXPECT_TRUE(eventually([&] { return server_.handler().parked == 1; }));
    if (is_polite) {
      client.close();
    } else {
      client.drop();
    }
    EXPECT_TRUE(eventually([&] { return server_.handler().parked == 0; }));
  }
}

TEST_P(WebSocketServer, ASlowReaderHoldsTheWriterNotMemory) {
  TestWebSocket client(server_.port(), "/socket",
                       {.compresses = false, .receive_buffer = 16 * 1024});
  client.send("flood");
  std::size_t rows = 0;
  EXPECT_TRUE(eventually([&] {
    const HttpServerStats stats = server_.stats();
    const std::size_t before = std::exchange(rows, server_.handler().rows_written.load());
    return stats.unsent_bytes > 0 && rows == before;
  }));
  EXPECT_LE(server_.stats().unsent_bytes, 257u * 1024);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.read()->size(), 256u * 1024);
  EXPECT_TRUE(eventually([&] { return server_.handler().rows_written > rows; }));
  client.drop();
  EXPECT_TRUE(eventually([&] { return server_.handler().parked == 0; }));
}

TEST(WebSocketSession, PingsAreAnswered) {
  TestServer server;
  TestWebSocket client(server.port(), "/socket");
  client.ping();
  client.send("x");
  EXPECT_EQ(client.read(), "x");
  EXPECT_EQ(client.pongs(), 1);
}

TEST(WebSocketSession, TooLongAMessageEndsTheConnection) {
  TestServer server;
  TestWebSocket client(server.port(), "/socket");
  client.send(std::string(1'000'001, 'x'));
  EXPECT_EQ(client.read(), std::nullopt);
  EXPECT_TRUE(eventually([&] { return server.handler().parked == 0; }));
}

TEST(WebSocketSession, AServerThatStopsEndsIt) {
  TestServer server;
  TestWebSocket client(server.port(), "/socket");
  EXPECT_TRUE(eventually([&] { return server.handler().parked == 1; }));
  EXPECT_TRUE(server.stop(seconds(0)));
  EXPECT_EQ(client.read(), std::nullopt);
}

TEST(WebSocketSession, APeerThatNeverClosesIsLeft) {
  TestServer server;
  RawClient client(server.port());
  client.send(
      "GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  // "close", masked with zeros.
  client.send(std::string("\x81\x85\0\0\0\0close", 11));
  EXPECT_TRUE(eventually([&] { return server.handler().parked == 0; }));
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 0; }));
}

TEST(WebSocketSession, AMalformedHandshakeIsRefused) {
  TestServer server;
  RawClient client(server.port());
  client.send(
      "GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 4"));
}

TEST(WebSocketSession, BrokenFramesEndTheConnection) {
  TestServer server;
  RawClient client(server.port());
  client.send(
      "GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
      "no frame at all, and sent ahead");
  client.read_to_end();
  EXPECT_TRUE(client.has_ended());
  EXPECT_TRUE(eventually([&] { return server.stats().connections == 0; }));
}

}  // namespace
}  // namespace headgate
