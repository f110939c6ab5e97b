// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class BulkApi : public ApiTest {
 protected:
  BulkApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
  }
  std::vector<std::string> ids(std::string_view query) {
    const Answer list = user(get, fmt::format("/db/_all_docs?{}", query));
    EXPECT_EQ(list.status, 200) << list.body;
    std::vector<std::string> ids;
    if (const auto rows = list.json().find("rows"))
      for (const JsonView& row : rows->elements()) ids.push_back(*row.find("id")->as_string());
    return ids;
  }
};

TEST_F(BulkApi, DocsAreAnsweredInTheirOrder) {
  const std::string rev = store("there", R"({"channels":["red"]})");
  const Answer answer = user(post, "/db/_bulk_docs",
                             fmt::format(R"({{"docs":[
      {{"_id":"new","channels":["red"]}}, {{"_id":"there","n":1}},
      {{"_id":"there","_rev":"{}","channels":["red"],"n":2}}, {{"channels":["red"]}},
      {{"_id":"_bad"}}, 5, {{"_id":"_local/point","n":1}}]}})",
                                         rev));
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.at(0, "id"), "new");
  EXPECT_EQ(answer.at(1, "error"), "conflict");
  EXPECT_EQ(answer.at(1, "status"), "409");
  EXPECT_EQ(answer.at(2, "rev").substr(0, 2), "2-");
  EXPECT_NE(answer.at(3, "id"), "");
  EXPECT_EQ(answer.at(4, "error"), "bad_request");
  EXPECT_EQ(answer.at(5, "error"), "bad_request");
  EXPECT_EQ(answer.at(6, "rev"), "0-1");
  EXPECT_EQ(user(get, "/db/_local/point").at("n"), "1");
}

TEST_F(BulkApi, DocsThatAreForbiddenAreToldByThatName) {
  make_database("js", R"({"sync":"function (doc) { if (doc.no) throw({forbidden: 'no'}); }"})");
  const Answer answer =
      admin(post, "/js/_bulk_docs", R"({"docs":[{"_id":"a","no":1},{"_id":"b"}]})");
  EXPECT_EQ(answer.at(0, "error"), "forbidden");
  EXPECT_EQ(answer.at(0, "reason"), "no");
  EXPECT_NE(answer.at(1, "rev"), "");
}

TEST_F(BulkApi, ReplicatedDocsKeepTheirRevisions) {
  const Answer answer = admin(post, "/db/_bulk_docs", R"({"new_edits":false,"docs":[
      {"_id":"r","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]}},
      {"_id":"none"}, {"_rev":"1-a"}, {"_id":"bad","_rev":"1-a","_revisions":{"start":1}}]})");
  ASSERT_EQ(answer.status, 201);
  EXPECT_EQ(answer.at(0, "rev"), "2-b");
  for (const int item : {1, 2, 3}) EXPECT_EQ(answer.at(item, "error"), "bad_request") << item;
}

TEST_F(BulkApi, BadBulksAreRefusedAsAWhole) {
  for (const char* endpoint : {"_bulk_docs", "_bulk_get"})
    for (const char* body : {"", "[]", "{}", R"({"docs":5})", R"({"docs":{}})", "{", "5"})
      expect_error(user(post, fmt::format("/db/{}", endpoint), body), 400, "bad_request", body);
  for (const char* body : {"[]", R"({"a":"x"})", R"({"a":[5]})"})
    expect_error(user(post, "/db/_revs_diff", body), 400, "bad_request", body);
  for (const char* value : {R"("false")", "0", "null", "{}"})
    expect_error(
        user(post, "/db/_bulk_docs", fmt::format(R"({{"new_edits":{},"docs":[{{}}]}})", value)),
        400, "bad_request", value);
  expect_error(
      user(post, "/db/_changes", R"({"filter":"sync_gateway/bychannel","channels":["news"]})"), 400,
      "bad_request", "channels");
  for (const char* target : {"_bulk_docs", "_bulk_get", "_revs_diff"})
    expect_error(user(get, fmt::format("/db/{}", target)), 405, "method_not_allowed", target);
}

// sync_gateway#2318, #1666; an item with a member "error" stops a PouchDB for ever.
TEST_F(BulkApi, GetNeverHasAnErrorForANamedRevision) {
  const std::string rev = store("mine", R"({"channels":["red"],"n":1})");
  const std::string hidden = store("hidden", R"({"channels":["blue"],"word":"hush"})");
  const Answer answer = user(post, "/db/_bulk_get?revs=true&latest=true",
                             fmt::format(R"({{"docs":[{{"id":"mine","rev":"{}"}},{{"id":"mine"}},
                  {{"id":"mine","rev":"9-x"}},{{"id":"absent","rev":"1-x"}},
                  {{"id":"hidden","rev":"{}"}}]}})",
                                         rev, hidden));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "ok", "n"), "1");
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "ok", "_revisions", "start"), "1");
  EXPECT_EQ(answer.at("results", 1, "docs", 0, "ok", "_rev"), rev);
  EXPECT_EQ(answer.at("results", 2, "docs", 0, "missing"), "9-x");
  EXPECT_EQ(answer.at("results", 3, "docs", 0, "missing"), "1-x");
  EXPECT_EQ(answer.at("results", 4, "docs", 0, "ok", "_removed"), "true");
  EXPECT_THAT(answer.body, Not(HasSubstr("\"error\"")));
  EXPECT_THAT(answer.body, Not(HasSubstr("hush")));
}

TEST_F(BulkApi, GetOfWhatCannotBeHadWithoutARevisionIsAnError) {
  store("mine", R"({"channels":["red"]})");
  store("hidden", R"({"channels":["blue"],"word":"hush"})");
  const Answer answer =
      user(post, "/db/_bulk_get", R"({"docs":[{"id":"hidden"},{"id":"absent"},{"id":"mine"}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.at("results", 0, "id"), "hidden");
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "error", "id"), "hidden");
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "error", "rev"), "undefined");
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "error", "error"), "forbidden");
  EXPECT_EQ(answer.at("results", 1, "docs", 0, "error", "error"), "not_found");
  EXPECT_EQ(answer.at("results", 1, "docs", 0, "error", "reason"), "missing");
  EXPECT_EQ(answer.at("results", 2, "docs", 0, "ok", "_id"), "mine");
  EXPECT_THAT(answer.body, Not(HasSubstr("hush")));
}

TEST_F(BulkApi, AMalformedItemOfGetFailsAlone) {
  const std::string rev = store("mine", R"({"channels":["red"]})");
  const Answer answer = user(post, "/db/_bulk_get",
                             fmt::format(R"({{"docs":[{{"id":"mine","rev":"x"}},{{}},{{"id":5}},5,
      {{"id":"_bad"}},{{"id":"mine","atts_since":["x"]}},{{"id":"mine","rev":7}},
      {{"id":"mine","rev":"{}"}}]}})",
                                         rev));
  ASSERT_EQ(answer.status, 200) << answer.body;
  for (int item = 0; item < 7; ++item) {
    EXPECT_EQ(answer.at("results", item, "docs", 0, "error", "error"), "bad_request") << item;
    EXPECT_NE(answer.at("results", item, "docs", 0, "error", "reason"), "") << item;
  }
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "error", "id"), "mine");
  EXPECT_EQ(answer.at("results", 0, "docs", 0, "error", "rev"), "x");
  EXPECT_EQ(answer.at("results", 2, "id"), "5");
  EXPECT_EQ(answer.at("results", 4, "id"), "_bad");
  EXPECT_EQ(answer.at("results", 7, "docs", 0, "ok", "_rev"), rev);
}

TEST_F(BulkApi, GetFailsAsAWholeWhenTheStoreDoes) {
  store("mine", R"({"channels":["red"]})");
  server_.in_turn([this] {
    server_.bucket().inject({.matches = of_kind(KeyKind::document), .times = SIZE_MAX});
  });
  expect_error(user(post, "/db/_bulk_get", R"({"docs":[{"id":"mine"}]})"), 503,
               "service_unavailable");
  server_.in_turn([this] { server_.bucket().clear(); });
}

// A PouchDB that was once answered repeats a batch that is refused as a whole for ever.
TEST_F(BulkApi, GetSendsMoreThanIsReadAtOnce) {
  store("large", R"({"channels":["red"],"text":")" + std::string(19u << 20, 'x') + "\"}");
  const std::size_t times = DocumentReader::kReplyBytesMax / (19u << 20) + 2;
  std::string docs = R"({"id":"large"})";
  for (std::size_t i = 1; i < times; ++i) docs += R"(,{"id":"large"},{"id":5})";
  const Answer answer = user(post, "/db/_bulk_get", fmt::format(R"({{"docs":[{}]}})", docs));
  ASSERT_EQ(answer.status, 200) << answer.body.substr(0, 200);
  EXPECT_TRUE(answer.body.ends_with("]}"));
  std::size_t found = 0, refused = 0;
  for (std::size_t at = 0; (at = answer.body.find("{\"id\":", at)) != std::string::npos; ++at)
    (answer.body.compare(at, 13, "{\"id\":\"large\"") == 0 ? found : refused) += 1;
  EXPECT_EQ(found, times);
  EXPECT_EQ(refused, 2 * (times - 1)) << "in the result and in its error";
}

TEST_F(BulkApi, RevsDiffNamesWhatIsMissing) {
  const std::string rev = store("a", "{}");
  const Answer answer =
      user(post, "/db/_revs_diff",
           fmt::format(R"({{"a":["{}","2-x"],"b":["1-y"],"_user/ann":[]}})", rev));
  EXPECT_EQ(
      answer.body,
      fmt::format(
          R"({{"a":{{"missing":["2-x"],"possible_ancestors":["{}"]}},"b":{{"missing":["1-y"]}}}})"
          "\n",
          rev));
  EXPECT_EQ(user(post, "/db/_revs_diff", fmt::format(R"({{"a":["{}"]}})", rev)).body, "{}\n");
}

TEST_F(BulkApi, WhatNoDocumentCanHaveIsMissingForRevsDiff) {
  const std::string rev = store("a", "{}");
  const std::string long_id(10'000, 'x');
  const Answer answer =
      user(post, "/db/_revs_diff",
           fmt::format(R"({{"a":["{}","notarev","2-x"],"b":[""],"_bad":["1-a"],"{}":["1-b"]}})",
                       rev, long_id));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.at("a", "missing"), R"(["2-x","notarev"])");
  EXPECT_EQ(answer.at("b", "missing"), R"([""])");
  EXPECT_EQ(answer.at("_bad", "missing"), R"(["1-a"])");
  EXPECT_EQ(answer.at(std::string_view(long_id), "missing"), R"(["1-b"])");
}

TEST_F(BulkApi, AllDocsListsWhatOneMaySee) {
  for (const char* id : {"b", "a", "c", "A"}) store(id, R"({"channels":["red"]})");
  store("hidden", R"({"channels":["blue"]})");
  const std::string gone = store("gone", R"({"channels":["red"]})");
  ASSERT_EQ(admin(del, "/db/gone?rev=" + gone).status, 200);
  EXPECT_THAT(ids(""), ElementsAre("A", "a", "b", "c"));
  EXPECT_THAT(ids("descending=true"), ElementsAre("c", "b", "a", "A"));
  EXPECT_THAT(ids("limit=2&skip=1"), ElementsAre("a", "b"));
  EXPECT_THAT(ids("startkey=%22b%22"), ElementsAre("b", "c"));
  EXPECT_THAT(ids("start_key=%22a%22&end_key=%22b%22"), ElementsAre("a", "b"));
  EXPECT_THAT(ids("startkey=%22a%22&endkey=%22b%22&inclusive_end=false"), ElementsAre("a"));
  EXPECT_THAT(ids("key=%22b%22"), ElementsAre("b"));
  EXPECT_THAT(ids("limit=0"), ElementsAre());
  const Answer keyed =
      user(post, "/db/_all_docs?include_docs=true", R"({"keys":["c","absent","hidden","gone"]})");
  EXPECT_EQ(keyed.at("rows", 0, "doc", "_id"), "c");
  EXPECT_EQ(keyed.at("rows", 1, "error"), "not_found");
  EXPECT_EQ(keyed.at("rows", 2, "error"), "forbidden");
  EXPECT_EQ(keyed.at("rows", 3, "value", "deleted"), "true");
  EXPECT_EQ(admin(get, "/db/_all_docs").at("total_rows"), "5");
  for (const char* query : {"startkey=b", "limit=x", "limit=-1", "keys=5", "skip=-1", "key=5"})
    expect_error(user(get, fmt::format("/db/_all_docs?{}", query)), 400, "bad_request", query);
  expect_error(user(post, "/db/_all_docs", R"({"keys":"x"})"), 400, "bad_request");
}

TEST_F(BulkApi, AllDocsTellsChannelsInReachAndAPlaceToGoOnFrom) {
  store("a", R"({"channels":["red","blue"]})");
  store("b", R"({"channels":["red"]})");
  settle();
  const Answer list = user(get, "/db/_all_docs?channels=true&update_seq=true");
  EXPECT_EQ(list.at("rows", 0, "value", "channels"), R"(["red"])") << "not the others";
  EXPECT_EQ(admin(post, "/db/_all_docs", R"({"keys":["a"],"channels":true})")
                .at("rows", 0, "value", "channels"),
            R"(["blue","red"])");
  EXPECT_EQ(user(get, "/db/_all_docs").at("rows", 0, "value", "channels"), "");
  const std::string since = list.at("update_seq");
  EXPECT_EQ(user(get, "/db/_changes?since=" + since).at("results"), "[\r\n]");
  store("c", R"({"channels":["red"]})");
  EXPECT_EQ(user(get, "/db/_changes?since=" + since).at("results", 0, "id"), "c");
}

// RxDB asks for the documents behind its keys in the body only, and without them never sees a
// conflict: its edits of known documents would stay where they are.
TEST_F(BulkApi, AllDocsTakesItsParametersFromTheBodyToo) {
  for (const char* id : {"a", "b", "c", "d"}) store(id, R"({"channels":["red"]})");
  const Answer keyed =
      user(post, "/db/_all_docs", R"({"keys":["b"],"include_docs":true,"deleted":"ok"})");
  EXPECT_EQ(keyed.at("rows", 0, "doc", "_id"), "b") << keyed.body;
  const Answer part = user(post, "/db/_all_docs?limit=1",
                           R"({"startkey":"b","endkey":"d","limit":3,"skip":"1","keys":null})");
  EXPECT_EQ(part.at("rows", 0, "id"), "c") << part.body;
  EXPECT_EQ(part.at("rows", 1, "id"), "") << "the query wins";
  for (const char* body : {R"({"limit":-1})", R"({"skip":{}})", R"({"startkey":5})", "[]", "5"})
    expect_error(user(post, "/db/_all_docs", body), 400, "bad_request", body);
}

TEST_F(BulkApi, TotalAndOffsetAreToldWhereTheyAreKnown) {
  for (const char* id : {"a", "b", "c"}) store(id, R"({"channels":["red"]})");
  store("hidden", R"({"channels":["blue"]})");
  for (const auto& [query, offset, total] : {std::tuple("", "0", "3"),
                                             {"descending=true", "0", "3"},
                                             {"skip=2", "2", "3"},
                                             {"skip=9", "3", "3"},
                                             {"limit=9&skip=1", "1", "3"},
                                             {"limit=2", "0", ""},
                                             {"limit=0", "0", ""},
                                             {"endkey=%22b%22", "0", ""},
                                             {"startkey=%22b%22", "", ""},
                                             {"startkey=%22b%22&skip=1", "", ""},
                                             {"keys=%5B%22a%22%5D", "", ""}}) {
    const Answer list = user(get, fmt::format("/db/_all_docs?{}", query));
    EXPECT_EQ(list.at("offset"), offset) << query;
    EXPECT_EQ(list.at("total_rows"), total) << query;
    EXPECT_TRUE(list.json().find("total_rows")) << query;
  }
}

TEST_F(BulkApi, ALongListIsWholeInOneAnswer) {
  std::string docs;
  for (int i = 0; i < 3'000; ++i)
    docs +=
        fmt::format(R"({}{{"_id":"d{:04}","text":"{}"}})", i ? "," : "", i, std::string(100, 'x'));
  ASSERT_EQ(admin(post, "/db/_bulk_docs", "{\"docs\":[" + docs + "]}").status, 201);
  const Answer list = admin(get, "/db/_all_docs?include_docs=true");
  EXPECT_EQ(list.at("total_rows"), "3000");
  EXPECT_EQ(list.at("rows", 2'999, "doc", "_id"), "d2999");
}

}  // namespace
}  // namespace headgate
