// SPDX-License-Identifier: Apache-2.0
#include "net/http_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/basic_auth.hpp"
#include "net/request_parser.hpp"

namespace headgate {
namespace {

using testing::Pair;

TEST(HttpMethod, NamesAreCaseSensitive) {
  EXPECT_EQ(parse_method("DELETE"), HttpMethod::del);
  EXPECT_EQ(parse_method("delete"), HttpMethod::other);
  EXPECT_EQ(parse_method("OTHER"), HttpMethod::other);
  EXPECT_EQ(to_string(HttpMethod::copy), "COPY");
}

TEST(HttpHeaders, AreFoundInAnyCase) {
  HttpHeaders headers{{"Content-Type", "text/plain"}, {"X", "1"}};
  headers.add("X", "2");
  EXPECT_EQ(headers.find("content-TYPE"), "text/plain");
  EXPECT_EQ(headers.find("x"), "1");
  EXPECT_EQ(headers.find("Content"), std::nullopt);
  ASSERT_EQ(headers.size(), 3u);
  EXPECT_THAT(headers[2], Pair("X", "2"));
  EXPECT_EQ(headers.wire_text(), "Content-Type: text/plain\r\nX: 1\r\nX: 2\r\n");
}

TEST(HttpHeaders, NoValueBeginsAFieldOfItsOwn) {
  HttpHeaders headers;
  headers.add("Location", "/a\r\nSet-Cookie: x");
  EXPECT_EQ(headers.wire_text(), "Location: /a  Set-Cookie: x\r\n");
}

TEST(BasicAuth, ReadsWhatItFormats) {
  for (const std::string password : {"", "p", "pw", "p:w", "\xc3\xa9\xff"}) {
    const auto read = parse_basic_auth(format_basic_auth({"ann", password}));
    ASSERT_TRUE(read) << password;
    EXPECT_EQ(read->user, "ann");
    EXPECT_EQ(read->password, password);
  }
  EXPECT_EQ(format_basic_auth({"Aladdin", "open sesame"}), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST(BasicAuth, RefusesWhatIsNoBasicAuth) {
  EXPECT_TRUE(parse_basic_auth("bASIC  YTpi"));
  EXPECT_FALSE(parse_basic_auth(""));
  EXPECT_FALSE(parse_basic_auth("Basic"));
  EXPECT_FALSE(parse_basic_auth("Bearer YTpi"));
  EXPECT_FALSE(parse_basic_auth("Basic YW5u")) << "no colon";
  EXPECT_FALSE(parse_basic_auth("Basic Y!pi"));
  EXPECT_FALSE(parse_basic_auth("Basic YTpiY")) << "6 bits are no byte";
}

struct Parsed {
  HttpRequest request;
  int failure = 0;
  bool is_done = false;
};

// Presents `text` in pieces of `step` bytes, as a slow network would.
Parsed parse_in_steps(std::string_view text, std::size_t step, std::size_t max_head = 1024,
                      std::uint64_t max_body = 1000) {
  Parsed parsed;
  BodyHold unlimited(nullptr);
  RequestParser parser(parsed.request, max_head);
  std::string pending;
  bool is_in_body = false;
  while (!parser.failure() && (!text.empty() || !pending.empty())) {
    const std::size_t before = pending.size();
    pending += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
    const std::size_t taken = parser.parse(pending);
    pending.erase(0, taken);
    if (parser.is_stage_done() && !is_in_body && !parser.failure()) {
      is_in_body = true;
      if (!parser.is_done()) parser.begin_body(max_body, unlimited);
    }
    if (parser.is_done() || (taken == 0 && text.empty() && before == pending.size())) break;
  }
  if (parser.failure()) parsed.failure = parser.failure()->status;
  parsed.is_done = parser.is_done();
  return parsed;
}

class RequestParserSteps : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Steps, RequestParserSteps, testing::Values(1, 2, 3, 7, 10'000));

TEST_P(RequestParserSteps, ReadsHeadAndBody) {
  const Parsed parsed = parse_in_steps(
      "\r\nPUT /db/a%2Fb?rev=1-x&new_edits=false HTTP/1.1\r\nHost: x\r\n"
      "Content-Length: 11\r\n\r\nhello world",
      GetParam());
  EXPECT_EQ(parsed.failure, 0);
  EXPECT_TRUE(parsed.is_done);
  EXPECT_EQ(parsed.request.method, HttpMethod::put);
  EXPECT_EQ(parsed.request.target, "/db/a%2Fb?rev=1-x&new_edits=false");
  EXPECT_THAT(parsed.request.path, testing::ElementsAre("db", "a/b"));
  EXPECT_EQ(*parsed.request.query.find("rev"), "1-x");
  EXPECT_EQ(parsed.request.headers.find("host"), "x");
  EXPECT_EQ(parsed.request.body, "hello world");
  EXPECT_GE(parsed.request.body.capacity(), parsed.request.body.size() + 64);
}

TEST_P(RequestParserSteps, JoinsChunks) {
  const Parsed parsed = parse_in_steps(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n",
      GetParam());
  EXPECT_EQ(parsed.failure, 0);
  EXPECT_TRUE(parsed.is_done);
  EXPECT_EQ(parsed.request.body, "hello world");
  EXPECT_FALSE(parsed.request.headers.has("Trailer"));
}

TEST_P(RequestParserSteps, NamesWhatIsWrong) {
  const std::size_t step = GetParam();
  const std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  const auto failure = [step](const std::string& text) {
    return parse_in_steps(text, step).failure;
  };
  EXPECT_EQ(failure("GE T / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(failure("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(failure("GET db HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(failure("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(failure("GET /?a=%z HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(failure("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(failure("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(failure("GET / HTTQ/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "a b: c\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + ": c\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "a: b\1c\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Content-Length: x\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Content-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(failure(head + "Expect: rain\r\n\r\n"), 417);
  EXPECT_EQ(failure(head + "Content-Length: 1001\r\n\r\n"), 413);
  EXPECT_EQ(failure(head + "Content-Length: 18446744073709551615\r\n\r\n"), 413);
  EXPECT_EQ(failure(head + "Content-Length: 18446744073709551616\r\n\r\n"), 400);
  EXPECT_EQ(failure(head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"), 413);
  EXPECT_EQ(failure(head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
  EXPECT_EQ(failure(head + "Transfer-Encoding: chunked\r\n\r\n1\r\nabcdef\r\n"), 400);
  EXPECT_EQ(failure(head + "A: " + std::string(1024, 'a') + "\r\n\r\n"), 431);
  EXPECT_EQ(failure("GET /" + std::string(1024, 'a') + " HTTP/1.1\r\n\r\n"), 431);
  std::string many = head;
  for (int i = 0; i < 200; ++i) many += "Name: value\r\n";
  EXPECT_EQ(failure(many + "\r\n"), 431) << "each field fits, all together do not";
  EXPECT_EQ(failure(head + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + std::string(20'000, 'a') +
                    "\r\n"),
            400)
      << "a trailer without end";
}

TEST_P(RequestParserSteps, ACutRequestIsNeverDone) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string text = head + "5\r\nhello\r\n0\r\n\r\n";
  EXPECT_TRUE(parse_in_steps(head + "0\r\n\r\n", GetParam()).is_done);
  for (std::size_t length = 0; length < text.size(); ++length) {
    const Parsed parsed = parse_in_steps(std::string_view(text).substr(0, length), GetParam());
    EXPECT_FALSE(parsed.is_done) << length;
    EXPECT_EQ(parsed.failure, 0) << length;
  }
}

TEST(RequestParser, AbsoluteTargetsAreCut) {
  EXPECT_EQ(parse_in_steps("GET http://h:1/a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", 100).request.target,
            "/a?b=c");
  EXPECT_EQ(parse_in_steps("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 100).request.target, "/");
}

TEST(RequestParser, AnAnnouncedLengthCostsNoMemory) {
  const Parsed parsed = parse_in_steps(
      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc", 10'000, 1024, 1 << 30);
  EXPECT_EQ(parsed.request.body, "abc");
  EXPECT_LT(parsed.request.body.capacity(), 1000u);
}

}  // namespace
}  // namespace headgate
