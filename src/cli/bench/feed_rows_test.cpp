// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/feed_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "cli/bench/websocket_messages.hpp"

namespace headgate::bench {
namespace {

using ::testing::ElementsAre;

TEST(FeedRowsTest, FindsEachRowOnceHoweverTheFeedIsCut) {
  constexpr std::string_view kFeed =
      "{\"seq\":\"1\",\"id\":\"one\",\"changes\":[{\"rev\":\"1-a\"}]}\n\n"
      "{\"seq\":2,\"id\":\"\",\"changes\":[]}\n{\"seq\":3,\"id\":\"three\"}\n";
  for (std::size_t size = 1; size <= kFeed.size(); ++size) {
    FeedRows rows;
    std::vector<std::string> ids;
    for (std::size_t at = 0; at < kFeed.size(); at += size)
      rows.take(kFeed.substr(at, size), [&](std::string_view id) { ids.emplace_back(id); });
    EXPECT_THAT(ids, ElementsAre("one", "", "three")) << size;
  }
}

TEST(FeedRowsTest, TheLastSequenceIsReadyForAnAddress) {
  EXPECT_EQ(last_sequence("{\"results\":[],\"last_seq\":17,\"pending\":0}"), "17");
  EXPECT_EQ(last_sequence("{\"results\":[],\n\"last_seq\":\"5::7\",\"pending\":0}"), "5%3A%3A7");
  EXPECT_EQ(last_sequence("{\"results\":[]}"), "");
}

TEST(FeedRowsTest, CountsWhatDoesNotOverlap) {
  EXPECT_EQ(count_of("aaaa", "aa"), 2U);
  EXPECT_EQ(count_of("", "a"), 0U);
}

TEST(WebSocketMessagesTest, MessagesComeWholeHoweverTheyAreCut) {
  const std::string medium(200, 'm');
  const std::string large(70'000, 'l');
  std::string wire = std::string("\x81\x05", 2) + "short";
  wire += std::string("\x81\x7e\x00\xc8", 4) + medium;
  wire += std::string("\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70", 10) + large;
  wire += std::string("\x81\x00", 2);
  for (const std::size_t size : {1U, 2U, 3U, 7U, 100U, 1'000'000U}) {
    WebSocketMessages messages;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < wire.size(); at += size)
      messages.take(std::string_view(wire).substr(at, size),
                    [&](std::string_view message) { seen.emplace_back(message); });
    EXPECT_THAT(seen, ElementsAre("short", medium, large, "")) << size;
  }
}

TEST(WebSocketMessagesTest, WhatAClientSendsIsMasked) {
  EXPECT_EQ(websocket_message("{}"), std::string("\x81\x82\0\0\0\0{}", 8));
  EXPECT_EQ(websocket_message(std::string(300, 'x')).substr(0, 8),
            std::string("\x81\xfe\x01\x2c\0\0\0\0", 8));
}

}  // namespace
}  // namespace headgate::bench
