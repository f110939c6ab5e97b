// SPDX-License-Identifier: Apache-2.0
#include "document/selector.hpp"

#include <gtest/gtest.h>

#include <string>

namespace headgate {
namespace {

bool matches(const std::string& selector, const std::string& document) {
  EXPECT_TRUE(validate_json(selector)) << selector;
  EXPECT_TRUE(validate_json(document)) << document;
  const auto parsed = Selector::parse(JsonView(selector));
  EXPECT_TRUE(parsed) << selector << ": " << parsed.error().context;
  return parsed && parsed->matches(JsonView(document));
}

struct Case {
  const char* selector;
  const char* matching;  ///< null: none
  const char* other;
};

TEST(Selector, OperatorsMatchAsCouchDbs) {
  const Case cases[] = {
      {"{}", "{}", nullptr},
      {R"({"a":1})", R"({"a":1.0})", R"({"a":2})"},
      {R"({"a":{"b":1}})", R"({"a":{"b":1}})", R"({"a":{"b":2}})"},
      {R"({"a.b":1})", R"({"a":{"b":1,"c":2}})", R"({"a.b":1})"},
      {R"({"a\\.b":1})", R"({"a.b":1})", R"({"a":{"b":1}})"},
      {R"({"a.1":5})", R"({"a":[4,5]})", R"({"a":[5]})"},
      {R"({"a":{}})", R"({"a":{}})", R"({"a":{"b":1}})"},
      {R"({"a":[1,2]})", R"({"a":[1,2]})", R"({"a":[2,1]})"},
      {R"({"a":{"$eq":"x"}})", R"({"a":"x"})", R"({"a":"y"})"},
      {R"({"a":{"$ne":1}})", R"({"a":"1"})", R"({"a":1})"},
      {R"({"a":{"$ne":1}})", R"({"a":null})", R"({})"},
      {R"({"a":{"$gt":1,"$lte":3}})", R"({"a":3})", R"({"a":1})"},
      {R"({"a":{"$gte":2}})", R"({"a":"text"})", R"({"a":null})"},
      {R"({"a":{"$lt":"b"}})", R"({"a":"a"})", R"({"a":"b"})"},
      {R"({"a":{"$exists":true}})", R"({"a":null})", R"({"b":1})"},
      {R"({"a":{"$exists":false}})", R"({"b":1})", R"({"a":1})"},
      {R"({"a":{"$type":"array"}})", R"({"a":[]})", R"({"a":{}})"},
      {R"({"a":{"$in":[1,"x"]}})", R"({"a":"x"})", R"({"a":"y"})"},
      {R"({"a":{"$in":[1]}})", R"({"a":[3,1]})", R"({"a":[3]})"},
      {R"({"a":{"$nin":[1]}})", R"({"a":2})", R"({"a":1})"},
      {R"({"a":{"$nin":[1]}})", R"({"a":[2]})", R"({"b":2})"},
      {R"({"$and":[{"a":1},{"b":2}]})", R"({"a":1,"b":2})", R"({"a":1})"},
      {R"({"$or":[{"a":1},{"b":2}]})", R"({"b":2})", R"({"a":2})"},
      {R"({"$nor":[{"a":1},{"a":2}]})", R"({"a":3})", R"({"a":2})"},
      {R"({"$not":{"a":1}})", R"({"a":2})", R"({"a":1})"},
      {R"({"$not":{"a":1}})", R"({"a":2})", R"({})"},
      {R"({"a":{"$not":{"$gt":5}}})", R"({"a":5})", R"({"a":6})"},
      {R"({"$not":{"$not":{"a":1}}})", R"({"a":1})", R"({"a":2})"},
      {R"({"$not":{"a":{"$size":1}}})", R"({"a":[]})", R"({"a":[1]})"},
      {R"({"a":{"$all":[1,2]}})", R"({"a":[2,3,1]})", R"({"a":[1]})"},
      {R"({"a":{"$all":[[1,2]]}})", R"({"a":[1,2]})", R"({"a":[2,1]})"},
      {R"({"a":{"$elemMatch":{"b":{"$gt":1}}}})", R"({"a":[{"b":1},{"b":2}]})",
       R"({"a":[{"b":1}]})"},
      {R"({"a":{"$elemMatch":{"$eq":2}}})", R"({"a":[1,2]})", R"({"a":2})"},
      {R"({"a":{"$allMatch":{"$gt":0}}})", R"({"a":[1,2]})", R"({"a":[1,0]})"},
      {R"({"a":{"$allMatch":{"$gt":0}}})", R"({"a":[1]})", R"({"a":[]})"},
      {R"({"a":{"$size":2}})", R"({"a":[1,2]})", R"({"a":"ab"})"},
      {R"({"a":{"$mod":[3,1]}})", R"({"a":7})", R"({"a":7.5})"},
      {R"({"a":{"$mod":[-1,0]}})", R"({"a":-9223372036854775808})", R"({"a":"x"})"},
      {R"({"a":{"$regex":"^x+y"}})", R"({"a":"xxyz"})", R"({"a":"zxy"})"},
      {R"({"_deleted":true})", R"({"_id":"a","_deleted":true})", R"({"_id":"a"})"},
  };
  for (const Case& each : cases) {
    EXPECT_TRUE(matches(each.selector, each.matching)) << each.selector << " " << each.matching;
    if (each.other)
      EXPECT_FALSE(matches(each.selector, each.other)) << each.selector << " " << each.other;
  }
}

TEST(Selector, ValuesOfAllKindsHaveAnOrder) {
  const char* ascending[] = {"null", "false", "true",       "-1",         "1.5",       "2",
                             "\"\"", "\"a\"", "\"b\"",      "[]",         "[1]",       "[1,null]",
                             "[2]",  "{}",    R"({"a":1})", R"({"a":2})", R"({"b":0})"};
  for (std::size_t i = 0; i < std::size(ascending); ++i)
    for (std::size_t k = 0; k < std::size(ascending); ++k)
      EXPECT_EQ(compare_json(JsonView(ascending[i]), JsonView(ascending[k])),
                i < k ? -1 : (i > k ? 1 : 0))
          << ascending[i] << " " << ascending[k];
}

TEST(Selector, WhatIsNoSelectorIsRefused) {
  std::string deep = "1";
  for (int i = 0; i < 100; ++i) deep = R"({"a":)" + deep + "}";
  for (const std::string& bad :
       {std::string("[]"), std::string("5"), std::string(R"({"a":{"$no":1}})"),
        std::string(R"({"$and":{}})"), std::string(R"({"$or":[1]})"), std::string(R"({"$not":1})"),
        std::string(R"({"a":{"$in":1}})"), std::string(R"({"a":{"$exists":1}})"),
        std::string(R"({"a":{"$type":"integer"}})"), std::string(R"({"a":{"$mod":[0,1]}})"),
        std::string(R"({"a":{"$mod":[1]}})"), std::string(R"({"a":{"$size":-1}})"),
        std::string(R"({"a":{"$regex":"("}})"), std::string(R"({"a":{"$regex":"(a)\\1"}})"),
        std::string(R"({"a":{"$elemMatch":1}})"), deep})
    EXPECT_EQ(Selector::parse(JsonView(bad)).error().code, Errc::invalid_argument) << bad;
}

}  // namespace
}  // namespace headgate
