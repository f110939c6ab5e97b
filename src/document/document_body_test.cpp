// SPDX-License-Identifier: Apache-2.0
#include "document/document_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace headgate {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::SizeIs;

constexpr WallTime kNow = WallTime(std::chrono::milliseconds(1'700'000'000'500));

Result<ParsedDocument> parse(std::string_view text) {
  return parse_document(text, {.now = kNow});
}

TEST(ParseDocument, TakesReservedMembersOutAndKeepsTheRestAsSent) {
  const auto parsed = parse(
      R"( {"z" : 1.0, "_id":"doc", "big":123456789012345678901234567890,
           "_rev":"3-abc","_deleted":false, "a":{"b" : [1e2, "é"],"b":2}, "s":"\u0041"} )");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->body, R"({"z":1.0,"big":123456789012345678901234567890,)"
                          R"("a":{"b" : [1e2, "é"],"b":2},"s":"\u0041"})");
  EXPECT_EQ(parsed->id, DocId("doc"));
  EXPECT_EQ(parsed->rev, (Revision{3, "abc"}));
  EXPECT_FALSE(parsed->is_deleted);
  EXPECT_FALSE(parsed->has_expiry);
}

TEST(ParseDocument, AnEmptyDocumentIsADocument) {
  EXPECT_EQ(parse(" { } ")->body, "{}");
  EXPECT_EQ(parse(R"({"_id":"x"})")->body, "{}");
}

TEST(ParseDocument, ReadsTheHistoryNewestFirst) {
  const auto parsed = parse(R"({"_rev":"4-d","_revisions":{"start":4,"ids":["d","c"]}})");
  ASSERT_TRUE(parsed);
  const std::vector<Revision> expected = {{4, "d"}, {3, "c"}};
  EXPECT_EQ(parsed->revisions, expected);
  EXPECT_EQ(*parsed->history(), expected);
  EXPECT_THAT(*parse(R"({"_rev":"4-d"})")->history(), SizeIs(1));
  EXPECT_EQ(parse("{}")->history().error().context, "Bad _revisions");
  EXPECT_FALSE(parse(R"({"_rev":"4-x","_revisions":{"start":4,"ids":["d"]}})")->history());
}

struct BadDocument {
  std::string text;
  Errc code;
  std::string reason;
};

class RefusedDocument : public testing::TestWithParam<BadDocument> {};

TEST_P(RefusedDocument, WithItsReason) {
  const auto parsed = parse(GetParam().text);
  ASSERT_FALSE(parsed) << GetParam().text;
  EXPECT_EQ(parsed.error().code, GetParam().code);
  EXPECT_THAT(parsed.error().context, HasSubstr(GetParam().reason));
}

constexpr auto kInvalid = Errc::invalid_argument;
INSTANTIATE_TEST_SUITE_P(
    BadInput, RefusedDocument,
    testing::Values(
        BadDocument{"[1,]", kInvalid, "invalid JSON"},
        BadDocument{R"({"a":"\ud800"})", kInvalid, "invalid JSON"},
        BadDocument{"{\"a\":" + std::string(10'000, '[') + std::string(10'000, ']') + "}", kInvalid,
                    "nested too deeply"},
        BadDocument{"[]", kInvalid, "must be a JSON object"},
        BadDocument{R"("x")", kInvalid, "must be a JSON object"},
        BadDocument{R"({"a":1,"b":2,"a":1})", kInvalid, "Duplicate member: a"},
        BadDocument{R"({"_id":"a","\u005fid":"b"})", kInvalid, "Duplicate member: _id"},
        BadDocument{R"({"_sync":{}})", kInvalid, "Bad special document member: _sync"},
        BadDocument{R"({"_sync_x":1})", kInvalid, "_sync_x"},
        BadDocument{R"({"_purged":true})", kInvalid, "_purged"},
        BadDocument{R"({"_cv":"1@a"})", kInvalid, "_cv"},
        BadDocument{R"({"_other":1})", kInvalid, "_other"},
        BadDocument{R"({"\u005fother":1})", kInvalid, "_other"},
        BadDocument{R"({"_":1})", kInvalid, "Bad special document member: _"},
        BadDocument{R"({"_removed":true})", Errc::not_found, "Document revision is not accessible"},
        BadDocument{R"({"_id":5})", kInvalid, "Invalid doc ID"},
        BadDocument{R"({"_id":"_x"})", kInvalid, "Invalid doc ID"},
        BadDocument{R"({"_rev":"x"})", kInvalid, "Invalid revision ID"},
        BadDocument{R"({"_rev":null})", kInvalid, "Invalid revision ID"},
        BadDocument{R"({"_rev":"0-1"})", kInvalid, "Invalid revision ID"},
        BadDocument{R"({"_deleted":1})", kInvalid, "_deleted"},
        BadDocument{R"({"_exp":"soon"})", kInvalid, "Invalid _exp"},
        BadDocument{R"({"_attachments":{"a":{}}})", kInvalid, "Missing data of attachment"},
        BadDocument{R"({"_revisions":[]})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":2,"ids":[]}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":1,"ids":["b","a"]}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":-1,"ids":["b"]}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":1.5,"ids":["b"]}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":1,"ids":[5]}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":1,"ids":["a b"]}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"_revisions":{"start":1}})", kInvalid, "Bad _revisions"},
        BadDocument{R"({"a":")" + std::string(kDocumentBodyMax, 'x') + "\"}", Errc::too_large,
                    "too large"}));

TEST(ParseDocument, IgnoresWhatReadersGetAndSendBack) {
  const auto parsed = parse(
      R"({"_conflicts":["1-a"],"_deleted_conflicts":[],"_revs_info":[],"_local_seq":7,"a":1})");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->body, R"({"a":1})");
}

TEST(ParseDocument, LocalDocumentsHaveRevisionsOfTheirOwn) {
  const auto parsed =
      parse_document(R"({"_id":"_local/x","_rev":"0-3","last_seq":"5::7"})", {.is_local = true});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->rev, (Revision{0, "3"}));
  EXPECT_EQ(parsed->id, DocId("_local/x"));
}

TEST(DocId, Rules) {
  for (const std::string id : {"a", "a/b", "_design/x", "_local/x", " ", "\xc3\xa9"})
    EXPECT_TRUE(parse_doc_id(id)) << id;
  EXPECT_TRUE(parse_doc_id(std::string(kDocIdMax, 'a')));
  for (const std::string id : {"", "_", "_x", "_design/", "_local/", "_design", "_user/x", "\xff"})
    EXPECT_EQ(parse_doc_id(id).error().context, "Invalid doc ID") << id;
  EXPECT_FALSE(parse_doc_id(std::string(kDocIdMax + 1, 'a')));
}

std::optional<WallTime> expiry_of(std::string_view text) {
  const auto expiry = parse_expiry(JsonView(text), kNow);
  EXPECT_TRUE(expiry) << text;
  return expiry.value_or(std::nullopt);
}

TEST(Expiry, EveryForm) {
  const WallTime now = WallTime(seconds(1'700'000'000));
  EXPECT_EQ(expiry_of("null"), std::nullopt);
  EXPECT_EQ(expiry_of("0"), std::nullopt);
  EXPECT_EQ(expiry_of("60"), now + seconds(60));
  EXPECT_EQ(expiry_of("60.9"), now + seconds(60));
  EXPECT_EQ(expiry_of("\"60\""), now + seconds(60));
  EXPECT_EQ(expiry_of("2591999"), now + hours(30 * 24) - seconds(1));
  EXPECT_EQ(expiry_of("2592000"), WallTime(seconds(2'592'000)));
  EXPECT_EQ(expiry_of("\"1800000000\""), WallTime(seconds(1'800'000'000)));
  EXPECT_EQ(expiry_of("4294967295"), WallTime(seconds(4'294'967'295)));
  EXPECT_EQ(expiry_of(R"("2026-01-31T09:30:00Z")"), WallTime(seconds(1'769'851'800)));
  EXPECT_EQ(expiry_of(R"("2026-01-31t10:30:00.25+01:00")"), WallTime(seconds(1'769'851'800)));
  EXPECT_EQ(expiry_of(R"("2026-01-31T04:30:00-05:00")"), WallTime(seconds(1'769'851'800)));
}

TEST(Expiry, WhatIsNoTimeIsRefused) {
  for (const char* text : {"-1",
                           "4294967296",
                           "1e300",
                           "true",
                           "[]",
                           "{}",
                           "\"\"",
                           "\"x\"",
                           "\"nan\"",
                           "\"inf\"",
                           "\"60s\"",
                           R"("2026-01-31")",
                           R"("2026-02-30T00:00:00Z")",
                           R"("2026-01-31T24:00:00Z")",
                           R"("2026-01-31T09:30:00")",
                           R"("2026-01-31T09:30:00.Z")",
                           R"("1969-12-31T00:00:00Z")",
                           R"("2026-13-01T00:00:00Z")",
                           R"("2200-01-01T00:00:00Z")",
                           R"("2026-01-31T09:30:00Zx")"}) {
    EXPECT_EQ(parse_expiry(JsonView(text), kNow).error().code, Errc::invalid_argument) << text;
  }
}

TEST(Expiry, NullIsToldFromAbsent) {
  EXPECT_TRUE(parse(R"({"_exp":null})")->has_expiry);
  EXPECT_EQ(parse(R"({"_exp":null})")->expiry, std::nullopt);
}

TEST(WriteDocument, PrintsOnlyWhatIsThere) {
  EXPECT_EQ(write_document("{}", {.id = "a", .rev = "1-x"}), R"({"_id":"a","_rev":"1-x"})");
}

TEST(WriteDocument, PrintsEverythingAndIsReadBack) {
  Attachment attachment;
  attachment.name = "n";
  attachment.digest = "md5-d";
  const std::vector<AttachmentOutput> attachments = {{&attachment, std::nullopt}};
  const std::vector<Revision> line = {{2, "b"}, {1, "a"}}, others = {{2, "a"}};
  const std::vector<DocumentOutput::RevisionStatus> infos = {{{2, "b"}, "available"}};
  DocumentOutput output;
  output.id = "d\"";
  output.rev = "2-b";
  output.is_deleted = true;
  output.revisions = line;
  output.revs_info = infos;
  output.conflicts = others;
  output.deleted_conflicts = others;
  output.local_sequence = Sequence(7);
  output.attachments = attachments;
  output.expiry = WallTime(seconds(1'769'851'800));
  const std::string text = write_document(R"({"x":1.0})", output);
  EXPECT_EQ(text, R"({"_id":"d\"","_rev":"2-b","_deleted":true,"x":1.0,"_attachments":{"n":)"
                  R"({"content_type":"","revpos":0,"digest":"md5-d","length":0,"stub":true}},)"
                  R"("_revisions":{"start":2,"ids":["b","a"]},)"
                  R"("_revs_info":[{"rev":"2-b","status":"available"}],)"
                  R"("_conflicts":["2-a"],"_deleted_conflicts":["2-a"],"_local_seq":7,)"
                  R"("_exp":"2026-01-31T09:30:00Z"})");
  const auto again = parse(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->body, R"({"x":1.0})");
  EXPECT_EQ(*again->history(), line);
  EXPECT_TRUE(again->is_deleted);
  EXPECT_EQ(again->expiry, output.expiry);
}

TEST(WriteSyncInput, IsTheDocumentAsASyncFunctionSeesIt) {
  EXPECT_EQ(write_sync_input(R"({"x":1})", "a", "", false, {}), R"({"_id":"a","x":1})");
  EXPECT_EQ(write_sync_input("{}", "a", "2-b", true, {}),
            R"({"_id":"a","_rev":"2-b","_deleted":true})");
  Attachment attachment;
  attachment.name = "n";
  EXPECT_THAT(write_sync_input("{}", "a", "1-b", false, std::vector{attachment}),
              HasSubstr(R"("_attachments":{"n":{)"));
}

}  // namespace
}  // namespace headgate
