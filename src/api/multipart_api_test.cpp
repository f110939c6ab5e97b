// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/api_fixture.hpp"
#include "api/multipart.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Multipart, ParametersOfHeadersAreFound) {
  EXPECT_EQ(header_parameter("multipart/mixed; boundary=abc", "boundary"), "abc");
  EXPECT_EQ(header_parameter("multipart/mixed;a=\"x;boundary=y\"; Boundary=\"a b\"", "boundary"),
            "a b");
  EXPECT_EQ(header_parameter("multipart/mixed; boundary = abc ; x=y", "boundary"), "abc");
  for (const char* none : {"", "a", "a;", "a;boundary", "a;xboundary=1", "boundary=1"})
    EXPECT_EQ(header_parameter(none, "boundary"), "") << none;
}

TEST(Multipart, IsWantedOnlyByName) {
  for (const char* accept : {"multipart/mixed", "application/json, multipart/mixed;q=0.5",
                             "Multipart/*", "text/html,multipart/mixed", "multipart/mixed;q=0.001",
                             "multipart/mixed;q=0,multipart/*;q=1"})
    EXPECT_TRUE(names_multipart(accept, "multipart/mixed")) << accept;
  for (const char* accept : {"", "*/*", "application/json", "multipart/related", "xmultipart/mixed",
                             "multipart/mixed;q=0, application/json", "multipart/*; q=0.000"})
    EXPECT_FALSE(names_multipart(accept, "multipart/mixed")) << accept;
}

std::vector<std::string> bodies(std::string_view text) {
  const auto parts = parse_multipart(text, "multipart/mixed; boundary=B");
  if (!parts) return {"(" + std::string(to_string(parts.error().code)) + ")"};
  std::vector<std::string> bodies;
  for (const BodyPart& part : *parts) bodies.emplace_back(part.body);
  return bodies;
}

TEST(Multipart, IsTakenApart) {
  EXPECT_THAT(bodies("--B\r\n\r\none\r\n--B\r\nX: y\r\n\r\ntwo\r\nlines\r\n--B--"),
              ElementsAre("one", "two\r\nlines"));
  EXPECT_THAT(bodies("preamble\r\n--B \t\r\nX: y\r\n\r\n\r\n--B--\r\nepilogue"), ElementsAre(""));
  EXPECT_THAT(bodies("--B\r\n\r\n--C\r\n-B\r\n--B--"), ElementsAre("--C\r\n-B"));
  for (const char* bad :
       {"", "x", "--B", "--B--", "--B\r\n", "--B\r\n\r\nno end", "--B\r\n\r\nno end\r\n--C--",
        "--B\r\nno head\r\n--B--", "--B\r\n: x\r\n\r\n\r\n--B--", "--Bx\r\n\r\n\r\n--B--",
        "--B\n\none\n--B--"})
    EXPECT_THAT(bodies(bad), ElementsAre("(invalid_argument)")) << bad;
  EXPECT_FALSE(parse_multipart("--B--", "multipart/mixed"));
  std::string many;
  for (int i = 0; i < 1'002; ++i) many += "--B\r\n\r\nx\r\n";
  EXPECT_THAT(bodies(many + "--B--"), ElementsAre("(invalid_argument)"));
}

TEST(Multipart, ComesBackAsItWasPutTogether) {
  MultipartWriter out("B");
  out.part({{"X", "1"}}, "one").part({}, "\r\n--b\r\n");
  const std::string type = out.type("mixed");
  const std::string text = std::move(out).finish();
  const auto parts = parse_multipart(text, type);
  ASSERT_TRUE(parts);
  EXPECT_EQ((*parts)[0].headers.find("x"), "1");
  EXPECT_EQ((*parts)[0].body, "one");
  EXPECT_EQ((*parts)[1].body, "\r\n--b\r\n");
}

class MultipartApi : public ApiTest {
 protected:
  MultipartApi() { make_database("db"); }

  struct Part {
    HttpHeaders headers;
    std::string body;
  };
  static std::vector<Part> parts_of(std::string_view body, std::string_view type) {
    std::vector<Part> parts;
    const auto read = parse_multipart(body, type);
    EXPECT_TRUE(read) << body;
    if (read)
      for (const BodyPart& part : *read) parts.push_back({part.headers, std::string(part.body)});
    return parts;
  }
  static std::vector<Part> parts_of(const Answer& answer) {
    return parts_of(answer.body, answer.headers.find("Content-Type").value_or(""));
  }
  static std::string type_of(const Part& part) {
    return std::string(part.headers.find("Content-Type").value_or(""));
  }
  Answer put_parts(std::string_view id, std::string_view text, std::string_view query = "") {
    return admin(put, fmt::format("/db/{}{}", id, query), text,
                 {{"Content-Type", "multipart/related; boundary=\"B\""}});
  }
  Answer get_as(std::string_view target, std::string_view accept) {
    return admin(get, target, {}, {{"Accept", accept}});
  }
  /// A document with attachments one.txt ("1") and two.bin ("22").
  std::string store_two(std::string_view id) {
    const Answer put = put_parts(
        id,
        "--B\r\nContent-Type: application/json\r\n\r\n"
        R"({"n":1,"_attachments":{"one.txt":{"follows":true,"content_type":"text/plain","length":1},)"
        R"("two.bin":{"follows":true,"content_type":"image/png","length":2}}})"
        "\r\n--B\r\n\r\n1\r\n--B\r\n\r\n22\r\n--B--");
    EXPECT_EQ(put.status, 201) << put.body;
    return put.rev();
  }
};

TEST_F(MultipartApi, ADocumentComesWithItsAttachmentsAsParts) {
  const std::string rev = store_two("doc");
  EXPECT_EQ(admin(get, "/db/doc/one.txt").body, "1");
  EXPECT_EQ(admin(get, "/db/doc/two.bin").body, "22");
  EXPECT_EQ(admin(get, "/db/doc").at("_attachments", "two.bin", "stub"), "true");
  const Answer shown = get_as("/db/doc?revs=true", "multipart/related, application/json");
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.headers.find("ETag"), fmt::format("\"{}\"", rev));
  const auto parts = parts_of(shown);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(type_of(parts[0]), "application/json");
  const Answer document{200, {}, parts[0].body};
  EXPECT_EQ(document.rev(), "") << "_rev is another member";
  EXPECT_EQ(document.at("_rev"), rev);
  EXPECT_EQ(document.at("_attachments", "one.txt", "follows"), "true");
  EXPECT_EQ(document.at("_attachments", "one.txt", "length"), "1");
  EXPECT_EQ(document.at("_attachments", "one.txt", "data"), "");
  EXPECT_EQ(parts[1].body, "1");
  EXPECT_EQ(type_of(parts[2]), "image/png");
  EXPECT_EQ(parts[2].headers.find("Content-Disposition"), "attachment; filename=\"two.bin\"");
  EXPECT_EQ(parts[2].body, "22");
  // What came out goes in again.
  const Answer copied =
      admin(put, fmt::format("/db/copy?new_edits=false"),
            std::string(shown.body).replace(shown.body.find("\"doc\""), 5, "\"copy\""),
            {{"Content-Type", shown.headers.find("Content-Type").value()}});
  EXPECT_EQ(copied.status, 201) << copied.body;
  EXPECT_EQ(copied.rev(), rev);
  EXPECT_EQ(admin(get, "/db/copy/two.bin").body, "22");
}

TEST_F(MultipartApi, WithoutAttachmentsItIsJson) {
  store("plain", "{}");
  const Answer plain = get_as("/db/plain", "multipart/related");
  EXPECT_EQ(plain.headers.find("Content-Type"), "application/json");
  EXPECT_EQ(plain.at("_id"), "plain");
  store_two("doc");
  for (const char* accept : {"*/*", "application/json", "multipart/mixed"})
    EXPECT_EQ(get_as("/db/doc", accept).headers.find("Content-Type"), "application/json") << accept;
}

TEST_F(MultipartApi, PartsAreToldByNameDigestOrOrder) {
  const auto document = [](std::string_view more) {
    return fmt::format(
        "--B\r\n\r\n{{\"_attachments\":{{\"a\":{{\"follows\":true{0}}},\"b\":{{\"follows\":true}}}}"
        "}}"
        "\r\n",
        more);
  };
  const auto check = [this](std::string_view id, std::string_view a, std::string_view b) {
    EXPECT_EQ(admin(get, fmt::format("/db/{}/a", id)).body, a);
    EXPECT_EQ(admin(get, fmt::format("/db/{}/b", id)).body, b);
  };
  EXPECT_EQ(
      put_parts("named", document("") + "--B\r\nContent-Disposition: attachment; filename=\"b\"\r\n"
                                        "\r\nBB\r\n--B\r\n\r\nAA\r\n--B--")
          .status,
      201);
  check("named", "AA", "BB");
  EXPECT_EQ(put_parts("digest", document(",\"digest\":\"md5-O5ji3/xssGqJ3LDVxgoCBg==\"") +
                                    "--B\r\n\r\nBB\r\n--B\r\n\r\nAA\r\n--B--")
                .status,
            201);
  check("digest", "AA", "BB");
  EXPECT_EQ(put_parts("order", document("") + "--B\r\n\r\nAA\r\n--B\r\n\r\nBB\r\n--B--").status,
            201);
  check("order", "AA", "BB");
}

TEST_F(MultipartApi, WhatDoesNotFitTogetherIsRefused) {
  const std::string one =
      "--B\r\n\r\n{\"_attachments\":{\"a\":{\"follows\":true,\"length\":1}}}\r\n";
  for (const std::string& text :
       {std::string("no part"), one + "--B--", one + "--B\r\n\r\n1\r\n--B\r\n\r\n2\r\n--B--",
        one + "--B\r\n\r\n22\r\n--B--", std::string("--B\r\n\r\n{\r\n--B--"),
        std::string("--B\r\n\r\n{}\r\n--B\r\n\r\nx\r\n--B--"),
        one + "--B\r\nContent-Disposition: attachment; filename=\"z\"\r\n\r\n1\r\n--B--",
        one + "--B\r\n\r\n1"})
    expect_error(put_parts("bad", text), 400, "bad_request", text);
  expect_error(admin(put, "/db/bad", "--B--", {{"Content-Type", "multipart/related"}}), 400,
               "bad_request");
  expect_error(admin(put, "/db/bad", "--B--", {{"Content-Type", "multipart/form-data"}}), 415,
               "bad_content_type");
  expect_error(admin(get, "/db/bad"), 404, "not_found");
}

TEST_F(MultipartApi, OpenRevisionsAreMixedIfThatIsAskedFor) {
  const std::string rev = store_two("doc");
  const std::string target = fmt::format("/db/doc?open_revs=[\"{}\",\"2-none\"]", rev);
  const auto parts = parts_of(get_as(target, "multipart/mixed"));
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(type_of(parts[0]), StartsWith("multipart/related; boundary="));
  const auto inner = parts_of(parts[0].body, type_of(parts[0]));
  ASSERT_EQ(inner.size(), 3u);
  EXPECT_EQ(inner[2].body, "22");
  EXPECT_EQ(type_of(parts[1]), "application/json; error=\"true\"");
  EXPECT_EQ(parts[1].body, R"({"missing":"2-none"})");
  const std::string known = fmt::format("{}&atts_since=[\"{}\"]", target, rev);
  EXPECT_EQ(type_of(parts_of(get_as(known, "multipart/mixed"))[0]), "application/json")
      << "the client has the attachments";
  EXPECT_THAT(get_as(target, "application/json").body, StartsWith("[{\"ok\":"));
}

TEST_F(MultipartApi, BulkGetIsMixedIfThatIsAskedFor) {
  store_two("doc");
  const std::string plain = store("plain", "{}");
  const std::string body = fmt::format(
      R"({{"docs":[{{"id":"doc"}},{{"id":"plain","rev":"{}"}},{{"id":"none"}},{{"id":5}}]}})",
      plain);
  const Answer answer =
      admin(post, "/db/_bulk_get?attachments=true", body, {{"Accept", "multipart/mixed"}});
  EXPECT_EQ(answer.status, 200);
  const auto parts = parts_of(answer);
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[0].headers.find("X-Doc-ID"), "doc");
  EXPECT_THAT(type_of(parts[0]), StartsWith("multipart/related"));
  EXPECT_EQ(parts[1].headers.find("X-Rev-ID"), plain);
  EXPECT_EQ(type_of(parts[1]), "application/json");
  EXPECT_EQ(type_of(parts[2]), "application/json; error=\"true\"");
  EXPECT_THAT(parts[2].body, HasSubstr(R"("id":"none")"));
  EXPECT_THAT(parts[2].body, HasSubstr(R"("status":404)"));
  EXPECT_THAT(parts[3].body, HasSubstr(R"("status":400)"));
  EXPECT_THAT(admin(post, "/db/_bulk_get", body, {{"Accept", "*/*"}}).body,
              StartsWith("{\"results\":["));
}

}  // namespace
}  // namespace headgate
