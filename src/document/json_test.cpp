// SPDX-License-Identifier: Apache-2.0
#include "document/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "document/json_grammar.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

class RefusedJson : public testing::TestWithParam<std::string> {};

TEST_P(RefusedJson, ByBothPassesAsInvalidArgument) {
  const auto short_text = validate_json(GetParam());
  ASSERT_FALSE(short_text);
  EXPECT_EQ(short_text.error().code, Errc::invalid_argument);
  EXPECT_THAT(short_text.error().context, HasSubstr("invalid JSON at byte "));
  EXPECT_FALSE(check_json_grammar(GetParam(), {}));
}

// The first eight are what an on-demand parser lets pass in members that it skips.
INSTANTIATE_TEST_SUITE_P(
    Traps, RefusedJson,
    testing::Values(R"({"x":[1,]})", R"({"x":[1 2]})", R"({"x":[tru]})", "01", "[1}}", R"("\q")",
                    R"("\ud800")", "1e999", "", " ", "{}x", std::string("{}\0", 3), "[1,]", "{",
                    R"({"a" 1})", R"({"a":1,})", R"({a:1})", R"("\udc00")", R"("\ud800\ud800")",
                    R"("\udc00\ud800")", R"({"\ud800":1})", "\"\xed\xa0\x80\"", "\"\xff\"",
                    "\"\xc0\xaf\"", "\"\n\"", "\"a", "NaN", "Infinity", "-", "+1", ".5", "1.",
                    "-1e999", "\xef\xbb\xbf{}", "'a'", "{}{}", "// no\n1"));

class AcceptedJson : public testing::TestWithParam<std::string> {};

TEST_P(AcceptedJson, ByBothPasses) {
  EXPECT_TRUE(validate_json(GetParam()));
  EXPECT_TRUE(check_json_grammar(GetParam(), {}));
}

INSTANTIATE_TEST_SUITE_P(Legal, AcceptedJson,
                         testing::Values("123456789012345678901234567890", "-18446744073709551616",
                                         "1e-999", "0.0", "-0",
                                         R"([123456789012345678901234567890,{"a":[1.0,1e2,1E+2]}])",
                                         " [ ] ", R"("\ud83d\ude00")", "\"\xf0\x9f\x98\x80\"",
                                         R"({"a":1,"a":2})", "null", "\"\"", "0e999", R"({"":0})",
                                         R"("\u0000")", "18446744073709551615",
                                         "-9223372036854775808", "0." + std::string(400, '0') + "1",
                                         std::string(300, '9')));

TEST(ValidateJson, IntegersThatNoDoubleHoldsAreRefused) {
  EXPECT_FALSE(validate_json(std::string(400, '9')));
  EXPECT_FALSE(validate_json("[-" + std::string(400, '9') + ".5]"));
  EXPECT_FALSE(validate_json(std::string(400, '9') + "e-50"));
  EXPECT_TRUE(validate_json(std::string(400, '9') + "e-100"));
  EXPECT_FALSE(validate_json("1e99999999999999999999"));
  EXPECT_TRUE(validate_json("1e-99999999999999999999"));
  EXPECT_TRUE(validate_json("0." + std::string(400, '0') + "1e500"));
}

TEST(ValidateJson, TheDepthLimitIsExactInBothPasses) {
  const auto nested = [](std::size_t depth) { return repeated("[", depth) + repeated("]", depth); };
  const auto objects = [](std::size_t depth) {
    return repeated(R"({"a":)", depth) + "1" + repeated("}", depth);
  };
  for (const auto& shape : {std::function<std::string(std::size_t)>(nested),
                            std::function<std::string(std::size_t)>(objects)}) {
    EXPECT_TRUE(validate_json(shape(1'000)));
    EXPECT_TRUE(check_json_grammar(shape(1'000), {}));
    EXPECT_FALSE(validate_json(shape(1'001)));
    EXPECT_FALSE(check_json_grammar(shape(1'001), {}));
  }
  const auto deep = validate_json(nested(10'000));
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().context, HasSubstr("nested too deeply"));
  EXPECT_FALSE(validate_json(repeated("[", 1'000'000)));
  EXPECT_TRUE(validate_json("[[1]]", {.depth_max = 2}));
  EXPECT_FALSE(validate_json("[[[1]]]", {.depth_max = 2}));
}

TEST(ValidateJson, TextsOverTheLimitAreTooLarge) {
  EXPECT_EQ(validate_json("[1,2]", {.bytes_max = 4}).error().code, Errc::too_large);
  EXPECT_TRUE(validate_json("[1]", {.bytes_max = 3}));
}

TEST(ValidateJson, LongTextsPassByTheSecondPass) {
  EXPECT_TRUE(validate_json(std::string(300 * 1024, ' ') + "[1]"));
  EXPECT_FALSE(validate_json(std::string(300 * 1024, ' ') + "[1,]"));
}

TEST(ValidateJson, TheErrorNamesThePlace) {
  EXPECT_THAT(validate_json(R"({"a":1,})").error().context, HasSubstr("at byte 7"));
}

TEST(JsonView, ReadsEveryKind) {
  const JsonView view(R"( {"n":null,"b":true,"i":-5,"d":1.5,"s":"x","a":[1,2],"o":{"k":0}} )");
  EXPECT_EQ(view.kind(), JsonKind::object);
  EXPECT_TRUE(view.find("n")->is_null());
  EXPECT_EQ(view.find("b")->as_bool(), true);
  EXPECT_EQ(view.find("i")->as_int64(), -5);
  EXPECT_EQ(view.find("i")->as_uint64(), std::nullopt);
  EXPECT_EQ(view.find("d")->as_double(), 1.5);
  EXPECT_EQ(view.find("d")->as_int64(), std::nullopt);
  EXPECT_EQ(view.find("s")->as_string(), "x");
  EXPECT_EQ(view.find("s")->as_double(), std::nullopt);
  EXPECT_EQ(view.find("o")->find("k")->as_uint64(), 0u);
  EXPECT_EQ(view.find("absent"), std::nullopt);
  EXPECT_EQ(JsonView("[1]").find("a"), std::nullopt);
  EXPECT_TRUE(JsonView().is_null());
}

TEST(JsonView, IntegersBeyond64BitsHaveADoubleAndTheirSpelling) {
  const JsonView view("123456789012345678901234567890");
  EXPECT_EQ(view.as_int64(), std::nullopt);
  EXPECT_DOUBLE_EQ(*view.as_double(), 1.2345678901234568e29);
  EXPECT_EQ(view.raw(), "123456789012345678901234567890");
}

TEST(JsonView, MembersComeInOrderWithDuplicatesAndRawSlices) {
  std::vector<std::string> names, values;
  for (const auto& member :
       JsonView("{ \"b\" : [1, {\"}\":\"]\"}] ,\n\"a\":\"x,\\\"}\",\"b\":2}").members()) {
    names.push_back(member.name());
    values.emplace_back(member.value.raw());
  }
  EXPECT_THAT(names, ElementsAre("b", "a", "b"));
  EXPECT_THAT(values, ElementsAre("[1, {\"}\":\"]\"}]", "\"x,\\\"}\"", "2"));
}

TEST(JsonView, EmptyContainersHaveNothingInThem) {
  for (const char* text : {"{}", "[]", "{ }", "[\n]", "1", "null"}) {
    const JsonView view(text);
    EXPECT_TRUE(view.members().begin() == view.members().end()) << text;
    EXPECT_TRUE(view.elements().begin() == view.elements().end()) << text;
  }
}

TEST(JsonView, StringsAreDecoded) {
  EXPECT_EQ(JsonView(R"("a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")").as_string(),
            "a\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(JsonView(R"("\u0000x")").as_string(), std::string("\0x", 2));
}

TEST(JsonView, EscapedNamesAreFound) {
  const JsonView view(R"({"\u005fid":1})");
  EXPECT_EQ(view.find("_id")->as_int64(), 1);
}

TEST(CanonicalJson, SortsMembersAndKeepsNumbers) {
  EXPECT_EQ(canonical_json(R"( { "b" : [ 1.0 , 1e2, {"z":1,"y":2} ] , "a" : "\u0061\n" } )"),
            R"({"a":"a\n","b":[1.0,1e2,{"y":2,"z":1}]})");
  EXPECT_EQ(canonical_json(R"({"B":1,"a":2,"\u0041":3})"), R"({"A":3,"B":1,"a":2})");
  EXPECT_EQ(canonical_json(R"({"a":2,"b":0,"a":1})"), R"({"a":2,"a":1,"b":0})");
  EXPECT_EQ(canonical_json("\"x\""), "\"x\"");
  EXPECT_EQ(canonical_json("{}"), "{}");
  EXPECT_EQ(canonical_json("[[],{}]"), "[[],{}]");
  EXPECT_EQ(canonical_json(R"({"b":"b","a":"a"})"), R"({"a":"a","b":"b"})");
}

TEST(CanonicalJson, IsTheSameForEverySpellingAndForItself) {
  const std::string once = canonical_json(R"({"é":"\/","k":"\u00e9","a":"<&>"})");
  EXPECT_EQ(once, "{\"a\":\"<&>\",\"k\":\"\xc3\xa9\",\"\xc3\xa9\":\"/\"}");
  EXPECT_EQ(canonical_json(once), once);
}

TEST(CanonicalJson, WorkDoesNotGrowWithDepthTimesLength) {
  // At 1,000 levels, one copy or scan a level would be 4 GB of work.
  std::string text;
  for (int i = 0; i < 990; ++i) text += R"({"b":)";
  text += '"' + std::string(4'000'000, 'x') + '"';
  for (int i = 0; i < 990; ++i) text += R"(,"a":0})";
  const std::string canonical = canonical_json(text);
  EXPECT_EQ(canonical.size(), text.size());
  EXPECT_TRUE(canonical.starts_with(R"({"a":0,"b":{"a":0,)"));
}

TEST(JsonWriter, PutsCommasAndEscapes) {
  JsonWriter out;
  out.begin_object().key("a").begin_array().number(std::int64_t{-1}).string("q\"\\\x01\n").null();
  out.begin_object().end_object().end_array().key("b").boolean(false).key("c").raw("1.0");
  out.members_of(R"( {"d":1,"e":[2]} )").members_of("{ }");
  out.key("f").number(std::numeric_limits<std::uint64_t>::max()).end_object();
  EXPECT_EQ(out.text(), R"({"a":[-1,"q\"\\\u0001\n",null,{}],"b":false,"c":1.0,"d":1,"e":[2],)"
                        R"("f":18446744073709551615})");
  EXPECT_TRUE(validate_json(out.text()));
}

TEST(JsonWriter, TextThatIsNotUtf8BecomesValidJson) {
  for (const std::string bad : {"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"}) {
    JsonWriter out;
    out.string(bad + "z");
    EXPECT_TRUE(validate_json(out.text())) << out.text();
    EXPECT_TRUE(out.text().ends_with("z\""));
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_TRUE(is_valid_utf8("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
}

}  // namespace
}  // namespace headgate
