// SPDX-License-Identifier: Apache-2.0
// What clients store or send must not become header fields of answers.
#include <fmt/format.h>

#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;

class InjectionApi : public ApiTest {
 protected:
  InjectionApi() {
    make_database("db", R"({"cors":{"origins":["*"]},"guest":{"disabled":false}})");
  }

  static void expect_clean(const Answer& answer, std::string_view what) {
    EXPECT_FALSE(answer.headers.has("X-Evil")) << what;
    EXPECT_NE(answer.status, 0) << what << ": no HTTP came back";
  }
};

TEST_F(InjectionApi, NamesStayInTheirFields) {
  const Answer made = admin(post, "/db/", R"({"_id":"a\r\nX-Evil: 1"})");
  EXPECT_EQ(made.status, 200);
  expect_clean(made, "Location");
  expect_clean(admin(put, "/db/b%0D%0AX-Evil:%201", "{}"), "id");
  expect_clean(admin(put, "/db/c/name%0D%0AX-Evil:%201", "x", {{"Content-Type", "text/plain"}}),
               "attachment");
  const Answer parts = admin(get, "/db/c", {}, {{"Accept", "multipart/related"}});
  EXPECT_EQ(parts.status, 200);
  EXPECT_EQ(parts.body.find("\nX-Evil"), std::string::npos) << parts.body;
  const Answer bulk = admin(post, "/db/_bulk_get", R"({"docs":[{"id":"a\r\nX-Evil: 1"}]})",
                            {{"Accept", "multipart/mixed"}});
  EXPECT_EQ(bulk.status, 200);
  EXPECT_EQ(bulk.body.find("\nX-Evil"), std::string::npos) << bulk.body;
}

TEST_F(InjectionApi, ContentTypesStayInTheirFields) {
  const Answer put_type = admin(
      put, "/db/d", R"({"_attachments":{"a":{"data":"eA==","content_type":"a\r\nX-Evil: 1"}}})");
  expect_error(put_type, 400, "bad_request");
}

TEST_F(InjectionApi, WhatIsSentBackIsCleaned) {
  const Answer asked = user({}, options, "/db/doc", {},
                            {{"Origin", "http://a"},
                             {"Access-Control-Request-Method", "PUT"},
                             {"Access-Control-Request-Headers", "a\tb"}});
  EXPECT_EQ(asked.status, 204);
  expect_clean(asked, "preflight");
  expect_clean(user({}, get, "/db/_changes?feed=%0D%0AX-Evil:%201"), "reason");
}

}  // namespace
}  // namespace headgate
