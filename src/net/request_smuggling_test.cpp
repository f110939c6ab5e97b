// SPDX-License-Identifier: Apache-2.0
// Requests whose end two parties may see in different places (RFC 9112, 11.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/test_server.hpp"

namespace headgate {
namespace {

using testing::AnyOf;
using testing::StartsWith;

/// Sends a head and `body`, which holds a second request; nothing of it may reach the handler.
void expect_refused(const std::string& head, const std::string& body) {
  TestServer server;
  RawClient client(server.port());
  client.send(head + "\r\n\r\n" + body);
  EXPECT_THAT(client.read_to_end(), AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 501 ")))
      << head;
  EXPECT_TRUE(client.has_ended()) << head;
  EXPECT_EQ(server.handler().handled, 0) << head;
}

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kChunked = "0\r\n\r\n" + kSmuggled;

TEST(RequestSmuggling, ALengthAndACodingExcludeEachOther) {
  const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\n";
  expect_refused(post + "Content-Length: 5\r\nTransfer-Encoding: chunked", kChunked);
  expect_refused(post + "Transfer-Encoding: chunked\r\nContent-Length: 5", kChunked);
  expect_refused("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked", kChunked);
}

TEST(RequestSmuggling, ALengthIsOneNumber) {
  const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ";
  for (const char* length : {"5\r\nContent-Length: 6", "5, 6", "+5", "-5", "0x5", "5 5", "5a", "",
                             "99999999999999999999999", "5\r\ncontent-length: 0"})
    expect_refused(post + length, "12345" + kSmuggled);
}

TEST(RequestSmuggling, TheOnlyCodingIsChunked) {
  const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\n";
  for (const char* coding :
       {"Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity", "Transfer-Encoding : chunked",
        "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", " Transfer-Encoding: chunked"})
    expect_refused(post + coding, kChunked);
}

TEST(RequestSmuggling, ChunksHavePlainSizes) {
  const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked";
  for (const char* chunk : {"0x1\r\nx\r\n", "-1\r\nx\r\n", "+1\r\nx\r\n", " 1\r\nx\r\n", "1\nx\n",
                            "g\r\n", "FFFFFFFFFFFFFFFFF\r\nx\r\n", "1\r\nxy\r\n", "\r\nx\r\n"})
    expect_refused(post, chunk + kChunked);
}

TEST(RequestSmuggling, AHeadIsUnambiguous) {
  for (const char* head :
       {"GET /a HTTP/1.1\r\nHost: x\r\nHost: y", "GET /a HTTP/1.1\nHost: x",
        "GET /a HTTP/1.1\r\nHost: x\nX: y", "GET /a HTTP/1.1\r\nHost: x\r\nX Y: z",
        "GET /a HTTP/1.1\r\nHost: x\r\nNo colon", "GET /a HTTP/1.1\r\nHost: x\r\n: empty",
        "GET  /a HTTP/1.1\r\nHost: x", "GET /a b HTTP/1.1\r\nHost: x",
        "GET /a HTTP/1.1 \r\nHost: x", "GET /a\r\nHost: x", "GET /a HTTP/2.0\r\nHost: x",
        "GET /a HTTP/1.1\r\nHost: x\r\nX: a\rb", "GET /a HTTP/1.1"})
    expect_refused(head, kSmuggled);
  expect_refused(std::string("GET /a HTTP/1.1\r\nHost: x\r\nX: a\0b", 32), kSmuggled);
}

}  // namespace
}  // namespace headgate
