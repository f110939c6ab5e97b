// SPDX-License-Identifier: Apache-2.0
#include "access/sync_function.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "access/sync_reply.hpp"

namespace headgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> native(std::string_view doc) {
  const auto output = NativeSyncFunction::run(doc);
  EXPECT_TRUE(output);
  EXPECT_EQ(output->rejection, std::nullopt);
  return output->channels;
}

std::optional<Rejection> native_rejection(std::string_view doc) {
  return NativeSyncFunction::run(doc)->rejection;
}

TEST(NativeSyncFunction, TakesAStringOrAnArrayOrNothing) {
  EXPECT_THAT(native(R"({"a":1,"channels":"x"})"), ElementsAre("x"));
  EXPECT_THAT(native(R"({"channels":["b","a","b"],"z":{"channels":"no"}})"), ElementsAre("a", "b"));
  EXPECT_THAT(native(R"({"channels":"\u00e9\n\"q\""})"), ElementsAre("é\n\"q\""));
  EXPECT_THAT(native("{}"), IsEmpty());
  EXPECT_THAT(native(R"({"z":{"channels":"no"}})"), IsEmpty());
}

TEST(NativeSyncFunction, IgnoresWhatIsNoString) {
  EXPECT_THAT(native(R"({"channels":7})"), IsEmpty());
  EXPECT_THAT(native(R"({"channels":null})"), IsEmpty());
  EXPECT_THAT(native(R"({"channels":{"a":"b"}})"), IsEmpty());
  EXPECT_THAT(native(R"({"channels":[7,null,["n"],{"o":1},"a"]})"), ElementsAre("a"));
}

TEST(NativeSyncFunction, KeepsStarBesideOthers) {
  EXPECT_THAT(native(R"({"channels":["a","*"]})"), ElementsAre("*", "a"));
}

TEST(NativeSyncFunction, RefusesIllegalNames) {
  EXPECT_EQ(native_rejection(R"({"channels":""})")->code, Errc::invalid_argument);
  EXPECT_EQ(native_rejection(R"({"channels":["a","b,c"]})")->code, Errc::invalid_argument);
}

TEST(NativeSyncFunction, RefusesTooManyChannels) {
  std::string doc = R"({"channels":["x")";
  for (std::size_t i = 1; i < kMaxDocumentChannels; ++i) doc += ",\"c" + std::to_string(i) + "\"";
  EXPECT_EQ(native_rejection(doc + "]}"), std::nullopt);
  EXPECT_EQ(native_rejection(doc + ",\"one more\"]}")->code, Errc::invalid_argument);
}

TEST(NativeSyncFunction, RunsInline) {
  const NativeSyncFunction function;
  EXPECT_TRUE(function.runs_inline());
  EXPECT_THAT(function.run(SyncInput{R"({"channels":"x"})", "", nullptr})->channels,
              ElementsAre("x"));
}

TEST(SyncUser, JoinsNamesByCommas) {
  const std::vector<std::string> channels{"!", "a b"};
  const auto user = SyncUser::make("alice", channels, {});
  EXPECT_EQ(user->channels, "!,a b");
  EXPECT_EQ(user->roles, "");
}

TEST(SyncReply, TokensBecomeChannelsAndGrants) {
  SyncReply reply;
  reply.tokens = "cb,ca,cb,abob,x,arole:staff,y,rbob,admin";
  const auto output = read_reply(reply);
  EXPECT_EQ(output.rejection, std::nullopt);
  EXPECT_THAT(output.channels, ElementsAre("a", "b"));
  EXPECT_THAT(output.access.at(PrincipalName::user("bob")), ElementsAre("x"));
  EXPECT_THAT(output.access.at(PrincipalName::role("staff")), ElementsAre("y"));
  EXPECT_THAT(output.roles.at("bob"), ElementsAre("admin"));
}

TEST(SyncReply, ARejectionLeavesNothingElse) {
  SyncReply reply;
  reply.tokens = "ca";
  reply.expiry = "1";
  reply.code = "forbidden";
  reply.reason = "no";
  const auto output = read_reply(reply);
  EXPECT_EQ(output.rejection, (Rejection{Errc::forbidden, "no"}));
  EXPECT_THAT(output.channels, IsEmpty());
  EXPECT_EQ(output.expiry, std::nullopt);
}

}  // namespace
}  // namespace headgate
