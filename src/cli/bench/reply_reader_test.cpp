// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/reply_reader.hpp"

#include <gtest/gtest.h>

namespace headgate::bench {
namespace {

/// Reads `bytes` in pieces of `size`.
ReplyReader read(std::string_view bytes, std::size_t size, std::string& body) {
  ReplyReader reader;
  for (std::size_t at = 0; at < bytes.size(); at += size) reader.take(bytes.substr(at, size), body);
  return reader;
}

TEST(ReplyReaderTest, ReadsALengthHoweverItIsCut) {
  constexpr std::string_view kReply =
      "HTTP/1.1 201 Created\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello";
  for (std::size_t size = 1; size <= kReply.size(); ++size) {
    std::string body;
    const ReplyReader reader = read(kReply, size, body);
    EXPECT_TRUE(reader.is_done()) << size;
    EXPECT_FALSE(reader.closes());
    EXPECT_EQ(reader.status(), 201);
    EXPECT_EQ(body, "hello");
  }
}

TEST(ReplyReaderTest, JoinsChunksHoweverTheyAreCut) {
  constexpr std::string_view kReply =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1A;x=y\r\n"
      "abcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: 1\r\n\r\n";
  for (std::size_t size = 1; size <= kReply.size(); ++size) {
    std::string body;
    const ReplyReader reader = read(kReply, size, body);
    EXPECT_TRUE(reader.is_done()) << size;
    EXPECT_FALSE(reader.is_broken()) << size;
    EXPECT_EQ(body, "helloabcdefghijklmnopqrstuvwxyz") << size;
  }
}

TEST(ReplyReaderTest, ABodyWithoutLengthEndsWithItsConnection) {
  std::string body;
  ReplyReader reader = read("HTTP/1.1 200 OK\r\n\r\nab", 100, body);
  EXPECT_FALSE(reader.is_done());
  reader.end();
  EXPECT_TRUE(reader.is_done());
  EXPECT_FALSE(reader.is_broken());
  EXPECT_EQ(body, "ab");
}

TEST(ReplyReaderTest, AnUpgradeHandsOnWhatFollows) {
  std::string body;
  const ReplyReader reader =
      read("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n\x81\x01x", 7, body);
  EXPECT_EQ(reader.status(), 101);
  EXPECT_FALSE(reader.is_done());
  EXPECT_EQ(body, "\x81\x01x");
}

TEST(ReplyReaderTest, WhatIsCutOffIsBroken) {
  std::string body;
  ReplyReader reader = read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 100, body);
  reader.end();
  EXPECT_TRUE(reader.is_broken());
}

TEST(ReplyReaderTest, WhatIsNoHttpIsBroken) {
  for (const std::string_view bytes :
       {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"}) {
    std::string body;
    EXPECT_TRUE(read(bytes, 1000, body).is_broken()) << bytes;
  }
}

}  // namespace
}  // namespace headgate::bench
