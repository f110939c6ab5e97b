// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;
using testing::Not;

class PurgeApi : public ApiTest {
 protected:
  PurgeApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
  }
  std::string feed(std::string_view query = "") {
    return user(get, fmt::format("/db/_changes{}", query)).body;
  }
};

TEST_F(PurgeApi, PurgedDocumentsAreGoneWhenItIsAnswered) {
  const std::string rev = store("a", R"({"channels":["red"]})");
  EXPECT_EQ(admin(put, "/db/a", fmt::format(R"({{"_rev":"{}","channels":["blue"]}})", rev)).status,
            201);
  store("b", R"({"channels":["red"]})");
  store("c", R"({"channels":["red"]})");
  settle();
  EXPECT_THAT(feed(), HasSubstr(R"("id":"a")"));
  const Answer answer = admin(post, "/db/_purge", R"({"a":["*"],"none":["*"],"c":["*"]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json().raw(), R"({"purged":{"a":["*"],"c":["*"]}})");
  for (const std::string_view query : {"", "?mode=stable", "?limit=1", "?descending=true"}) {
    EXPECT_THAT(feed(query), HasSubstr(R"("id":"b")")) << query;
    EXPECT_THAT(feed(query), Not(HasSubstr(R"("id":"a")"))) << query;
    EXPECT_THAT(feed(query), Not(HasSubstr(R"("id":"c")"))) << query;
  }
  EXPECT_THAT(admin(get, "/db/_changes").body, Not(HasSubstr(R"("id":"a")")));
  EXPECT_THAT(admin(get, "/db/_dump/blue").body, Not(HasSubstr(R"("id":"a")")));
  EXPECT_THAT(admin(get, "/db/_all_docs").body, Not(HasSubstr(R"("id":"a")")));
  expect_error(admin(get, "/db/a"), 404, "not_found");
  expect_error(admin(get, "/db/_raw/a"), 404, "not_found");
  EXPECT_EQ(admin(post, "/db/_purge", R"({"a":["*"]})").json().raw(), R"({"purged":{}})");
}

TEST_F(PurgeApi, AWaitingFeedIsToldOfTheNewDocumentOnly) {
  store("a", R"({"channels":["red"]})");
  settle();
  const std::string since = user(get, "/db/_changes").at("last_seq");
  EXPECT_EQ(admin(post, "/db/_purge", R"({"a":["*"]})").status, 200);
  const std::string rev = store("a", R"({"channels":["red"],"n":2})");
  const Answer seen = user(get, "/db/_changes?feed=longpoll&since=" + since);
  EXPECT_EQ(seen.at("results", 0, "id"), "a") << seen.body;
  EXPECT_EQ(seen.at("results", 0, "changes", 0, "rev"), rev);
  EXPECT_EQ(rev.substr(0, 2), "1-");
}

TEST_F(PurgeApi, OnlyAllRevisionsOfAnIdCanBePurged) {
  store("a", "{}");
  for (const std::string_view body :
       {R"({"a":"*"})", R"({"a":[]})", R"({"a":["1-a"]})", R"({"a":["*","*"]})", R"({"_x":["*"]})",
        R"(["a"])", R"({"a":["*"],"b":["1-a"]})", ""})
    expect_error(admin(post, "/db/_purge", body), 400, "bad_request", body);
  EXPECT_EQ(admin(get, "/db/a").status, 200);
  expect_error(user(post, "/db/_purge", R"({"a":["*"]})"), 404, "not_found");
  EXPECT_EQ(admin(post, "/db/_purge", "{}").json().raw(), R"({"purged":{}})");
}

}  // namespace
}  // namespace headgate
