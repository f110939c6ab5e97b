// SPDX-License-Identifier: Apache-2.0
// Names of requests, their durations by kind, and what is logged; what the lines say is in
// tests/clients/logging.test.mjs.
#include <numeric>

#include "api/api_fixture.hpp"
#include "base/log.hpp"

namespace headgate {
namespace {

using enum HttpMethod;
using testing::MatchesRegex;

class LoggingApi : public ApiTest {
 protected:
  LoggingApi() {
    make_database("db");
    make_user("db", ann_, R"(["red"])");
  }
  ~LoggingApi() override {
    set_log_level(LogLevel::info);
    hide_user_data(false);
  }

  std::string id_of(const Answer& answer) {
    return std::string(answer.headers.find("X-Request-Id").value_or(""));
  }
  std::string id_for(std::string_view given) {
    return id_of(user(get, "/db/", {}, {{"X-Request-Id", std::string(given)}}));
  }
  std::uint64_t counted(RequestKind kind) {
    std::uint64_t count = 0;
    server_.in_turn([&] {
      const auto& counts =
          server_.services().statistics.durations[static_cast<std::size_t>(kind)].counts;
      count = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    });
    return count;
  }
};

TEST_F(LoggingApi, EveryRequestHasAName) {
  const std::string first = id_of(user(get, "/db/"));
  EXPECT_THAT(first, MatchesRegex("[0-9a-f]{16}"));
  EXPECT_NE(id_of(user(get, "/db/")), first);
  EXPECT_NE(id_of(user(get, "/none/")), "") << "errors, too";
  EXPECT_NE(id_of(user(get, "/db/_changes")), "") << "and streams";
  EXPECT_NE(id_of(admin(get, "/_health")), "");
}

TEST_F(LoggingApi, AClientsNameIsTakenIfItIsSane) {
  for (const char* sane : {"a", "7b6f0c1e-77a1-4f0e-9f39-2f2c8e3fd0d1", "trace:1/2+3=4._"})
    EXPECT_EQ(id_for(sane), sane);
  EXPECT_EQ(id_for(std::string(64, 'x')), std::string(64, 'x'));
  for (const std::string& other : {std::string(65, 'x'), std::string("a b"), std::string("a\"b"),
                                   std::string("<b>"), std::string("a,b"), std::string("\xc3\xa4")})
    EXPECT_THAT(id_for(other), MatchesRegex("[0-9a-f]{16}")) << other;
}

TEST_F(LoggingApi, DurationsAreCountedByKind) {
  const auto reads = counted(RequestKind::read);
  const auto writes = counted(RequestKind::write);
  EXPECT_EQ(admin(put, "/db/a", "{}").status, 201);
  EXPECT_EQ(admin(get, "/db/a").status, 200);
  EXPECT_EQ(admin(get, "/db/b").status, 404);
  EXPECT_EQ(admin(post, "/db/_bulk_docs", R"({"docs":[]})").status, 201);
  EXPECT_EQ(admin(get, "/db/_changes").status, 200);
  EXPECT_EQ(admin(get, "/db/_changes?feed=longpoll&timeout=1&since=now").status, 200);
  EXPECT_EQ(admin(get, "/db/_nothing").status, 404);
  EXPECT_EQ(counted(RequestKind::read), reads + 2);
  EXPECT_EQ(counted(RequestKind::write), writes + 1);
  EXPECT_EQ(counted(RequestKind::bulk), 1u);
  EXPECT_EQ(counted(RequestKind::feed), 1u) << "the one that did not wait";
}

TEST_F(LoggingApi, LoggingIsChangedWhileTheServerRuns) {
  EXPECT_EQ(admin(get, "/_logging").at("level"), "info");
  const Answer changed = admin(put, "/_logging", R"({"level":"debug","slow_request_ms":5})");
  EXPECT_EQ(changed.body, "{\"level\":\"debug\",\"hide_user_data\":false,\"slow_request_ms\":5}\n");
  EXPECT_TRUE(is_logged(LogLevel::debug));
  EXPECT_EQ(admin(put, "/_logging", R"({"hide_user_data":true})").at("level"), "debug")
      << "what is absent stays";
  EXPECT_TRUE(is_user_data_hidden());
  for (const char* body :
       {R"({"level":"loud"})", R"({"level":"critical"})",
        R"({"level":"error","slow_request_ms":-1})", R"({"level":"error","hide_user_data":1})",
        R"({"level":"error","colour":"red"})", "[]", ""})
    expect_error(admin(put, "/_logging", body), 400, "bad_request", body);
  EXPECT_EQ(admin(get, "/_logging").body,
            "{\"level\":\"debug\",\"hide_user_data\":true,\"slow_request_ms\":5}\n")
      << "a mistake changes nothing";
  expect_error(user(get, "/_logging"), 404, "not_found", "not for clients");
}

}  // namespace
}  // namespace headgate
