// SPDX-License-Identifier: Apache-2.0
#include "document/attachment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "document/base64.hpp"
#include "document/md5.hpp"

namespace headgate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Md5, KnownDigests) {
  EXPECT_EQ(to_hex(md5("")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(attachment_digest("abc"), "md5-kAFQmDzST7DWlj99KOF/cg==");
}

TEST(Base64, KnownTexts) {
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(*decode_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(*decode_base64(""), "");
}

TEST(Base64, IsStrict) {
  for (const char* text : {"Zm9vYg=", "Zm9vYg", "Zm9v\nYmFy", " Zm9v", "Zm9vYh==", "Zm9vYmF=",
                           "Zm=v", "====", "Z===", "Zm-v", "Zm_v", "Zm9vYg==Zm9v"}) {
    EXPECT_EQ(decode_base64(text).error().code, Errc::invalid_argument) << text;
  }
}

RC_GTEST_PROP(Base64Property, DecodingGivesWhatWasEncoded, (const std::string& bytes)) {
  RC_ASSERT(*decode_base64(encode_base64(bytes)) == bytes);
}

Result<std::vector<AttachmentInput>> parse(std::string_view text) {
  EXPECT_TRUE(validate_json(text)) << text;
  return parse_attachments(JsonView(text));
}

TEST(ParseAttachments, ReadsEverySource) {
  const auto inputs = parse(
      R"({"b":{"stub":true,"digest":"md5-x","revpos":2,"length":3},
          "a":{"data":"YWJj","content_type":"text/plain","digest":null},
          "c":{"follows":true,"length":7,"encoding":"gzip","encoded_length":5}})");
  ASSERT_TRUE(inputs);
  ASSERT_THAT(*inputs, SizeIs(3));
  EXPECT_EQ((*inputs)[0].data, "abc");
  EXPECT_EQ((*inputs)[0].content_type, "text/plain");
  EXPECT_EQ((*inputs)[1].source, AttachmentInput::Source::stub);
  EXPECT_EQ((*inputs)[1].digest, "md5-x");
  EXPECT_EQ((*inputs)[2].source, AttachmentInput::Source::follows);
  EXPECT_EQ((*inputs)[2].encoded_length, 5u);
}

TEST(ParseAttachments, RefusesBadOnesClearly) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"([])", "_attachments must be an object"},
      {R"({"a":1})", "Bad attachment a"},
      {R"({"a":{}})", "Missing data of attachment a"},
      {R"({"a":{"stub":false}})", "Missing data of attachment a"},
      {R"({"a":{"data":5}})", "Bad data of attachment a"},
      {R"({"a":{"data":"YWJ"}})", "Bad data of attachment a: invalid base64"},
      {R"({"":{"data":""}})", "Bad attachment name"},
      {R"({"_a":{"data":""}})", "Bad attachment name"},
      {R"({"a":{"data":"","content_type":"x\r\nSet-Cookie: y"}})", "Bad content_type"},
      {R"({"a":{"data":"","content_type":5}})", "Bad content_type"},
      {R"({"a":{"stub":true,"length":-1}})", "Bad length"},
      {R"({"a":{"data":""},"\u0061":{"data":""}})", "Duplicate attachment a"},
  };
  for (const auto& [text, reason] : bad) {
    const auto inputs = parse(text);
    ASSERT_FALSE(inputs) << text;
    EXPECT_EQ(inputs.error().code, Errc::invalid_argument);
    EXPECT_THAT(inputs.error().context, HasSubstr(reason));
  }
}

TEST(ParseAttachments, HasLimits) {
  std::string many = "{";
  for (std::size_t i = 0; i <= kAttachmentsMax; ++i)
    many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":{"data":""})";
  EXPECT_EQ(parse(many + "}").error().code, Errc::too_large);
  const std::string data = encode_base64(std::string(kAttachmentMax + 1, 'x'));
  EXPECT_EQ(parse(R"({"a":{"data":")" + data + "\"}}").error().code, Errc::too_large);
}

Attachment known(std::string name, std::string digest, std::uint64_t revpos) {
  Attachment attachment;
  attachment.name = std::move(name);
  attachment.content_type = "text/plain";
  attachment.digest = std::move(digest);
  attachment.length = 3;
  attachment.revpos = revpos;
  return attachment;
}

Result<MergedAttachments> merge(std::string_view text, const std::vector<Attachment>& ancestors) {
  auto inputs = parse(text);
  EXPECT_TRUE(inputs);
  return merge_attachments(*std::move(inputs), ancestors, 4);
}

TEST(MergeAttachments, NewBytesAreMeasuredAndStoredOnce) {
  const auto merged =
      merge(R"({"b":{"data":"YWJj"},"a":{"data":"YWJj","content_type":"t/p"}})", {});
  ASSERT_TRUE(merged);
  ASSERT_THAT(merged->attachments, SizeIs(2));
  const Attachment& a = merged->attachments[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.digest, attachment_digest("abc"));
  EXPECT_EQ(a.length, 3u);
  EXPECT_EQ(a.revpos, 4u);
  EXPECT_EQ(a.content_type, "t/p");
  EXPECT_EQ(merged->attachments[1].content_type, "application/octet-stream");
  ASSERT_THAT(merged->to_store, SizeIs(1));
  EXPECT_EQ(merged->to_store[0].bytes, "abc");
}

TEST(MergeAttachments, StubsKeepTheNearestAncestorsEntryWhateverRevposTheyClaim) {
  const std::vector<Attachment> ancestors = {known("a", "md5-new", 3), known("a", "md5-old", 1)};
  const auto by_name = merge(R"({"a":{"stub":true,"revpos":9}})", ancestors);
  EXPECT_EQ(by_name->attachments.at(0), ancestors[0]);
  EXPECT_THAT(by_name->to_store, IsEmpty());
  const auto by_digest = merge(R"({"a":{"stub":true,"digest":"md5-old"}})", ancestors);
  EXPECT_EQ(by_digest->attachments.at(0), ancestors[1]);
  const auto other_family = merge(R"({"a":{"stub":true,"digest":"sha1-x"}})", ancestors);
  EXPECT_EQ(other_family->attachments.at(0), ancestors[0]);
  EXPECT_THAT(merge("{}", ancestors)->attachments, IsEmpty()) << "what is not named is dropped";
}

TEST(MergeAttachments, RefusesWhatCannotBeKept) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"({"x":{"stub":true}})", "Missing digest in stub attachment x"},
      {R"({"x":{"stub":true,"digest":"md5-q"}})", "Unknown attachment stub x"},
      {R"({"a":{"stub":true,"digest":"md5-q"}})", "Unknown attachment stub a"},
      {R"({"a":{"follows":true}})", "Missing data of attachment a"},
      {R"({"a":{"data":"YWJj","digest":"md5-q"}})", "Digest does not match"},
      {R"({"a":{"data":"YWJj","length":4}})", "Length does not match"},
  };
  for (const auto& [text, reason] : bad) {
    const auto merged = merge(text, {known("a", "md5-a", 1)});
    ASSERT_FALSE(merged) << text;
    EXPECT_EQ(merged.error().code, Errc::invalid_argument);
    EXPECT_THAT(merged.error().context, HasSubstr(reason));
  }
}

TEST(WriteAttachments, StubsAndData) {
  const Attachment a = known("a", "md5-a", 2);
  Attachment b = known("b/\"x", "md5-b", 3);
  b.encoding = "gzip";
  b.encoded_length = 2;
  const std::vector<AttachmentOutput> outputs = {{&a, "abc"}, {&b, std::nullopt}};
  JsonWriter out;
  write_attachments(out, outputs);
  EXPECT_EQ(out.text(),
            R"({"a":{"content_type":"text/plain","revpos":2,"digest":"md5-a","data":"YWJj"},)"
            R"("b/\"x":{"content_type":"text/plain","revpos":3,"digest":"md5-b","length":3,)"
            R"("stub":true,"encoding":"gzip","encoded_length":2}})");
}

}  // namespace
}  // namespace headgate
