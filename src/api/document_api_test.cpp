// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/api_fixture.hpp"
#include "net/uri.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;
using testing::MatchesRegex;

class DocumentApi : public ApiTest {
 protected:
  DocumentApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
  }

  Answer write_revisions(std::string_view docs) {
    return admin(post, "/db/_bulk_docs", fmt::format(R"({{"new_edits":false,"docs":{}}})", docs));
  }
};

TEST_F(DocumentApi, WriteReadChangeDelete) {
  const Answer made = user(put, "/db/doc", R"({"channels":["red"],"n":1})");
  ASSERT_EQ(made.status, 201);
  EXPECT_THAT(made.rev(), MatchesRegex("1-[0-9a-f]{32}"));
  EXPECT_EQ(made.headers.find("ETag"), fmt::format("\"{}\"", made.rev()));
  const Answer read = user(get, "/db/doc");
  EXPECT_EQ(read.at("n"), "1");
  EXPECT_EQ(read.headers.find("ETag"), made.headers.find("ETag"));
  EXPECT_EQ(user(head, "/db/doc").body, "");
  expect_error(user(put, "/db/doc", R"({"channels":["red"]})"), 409, "conflict");
  const std::string second =
      user(put, "/db/doc?rev=" + made.rev(), R"({"channels":["red"],"n":2})").rev();
  const std::string third = user(put, "/db/doc", R"({"channels":["red"],"n":3})",
                                 {{"If-Match", fmt::format("\"{}\"", second)}})
                                .rev();
  expect_error(user(put, "/db/doc?rev=" + third, R"({"_rev":"9-other"})"), 400, "bad_request");
  expect_error(user(del, "/db/doc"), 409, "conflict");
  expect_error(user(del, "/db/doc?rev=" + second), 409, "conflict");
  EXPECT_EQ(user(del, "/db/doc?rev=" + third).status, 200);
  EXPECT_EQ(user(get, "/db/doc").at("reason"), "deleted");
  EXPECT_EQ(user(get, "/db/never").at("reason"), "missing");
  expect_error(user(del, "/db/doc"), 404, "not_found");
  expect_error(user(del, "/db/never"), 404, "not_found");
}

TEST_F(DocumentApi, PostMakesAnIdWhereThereIsNone) {
  const Answer named = user(post, "/db/", R"({"_id":"a/b","channels":["red"]})");
  EXPECT_EQ(named.status, 200);
  EXPECT_EQ(named.headers.find("Location"), "/db/a%2Fb");
  const Answer unnamed = user(post, "/db", R"({"channels":["red"]})");
  EXPECT_THAT(unnamed.at("id"), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(user(get, "/db/" + unnamed.at("id")).status, 200);
  expect_error(user(post, "/db/", R"({"_id":"_local/x"})"), 400, "bad_request");
  expect_error(user(post, "/db/", R"({"_id":"absent","_rev":"1-x"})"), 404, "not_found");
  expect_error(user(post, "/db/", R"({"_id":"a/b","_rev":"1-x"})"), 409, "conflict");
}

TEST_F(DocumentApi, IdsKeepTheirCharacters) {
  for (const char* id : {"a/b", "a+b", "a%2Fb", "\xE6\x97\xA5", "_design/view", "x?y#z", "a b"}) {
    const std::string target = "/db/" + percent_encode(id);
    EXPECT_EQ(admin(put, target, "{}").status, 201) << id;
    EXPECT_EQ(admin(get, target).at("_id"), id);
  }
  EXPECT_EQ(admin(get, "/db/_design/view").at("_id"), "_design/view");
  expect_error(admin(get, "/db/_design/view/_view/x"), 404, "not_found");
  expect_error(admin(put, "/db/_design/view/_x", "{}"), 404, "not_found");
  expect_error(admin(get, "/db/_design/other"), 404, "not_found");
}

TEST_F(DocumentApi, BadIdsAndBodiesAreRefused) {
  for (const char* target : {"/db/_design/", "/db/_local/"})
    expect_error(admin(put, target, "{}"), 400, "bad_request", target);
  expect_error(admin(put, "/db/" + std::string(251, 'x'), "{}"), 400, "bad_request");
  for (const char* target : {"/db/a%00b", "/db/_local/a%00b", "/db/_design/%00"})
    expect_error(admin(put, target, "{}"), 400, "bad_request", target);
  EXPECT_EQ(admin(post, "/db/_bulk_docs", R"({"docs":[{"_id":"a\u0000b"}]})").at(0, "error"),
            "bad_request");
  expect_error(admin(put, "/db/_user/a%00b", R"({"password":"letmein"})"), 400, "bad_request");
  expect_error(admin(put, "/db/_bad", "{}"), 404, "not_found");
  expect_error(admin(put, "/db/a", R"({"_id":"b"})"), 400, "bad_request");
  for (const char* body :
       {"", "[]", "5", "null", "{", R"({"a":[1,]})", R"({"a":"\ud800"})", "{\"a\":\"\xff\"}",
        R"({"a":1,"a":2})", R"({"_sync":1})", R"({"_mine":1})", R"({"_rev":"x"})", R"({"_rev":5})",
        R"({"_exp":"never"})", R"({"channels":["a,b"]})", R"({"_attachments":5})"})
    expect_error(admin(put, "/db/a", body), 400, "bad_request", body);
  expect_error(admin(put, "/db/a", R"({"a":)" + std::string(10'000, '[') + "}"), 400, "bad_request",
               "ten thousand levels");
  expect_error(admin(put, "/db/a", R"({"_removed":true})"), 404, "not_found");
  expect_error(admin(get, "/db/a"), 404, "not_found");
}

TEST_F(DocumentApi, BodiesOverTheLimitAreRefused) {
  expect_error(admin(put, "/db/a", R"({"a":")" + std::string(21u << 20, 'x') + "\"}"), 413,
               "too_large");
  make_database("small", R"({"max_document_bytes":100,"max_bulk_docs":2})");
  expect_error(admin(put, "/small/a", R"({"a":")" + std::string(200, 'x') + "\"}"), 413,
               "too_large");
  expect_error(admin(post, "/small/_bulk_docs", R"({"docs":[{},{},{}]})"), 413, "too_large");
  EXPECT_EQ(admin(get, "/small/_all_docs").at("total_rows"), "0");
}

TEST_F(DocumentApi, RevisionsAreReadByName) {
  ASSERT_EQ(write_revisions(R"([
      {"_id":"t","_rev":"2-b","channels":["red"],"v":"b","_revisions":{"start":2,"ids":["b","a"]}},
      {"_id":"t","_rev":"3-d","channels":["red"],"_revisions":{"start":3,"ids":["d","c","a"]}}])")
                .status,
            201);
  const Answer read = user(get, "/db/t?revs=true&conflicts=true");
  EXPECT_EQ(read.at("_rev"), "3-d");
  EXPECT_EQ(read.at("_conflicts"), R"(["2-b"])");
  EXPECT_EQ(read.at("_revisions", "ids"), R"(["d","c","a"])");
  EXPECT_EQ(user(get, "/db/t?rev=2-b").at("v"), "b");
  EXPECT_EQ(user(get, "/db/t?rev=1-a&latest=true").at("_rev"), "3-d");
  expect_error(user(get, "/db/t?rev=7-x"), 404, "not_found");
  expect_error(user(get, "/db/t?rev=x"), 400, "bad_request");
  const Answer some = user(get, "/db/t?open_revs=" + percent_encode(R"(["2-b","7-x"])"));
  EXPECT_EQ(some.at(0, "ok", "_rev"), "2-b");
  EXPECT_EQ(some.at(1, "missing"), "7-x");
  EXPECT_EQ(user(get, "/db/t?open_revs=all").at(1, "ok", "_rev"), "2-b");
  for (const char* query : {"open_revs=all&rev=2-b", "open_revs=x", "open_revs={}",
                            "open_revs=%5B5%5D", "open_revs=%5B%22x%22%5D", "revs_limit=x"})
    expect_error(user(get, fmt::format("/db/t?{}", query)), 400, "bad_request", query);
}

TEST_F(DocumentApi, WhatAClientHasIsNotSentAgain) {
  const std::string rev = store("doc", R"({"channels":["red"],"n":1})");
  const std::string tag = fmt::format("\"{}\"", rev);
  for (const std::string& known :
       {tag, "W/" + tag, "\"1-other\", " + tag, std::string("*"), tag + " , \"x\""}) {
    const Answer same = user(get, "/db/doc", {}, {{"If-None-Match", known}});
    EXPECT_EQ(same.status, 304) << known;
    EXPECT_EQ(same.body, "");
    EXPECT_EQ(same.headers.find("ETag"), tag);
    EXPECT_EQ(user(head, "/db/doc", {}, {{"If-None-Match", known}}).status, 304);
  }
  for (const std::string& known : {std::string(), std::string("\"1-other\""), rev})
    EXPECT_EQ(user(get, "/db/doc", {}, {{"If-None-Match", known}}).at("n"), "1") << known;
  // Other revisions count for these answers, too.
  for (const char* query : {"conflicts=true", "revs_info=true", "local_seq=true", "meta=true"}) {
    const Answer whole = user(get, fmt::format("/db/doc?{}", query), {}, {{"If-None-Match", tag}});
    EXPECT_EQ(whole.status, 200) << query;
    EXPECT_FALSE(whole.headers.has("ETag")) << query;
  }
  EXPECT_EQ(user(get, "/db/doc?revs=true", {}, {{"If-None-Match", tag}}).status, 304);
  store("doc", fmt::format(R"({{"_rev":"{}","channels":["red"],"n":2}})", rev));
  EXPECT_EQ(user(get, "/db/doc", {}, {{"If-None-Match", tag}}).at("n"), "2");
  ASSERT_EQ(user(put, "/db/_local/x", "{}").status, 201);
  EXPECT_EQ(user(get, "/db/_local/x", {}, {{"If-None-Match", "\"0-1\""}}).status, 304);
}

// The revision is the same when a document goes out of reach or comes back.
TEST_F(DocumentApi, WhatIsHiddenHasNoTag) {
  const std::string rev = store("secret", R"({"channels":["blue"]})");
  const std::string tag = fmt::format("\"{}\"", rev);
  expect_error(user(get, "/db/secret", {}, {{"If-None-Match", tag}}), 403, "forbidden");
  const Answer redacted = user(get, "/db/secret?rev=" + rev, {}, {{"If-None-Match", tag}});
  EXPECT_EQ(redacted.at("_removed"), "true");
  EXPECT_FALSE(redacted.headers.has("ETag"));
}

TEST_F(DocumentApi, ReplicatedWritesByPut) {
  EXPECT_EQ(admin(put, "/db/r?new_edits=false", R"({"_rev":"5-x"})").rev(), "5-x");
  expect_error(admin(put, "/db/r?new_edits=false", "{}"), 400, "bad_request");
}

TEST_F(DocumentApi, WhoHasNoChannelOfItSeesNothing) {
  const std::string rev = store("secret", R"({"channels":["blue"],"word":"hush"})");
  expect_error(user(get, "/db/secret"), 403, "forbidden");
  EXPECT_EQ(user(head, "/db/secret").status, 403);
  const Answer redacted = user(get, "/db/secret?rev=" + rev);
  EXPECT_EQ(redacted.at("_removed"), "true");
  EXPECT_THAT(redacted.body, testing::Not(HasSubstr("hush")));
}

TEST_F(DocumentApi, WhatLeftTheReachIsATombstoneWhereThatIsWanted) {
  const std::string one = store("doc", R"({"channels":["red"],"word":"hush"})");
  const std::string two =
      store("doc", fmt::format(R"({{"_rev":"{}","channels":["blue"],"word":"hush"}})", one));
  const auto left = [&](std::string_view how, std::string_view other) {
    const Answer feed = user(get, "/db/_changes?include_docs=true");
    EXPECT_EQ(feed.at("results", 0, "removed"), R"(["red"])") << feed.body;
    EXPECT_EQ(feed.at("results", 0, "doc", how), "true") << feed.body;
    EXPECT_EQ(feed.at("results", 0, "doc", other), "") << feed.body;
    const Answer shown = user(get, "/db/doc?rev=" + two);
    EXPECT_EQ(shown.at(how), "true") << shown.body;
    EXPECT_EQ(shown.at(other), "") << shown.body;
    EXPECT_EQ(shown.at("_revisions", "start"), "2");
    EXPECT_THAT(feed.body + shown.body, testing::Not(HasSubstr("hush")));
  };
  left("_removed", "_deleted");
  ASSERT_EQ(admin(put, "/db/_config", R"({"removals":"deleted"})").status, 201);
  left("_deleted", "_removed");
  EXPECT_EQ(user(get, "/db/doc?open_revs=%5B%22" + two + "%22%5D").at(0, "ok", "_deleted"), "true");
  EXPECT_EQ(admin(get, "/db/doc").at("word"), "hush");
  expect_error(admin(put, "/db/_config", R"({"removals":"gone"})"), 400, "bad_request");
}

TEST_F(DocumentApi, AFailingSyncFunctionStoresNothing) {
  make_database("js", R"({"sync":"function (doc) { if (doc.bad) throw new Error('x'); }"})");
  expect_error(admin(put, "/js/a", R"({"bad":true})"), 500, "internal_server_error");
  expect_error(admin(get, "/js/a"), 404, "not_found");
  EXPECT_EQ(admin(put, "/js/a", "{}").status, 201);
}

TEST_F(DocumentApi, AFullDiskAndAnUnknownOutcomeHaveTheirStatus) {
  const auto fail_with = [this](Errc code) {
    server_.in_turn([this, code] {
      server_.bucket().inject({.matches = writes_of_kind(KeyKind::document), .code = code});
    });
  };
  fail_with(Errc::no_space);
  expect_error(admin(put, "/db/a", "{}"), 507, "insufficient_storage");
  fail_with(Errc::overloaded);
  const Answer overloaded = admin(put, "/db/a", "{}");
  expect_error(overloaded, 503, "service_unavailable");
  EXPECT_EQ(overloaded.headers.find("Retry-After"), "1");
  expect_error(admin(get, "/db/a"), 404, "not_found");
  EXPECT_EQ(admin(put, "/db/a", "{}").status, 201);
}

TEST_F(DocumentApi, LocalDocumentsAreApart) {
  expect_error(user(get, "/db/_local/check"), 404, "not_found");
  expect_error(user(put, "/db/_local/check", R"({"_rev":"0-7"})"), 404, "not_found");
  EXPECT_EQ(user(put, "/db/_local/check", R"({"n":1})").rev(), "0-1");
  expect_error(user(put, "/db/_local/check", R"({"n":2})"), 409, "conflict");
  EXPECT_EQ(user(put, "/db/_local/check", R"({"_rev":"0-1","n":2})").rev(), "0-2");
  EXPECT_EQ(user(get, "/db/_local%2Fcheck").at("n"), "2");
  EXPECT_EQ(user(head, "/db/_local/check").status, 200);
  expect_error(user(put, "/db/_local/check", R"({"_id":"_local/other"})"), 400, "bad_request");
  expect_error(user(del, "/db/_local/check?rev=x"), 400, "bad_request");
  expect_error(user(del, "/db/_local/check?rev=0-1"), 409, "conflict");
  EXPECT_EQ(user(del, "/db/_local/check?rev=0-2").status, 200);
  expect_error(user(get, "/db/_local/check"), 404, "not_found");
}

class AttachmentApi : public DocumentApi {};

TEST_F(AttachmentApi, PutGetDelete) {
  const Answer made = user(put, "/db/doc", R"({"channels":["red"]})");
  const Answer added = user(put, "/db/doc/dir/a%20b.png?rev=" + made.rev(), "0123456789",
                            {{"Content-Type", "image/png"}});
  ASSERT_EQ(added.status, 201) << added.body;
  for (const char* target : {"/db/doc/dir/a%20b.png", "/db/doc/dir%2Fa%20b.png"}) {
    const Answer read = user(get, target);
    EXPECT_EQ(read.body, "0123456789") << target;
    EXPECT_EQ(read.headers.find("Content-Type"), "image/png");
    EXPECT_THAT(std::string(read.headers.find("ETag").value()), testing::StartsWith("\"md5-"));
  }
  EXPECT_EQ(user(head, "/db/doc/dir/a%20b.png").headers.find("Content-Length"), "10");
  expect_error(user(put, "/db/doc/other", "x"), 409, "conflict");
  expect_error(user(put, "/db/doc/_bad?rev=" + added.rev(), "x"), 400, "bad_request");
  expect_error(user(get, "/db/doc/absent"), 404, "not_found");
  for (const char* name : {"absent", "dir/a%20b.png"})
    expect_error(user(del, fmt::format("/db/doc/{}?rev={}", name, made.rev())), 409, "conflict",
                 name);
  expect_error(user(del, "/db/doc/absent?rev=" + added.rev()), 404, "not_found");
  EXPECT_EQ(user(del, "/db/doc/dir/a%20b.png?rev=" + added.rev()).status, 200);
  expect_error(user(get, "/db/doc/dir/a%20b.png"), 404, "not_found");
  EXPECT_EQ(admin(put, "/db/fresh/note", "x").status, 201) << "makes the document";
}

TEST_F(AttachmentApi, AnAttachmentThatAClientHasIsNotSentAgain) {
  ASSERT_EQ(admin(put, "/db/doc/a", "0123456789", {{"Content-Type", "text/plain"}}).status, 201);
  const std::string tag(admin(get, "/db/doc/a").headers.find("ETag").value());
  const Answer same = admin(get, "/db/doc/a", {}, {{"If-None-Match", tag}, {"Range", "bytes=2-4"}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.headers.find("ETag"), tag);
  EXPECT_EQ(admin(head, "/db/doc/a", {}, {{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(admin(get, "/db/doc/a", {}, {{"If-None-Match", "\"md5-x\""}}).body, "0123456789");
  EXPECT_EQ(admin(get, "/db/doc/a", {}, {{"If-Range", tag}, {"Range", "bytes=2-4"}}).body, "234");
  EXPECT_EQ(admin(get, "/db/doc/a", {}, {{"If-Range", "\"x\""}, {"Range", "bytes=2-4"}}).status,
            200);
}

TEST_F(AttachmentApi, ADigestThatDoesNotFitIsRefused) {
  const auto send = [this](const char* md5) {
    return admin(put, "/db/doc/a", "hello", {{"Content-MD5", md5}, {"Content-Type", "text/plain"}});
  };
  for (const char* md5 : {"AAAAAAAAAAAAAAAAAAAAAA==", "x", ""})
    expect_error(send(md5), 400, "bad_request", md5);
  expect_error(admin(get, "/db/doc"), 404, "not_found");
  EXPECT_EQ(send("XUFAKrxLKna5cZ2REBfFkg==").status, 201);
}

TEST_F(AttachmentApi, RangesAreCut) {
  ASSERT_EQ(admin(put, "/db/doc/a", "0123456789", {{"Content-Type", "text/plain"}}).status, 201);
  const auto range = [this](const char* value) {
    return admin(get, "/db/doc/a", {}, {{"Range", value}});
  };
  for (const auto& [value, body, shown] : {std::tuple("bytes=2-4", "234", "bytes 2-4/10"),
                                           {"bytes=7-", "789", "bytes 7-9/10"},
                                           {"bytes=-2", "89", "bytes 8-9/10"},
                                           {"bytes=5-99", "56789", "bytes 5-9/10"}}) {
    const Answer part = range(value);
    EXPECT_EQ(part.status, 206) << value;
    EXPECT_EQ(part.body, body);
    EXPECT_EQ(part.headers.find("Content-Range"), shown);
  }
  expect_error(range("bytes=10-"), 416, "requested_range_not_satisfiable");
  expect_error(range("bytes=4-2"), 416, "requested_range_not_satisfiable");
  for (const char* ignored : {"bytes=x", "lines=1-2", "bytes=1-2,4-5", "bytes=-"})
    EXPECT_EQ(range(ignored).status, 200) << ignored;
}

TEST_F(AttachmentApi, WhatABrowserWouldRunIsOfferedAsADownload) {
  ASSERT_EQ(admin(put, "/db/doc/a", "<script>", {{"Content-Type", "Text/HTML"}}).status, 201);
  EXPECT_EQ(admin(get, "/db/doc/a").headers.find("Content-Disposition"), "attachment");
  EXPECT_EQ(admin(get, "/db/doc/a").headers.find("X-Content-Type-Options"), "nosniff");
}

TEST_F(AttachmentApi, InlineDataComesBackWhenAskedFor) {
  store("doc",
        R"({"channels":["red"],"_attachments":{"a":{"data":"aHVzaA==","content_type":"t/p"}}})");
  EXPECT_EQ(user(get, "/db/doc").at("_attachments", "a", "stub"), "true");
  EXPECT_EQ(user(get, "/db/doc?attachments=true").at("_attachments", "a", "data"), "aHVzaA==");
  for (const char* attachment : {R"({"data":"***"})", R"({"stub":true})", "5", "{}"})
    expect_error(admin(put, "/db/bad", fmt::format(R"({{"_attachments":{{"a":{}}}}})", attachment)),
                 400, "bad_request", attachment);
  expect_error(admin(get, "/db/bad"), 404, "not_found");
}

}  // namespace
}  // namespace headgate
