// SPDX-License-Identifier: Apache-2.0
// Users and roles on the admin port.
#include <fmt/format.h>

#include "api/api_fixture.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::HasSubstr;

class PrincipalApi : public ApiTest {
 protected:
  PrincipalApi() {
    make_database("db", R"json({"sync":
      "function (doc) { channel(doc.channels); if (doc.to) access(doc.to, doc.give); if (doc.who) role(doc.who, doc.roles); }"})json");
    make_user("db", ann_, R"(["red"])");
  }
};

TEST_F(PrincipalApi, RolesAreMadeListedChangedAndDeleted) {
  EXPECT_EQ(admin(get, "/db/_role/").body, "[]\n");
  EXPECT_EQ(admin(put, "/db/_role/staff", R"({"admin_channels":["desk"]})").status, 201);
  EXPECT_EQ(admin(post, "/db/_role/", R"({"name":"boss"})").status, 201);
  expect_error(admin(post, "/db/_role/boss", "{}"), 409, "conflict");
  expect_error(admin(post, "/db/_role/", R"({"admin_channels":[]})"), 400, "bad_request");
  EXPECT_EQ(admin(get, "/db/_role/").body, "[\"boss\",\"staff\"]\n");
  EXPECT_EQ(admin(get, "/db/_role/?limit=1").body, "[\"boss\"]\n");
  const Answer full = admin(get, "/db/_role/?name_only=false");
  EXPECT_EQ(full.at(1, "name"), "staff");
  EXPECT_EQ(full.at(1, "admin_channels", 0), "desk");
  EXPECT_EQ(admin(del, "/db/_role/boss").status, 200);
  expect_error(admin(get, "/db/_role/boss"), 404, "not_found");
  expect_error(admin(del, "/db/_role/boss"), 404, "not_found");
  EXPECT_EQ(admin(get, "/db/_role/").body, "[\"staff\"]\n");
  for (const char* name : {"a:b", "a%2Fb", "%60"})
    expect_error(admin(put, fmt::format("/db/_role/{}", name), "{}"), 400, "bad_request", name);
  expect_error(admin(get, "/db/_role/?limit=x"), 400, "bad_request");
}

TEST_F(PrincipalApi, ARoleShowsWhatDocumentsGiveIt) {
  EXPECT_EQ(admin(put, "/db/_role/staff", R"({"admin_channels":["desk"]})").status, 201);
  store("g", R"({"to":"role:staff","give":["door"]})");
  EXPECT_EQ(admin(get, "/db/_role/staff").at("admin_channels"), R"(["desk"])");
  EXPECT_EQ(admin(get, "/db/_role/staff").at("all_channels"), R"(["desk","door"])");
  store("r", R"({"who":"ann","roles":"role:staff"})");
  const Answer ann = admin(get, "/db/_user/ann");
  EXPECT_EQ(ann.at("admin_roles"), "[]");
  EXPECT_EQ(ann.at("roles"), R"(["staff"])");
  EXPECT_EQ(ann.at("all_channels"), R"(["!","desk","door","red"])");
  EXPECT_EQ(admin(del, "/db/_role/staff").status, 200);
  EXPECT_EQ(admin(get, "/db/_user/ann").at("roles"), "[]");
  EXPECT_EQ(admin(get, "/db/_user/ann").at("all_channels"), R"(["!","red"])");
}

TEST_F(PrincipalApi, UsersAreListed) {
  for (int i = 0; i < 5; ++i) make_user("db", {fmt::format("u{}", i), "secret"}, "[]");
  EXPECT_EQ(admin(get, "/db/_user/?limit=3").body, R"(["ann","u0","u1"])"
                                                   "\n");
  const Answer full = admin(get, "/db/_user/?name_only=false&limit=2");
  EXPECT_EQ(full.at(0, "name"), "ann");
  EXPECT_EQ(full.at(0, "all_channels"), R"(["!","red"])");
  EXPECT_EQ(full.at(1, "disabled"), "false");
  EXPECT_EQ(full.at(0, "password"), "");
}

TEST_F(PrincipalApi, EmailsLookLikeOne) {
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"email":"ann@example.org"})").status, 200);
  EXPECT_EQ(admin(get, "/db/_user/ann").at("email"), "ann@example.org");
  for (const char* bad : {"ann", "@", "a@", "@b", "a@b@c", "a b@c"}) {
    const Answer refused = admin(put, "/db/_user/ann", fmt::format(R"({{"email":"{}"}})", bad));
    expect_error(refused, 400, "bad_request", bad);
    EXPECT_THAT(refused.at("reason"), HasSubstr("email"));
  }
  EXPECT_EQ(admin(put, "/db/_user/ann", R"({"email":""})").status, 200);
  EXPECT_EQ(admin(get, "/db/_user/ann").at("email"), "");
}

}  // namespace
}  // namespace headgate
