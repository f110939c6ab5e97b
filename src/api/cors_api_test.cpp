// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zlib.h>

#include "api/api_fixture.hpp"
#include "api/compression.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;

constexpr std::string_view kApp = "https://app.example";

class CorsApi : public ApiTest {
 protected:
  CorsApi() {
    make_database("db", R"({"cors":{"origins":["https://App.example","http://localhost:8080"],
                                    "credentials":true,"max_age_s":60}})");
    make_database("open", R"({"cors":{"origins":["*"]},"guest":{"disabled":false}})");
    make_database("closed", R"({"guest":{"disabled":false}})");
    make_user("db", ann_, R"(["red"])");
  }
  static std::string header(const Answer& answer, std::string_view name) {
    return std::string(answer.headers.find(name).value_or(""));
  }
  Answer preflight(std::string_view target, std::string_view origin,
                   std::string_view wanted = "content-type, x-other") {
    return user({}, options, target, {},
                {{"Origin", origin},
                 {"Access-Control-Request-Method", "PUT"},
                 {"Access-Control-Request-Headers", wanted}});
  }
};

TEST_F(CorsApi, PagesOfAllowedOriginsMayReadAnswers) {
  const Answer read = user(get, "/db/", {}, {{"Origin", kApp}});
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(header(read, "Access-Control-Allow-Origin"), kApp);
  EXPECT_EQ(header(read, "Access-Control-Allow-Credentials"), "true");
  EXPECT_THAT(header(read, "Access-Control-Expose-Headers"), HasSubstr("ETag"));
  EXPECT_EQ(header(read, "Vary"), "Origin");
  for (const auto& [target, status] :
       {std::pair("/db/none", 404), {"/db/_changes", 200}, {"/db/_all_docs", 200}}) {
    const Answer answer = user(get, target, {}, {{"Origin", kApp}});
    EXPECT_EQ(answer.status, status) << target;
    EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), kApp) << target;
  }
  const Answer refused = user({}, get, "/db/", {}, {{"Origin", kApp}});
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(header(refused, "Access-Control-Allow-Origin"), kApp) << "errors, too";
}

TEST_F(CorsApi, OtherPagesMayNot) {
  for (const char* origin : {"https://evil.example", "https://app.example.evil.example", "null",
                             "https://app.example:444", "http://app.example", "*"}) {
    const Answer read = user(get, "/db/", {}, {{"Origin", origin}});
    EXPECT_FALSE(read.headers.has("Access-Control-Allow-Origin")) << origin;
    EXPECT_EQ(header(read, "Vary"), "Origin") << origin;
    expect_error(preflight("/db/doc", origin), 403, "forbidden", origin);
  }
  const Answer closed = user({}, get, "/closed/", {}, {{"Origin", kApp}});
  EXPECT_FALSE(closed.headers.has("Access-Control-Allow-Origin"));
  EXPECT_FALSE(closed.headers.has("Vary"));
  EXPECT_FALSE(
      admin(get, "/db/", {}, {{"Origin", kApp}}).headers.has("Access-Control-Allow-Origin"))
      << "nothing of the admin port is for other sites";
  EXPECT_EQ(admin(options, "/db/", {}, {{"Origin", kApp}, {"Access-Control-Request-Method", "PUT"}})
                .status,
            405);
}

TEST_F(CorsApi, BrowsersAskBeforehandWithoutALogin) {
  const Answer asked = preflight("/db/doc", "http://localhost:8080");
  EXPECT_EQ(asked.status, 204);
  EXPECT_EQ(asked.body, "");
  EXPECT_EQ(header(asked, "Access-Control-Allow-Origin"), "http://localhost:8080");
  EXPECT_EQ(header(asked, "Access-Control-Allow-Methods"), "GET, HEAD, PUT, DELETE");
  EXPECT_EQ(header(asked, "Access-Control-Allow-Headers"), "content-type, x-other");
  EXPECT_EQ(header(asked, "Access-Control-Max-Age"), "60");
  EXPECT_EQ(preflight("/db/_session", kApp).status, 204);
  expect_error(preflight("/nowhere/doc", kApp), 404, "not_found");
  expect_error(user({}, options, "/db/doc", {}, {{"Origin", kApp}}), 405, "method_not_allowed");
}

TEST_F(CorsApi, EveryOriginMayUseAnOpenDatabaseWithoutCredentials) {
  const Answer read = user({}, get, "/open/", {}, {{"Origin", "https://any.example"}});
  EXPECT_EQ(header(read, "Access-Control-Allow-Origin"), "https://any.example");
  EXPECT_FALSE(read.headers.has("Access-Control-Allow-Credentials"));
  EXPECT_EQ(header(user({}, get, "/", {}, {{"Origin", kApp}}), "Access-Control-Allow-Origin"), kApp)
      << "PouchDB asks for the uuid of the server";
}

TEST_F(CorsApi, CookiesCountForAllowedOrigins) {
  const Answer in = user({}, post, "/db/_session", R"({"name":"ann","password":"secret"})",
                         {{"Origin", kApp}, {"Content-Type", "application/json"}});
  EXPECT_EQ(in.status, 200) << in.body;
  const std::string set = header(in, "Set-Cookie");
  const std::string cookie = set.substr(0, set.find(';'));
  EXPECT_EQ(user({}, get, "/db/", {}, {{"Cookie", cookie}, {"Origin", kApp}}).status, 200);
  EXPECT_EQ(
      user({}, get, "/db/", {}, {{"Cookie", cookie}, {"Origin", "https://evil.example"}}).status,
      401);
}

TEST_F(CorsApi, ConfigurationsAreChecked) {
  EXPECT_EQ(admin(get, "/db/_config").at("cors", "origins"),
            R"(["http://localhost:8080","https://app.example"])");
  for (const char* cors :
       {R"({"origins":["*"],"credentials":true})", R"({"origins":"*"})", R"({"origins":[5]})",
        R"({"origins":["app.example"]})", R"({"origins":["https://"]})",
        R"({"origins":["https://a.example/"]})", R"({"origins":["https://*.example"]})",
        R"({"max_age_s":-1})", R"({"other":1})"})
    expect_error(admin(put, "/bad", fmt::format(R"({{"cors":{}}})", cors)), 400, "bad_request",
                 cors);
}

std::string gunzip(std::string_view bytes) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::string out(1 << 22, '\0');
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<unsigned>(bytes.size());
  stream.next_out = reinterpret_cast<unsigned char*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  inflateEnd(&stream);
  return out;
}

TEST(Compression, ReadsWhatIsAdmitted) {
  for (const char* list :
       {"gzip", "deflate, gzip", "GZIP;q=0.5", "br , gzip ; q=1.0", "*", "identity;q=0, *;q=0.1"})
    EXPECT_TRUE(admits_gzip(list)) << list;
  for (const char* list :
       {"", "identity", "gzip;q=0", "gzip; q=0.000", "br", "xgzip", "*, gzip;q=0", "*;q=0", ",,"})
    EXPECT_FALSE(admits_gzip(list)) << list;
}

TEST(Compression, ComesBackTheSame) {
  for (const std::size_t size : {0u, 1u, 5'000u, 3'000'000u}) {
    std::string text;
    while (text.size() < size) text += fmt::format("{},", text.size() * 2'654'435'761);
    EXPECT_EQ(gunzip(gzip(text)), text);
  }
}

class CompressionApi : public ApiTest {
 protected:
  CompressionApi() {
    make_database("db");
    store("small", "{}");
    store("large", fmt::format(R"({{"text":"{}"}})", std::string(2'000, 'x')));
    store("huge", fmt::format(R"({{"text":"{}"}})", std::string(200'000, 'x')));
  }
  Answer zipped(std::string_view target, HttpMethod method = get) {
    return admin(method, target, {}, {{"Accept-Encoding", "gzip, deflate"}});
  }
};

TEST_F(CompressionApi, JsonIsCompressedForThoseWhoTakeIt) {
  for (const char* target : {"/db/large", "/db/huge", "/db/large?open_revs=all"}) {
    const Answer plain = admin(get, target);
    const Answer small = zipped(target);
    EXPECT_FALSE(plain.headers.has("Content-Encoding")) << target;
    ASSERT_EQ(small.headers.find("Content-Encoding").value_or(""), "gzip") << target;
    EXPECT_EQ(small.headers.find("Vary").value_or(""), "Accept-Encoding") << target;
    EXPECT_LT(small.body.size(), 1'000u) << target;
    EXPECT_EQ(gunzip(small.body), plain.body) << target;
  }
}

TEST_F(CompressionApi, OtherAnswersAreSentAsTheyAre) {
  EXPECT_FALSE(zipped("/db/small").headers.has("Content-Encoding"));
  EXPECT_FALSE(zipped("/db/large", head).headers.has("Content-Encoding"));
  ASSERT_EQ(
      admin(put, "/db/a/image", std::string(5'000, 'x'), {{"Content-Type", "image/png"}}).status,
      201);
  const Answer image = zipped("/db/a/image");
  EXPECT_FALSE(image.headers.has("Content-Encoding"));
  EXPECT_EQ(image.body.size(), 5'000u);
}

}  // namespace
}  // namespace headgate
